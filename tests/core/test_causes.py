"""What a call that was not let in came to."""

from __future__ import annotations

import pytest

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    Reason,
    UntrustedLease,
)
from meterguard.core.causes import gravest, may_pass


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (EntitlementDenied("no"), True),
        (EntitlementDenied("no", reason=Reason.COVERS_LESS), True),
        (EntitlementDenied("no", reason=Reason.NO_LICENSE), False),
        (AuthorizationRefused("no"), False),
        (UntrustedLease("no"), False),
        (EntitlementUnavailable("silence"), False),
        (ConfigurationError("wrong"), False),
        (None, False),
    ],
)
def test_only_a_no_for_want_of_units_may_pass(outcome, expected):
    assert may_pass(outcome) is expected


def test_a_mistake_of_ours_is_told_before_any_no_and_else_that_of_the_first_choice():
    first, second, mistake = EntitlementDenied("first"), EntitlementUnavailable("second"), ConfigurationError("wrong")
    assert gravest([first, second, mistake]) is mistake
    assert gravest([first, second]) is first
    assert gravest([second, first]) is second
