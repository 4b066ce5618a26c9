"""Causes: what a call that was not let in came to, and whether waiting can help."""

from __future__ import annotations

from typing import TypeGuard

from ..errors import EntitlementDenied, EntitlementUnavailable
from ..reasons import Reason


def may_pass(outcome: object) -> TypeGuard[EntitlementDenied]:
    """Tell whether this is a no that units coming back may turn into a yes."""
    return isinstance(outcome, EntitlementDenied) and outcome.reason in (Reason.NOT_ENTITLED, Reason.COVERS_LESS)


def gravest(errors: list[Exception]) -> Exception:
    """Return a mistake of ours before a no; among noes, that of the first choice."""
    return next(
        (error for error in errors if not isinstance(error, EntitlementDenied | EntitlementUnavailable)), errors[0]
    )
