"""``retry_after`` of a denial: when a unit comes back by itself, where that is known."""

from __future__ import annotations

import pytest

from meterguard import EntitlementDenied
from meterguard.core.exhaustion import prove
from meterguard.integrations.http import HttpOptions
from meterguard.integrations.page import page
from meterguard.model import Entitlement
from meterguard.ports import Usage
from meterguard.units import Unit


def denied(guard):
    with pytest.raises(EntitlementDenied) as caught, guard.requires_entitlement("Jobs", 1, hold="call"):
        pass
    return caught.value


def test_a_lease_that_lingers_comes_back_when_it_has_done_so(new_guard):
    guard = new_guard(linger=20)
    with guard.requires_entitlement("Jobs", 2):
        pass
    no = denied(guard)
    assert no.is_exhausted
    assert 15 < no.retry_after <= 20
    assert HttpOptions().refusal(no).retry_after in range(15, 21)


@pytest.mark.parametrize("options", [{"linger": 600}, {}], ids=["in a long while", "at a time that nobody knows"])
def test_else_it_is_for_the_application_to_say(new_guard, options):
    guard = new_guard(**options)
    with guard.requires_entitlement("Jobs", 2):
        pass
    assert denied(guard).retry_after is None


def test_what_is_in_use_comes_back_at_a_time_that_nobody_knows(new_guard):
    guard = new_guard(linger=20)
    with guard.requires_entitlement("Jobs", 2):
        assert denied(guard).retry_after is None


def test_a_page_and_a_document_tell_the_place_of_who_waited():
    jobs = Entitlement("Jobs", 1, "Count")
    no = EntitlementDenied("no", (jobs,), (jobs,))
    prove(no, [Usage("Jobs", Unit.COUNT, 2, 2)])
    assert "Waiting before you" not in page(HttpOptions().refusal(no))
    assert "ahead" not in HttpOptions().refusal(no).problem("/")
    for ahead, shown in ((3, "3 at most"), (0, "nobody")):
        no.ahead = ahead
        assert f"<dt>Waiting before you</dt><dd>{shown}</dd>" in page(HttpOptions().refusal(no))
        assert HttpOptions().refusal(no).problem("/")["ahead"] == ahead
