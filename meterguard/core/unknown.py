"""An answer in place of the service's, where it could not be asked: grace, allow or deny."""

from __future__ import annotations

from enum import Enum

from ..ports import Moment
from ..reasons import OnUnknown
from .lifecycle import State
from .terms import elapsed


class Unknown(Enum):
    """Treatment of a call when the service could not be asked."""

    GRACE = "grace"
    ALLOW = "allow"
    RAISE = "raise"


_GRACEFUL = frozenset({State.HELD, State.STRAINED, State.LAPSED, State.ADRIFT})
"""States in which the last definite answer was a yes."""


def answer_unknown(declared: OnUnknown, state: State, last_good: Moment | None, now: Moment, grace: float) -> Unknown:
    """Decide. Grace needs a last good answer with no definite no after it; ``"allow"`` needs nothing."""
    if declared is OnUnknown.ALLOW:
        return Unknown.ALLOW
    if declared is OnUnknown.GRACE and state in _GRACEFUL and in_grace(last_good, now, grace) > 0:
        return Unknown.GRACE
    return Unknown.RAISE


def in_grace(last_good: Moment | None, now: Moment, grace: float) -> float:
    """Return the seconds of grace left, counted from the last good answer by the clock that ran further."""
    if last_good is None:
        return 0.0
    return max(0.0, grace - elapsed(last_good, now)[1])
