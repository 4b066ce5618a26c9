"""Texts of denials and outages: they name only what can be the reason, as whole sentences."""

from __future__ import annotations

import pytest

from meterguard import Entitlement, EntitlementUnavailable
from meterguard.core.messages import failed, no_more_on_grace, timed_out
from meterguard.ports import FaultKind, ServiceFault


@pytest.mark.parametrize(
    ("requirement", "may_be_in_use"),
    [
        ((Entitlement("Export"),), False),
        ((Entitlement("Seats", 1, "Count"),), True),
        ((Entitlement("Export"), Entitlement("Seats", 1, "Count")), True),
    ],
)
def test_only_counted_units_are_said_to_be_in_use(requirement, may_be_in_use):
    text = str(failed(requirement, ServiceFault(FaultKind.DENIED, "")))
    assert ("in use" in text) is may_be_in_use
    assert ("wait=" in text) is may_be_in_use


@pytest.mark.parametrize("text", ["no answer came in time", "no better answer came within 2 s."])
def test_a_second_sentence_begins_after_one_full_stop(text):
    told = str(no_more_on_grace(EntitlementUnavailable(text)))
    assert told.startswith(f"{text.removesuffix('.')}. As many calls")
    told = str(timed_out((Entitlement("Export"),), 2, EntitlementUnavailable(text)))
    assert told.startswith(f"{text.removesuffix('.')}. The request goes on")
