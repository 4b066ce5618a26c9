"""The schedule of a lease: its window on the hot path, its refresh window, and what is due for it."""

from __future__ import annotations

import math
from enum import Enum

from ..ports import Moment
from .terms import Phase, Term, elapsed, phase

WINDOW = 5.0  # seconds: the longest the hot path goes without looking at both clocks


def window_length(lifetime: float, linger: float | None) -> float:
    """Return the seconds that a window lasts: never a large part of anything that it could hide."""
    length = min(WINDOW, lifetime / 4)
    return length if linger is None else min(length, linger / 10)


def window(term: Term, now: Moment, linger: float | None) -> tuple[float, float]:
    """Return the stretch of wall time, from now, in which nobody needs to look at both clocks."""
    age = elapsed(term.start, now)[1]
    left = (term.refresh_after if age < term.refresh_after else term.lifetime) - age  # so that a call sees it due
    return now.wall, now.wall + min(window_length(term.lifetime, linger), left)


def refresh_after(lifetime: float, refresh_ahead: float, draw: float) -> float:
    """Return where in a lifetime renewal begins. ``draw`` in [0, 1) spreads a fleet over a quarter of the window."""
    return lifetime * (1 - refresh_ahead + refresh_ahead * draw / 4)


class Tend(Enum):
    """The result of a look at a lease."""

    WAIT = "wait"
    RENEW = "renew"
    RETURN = "return"


def tend(
    term: Term, now: Moment, used_at: Moment, used: bool, is_busy: bool, linger: float | None
) -> tuple[Tend, float]:
    """Return the work that is due for a lease, and the seconds after which to look again.

    Work under it and use since the last renewal are reasons to renew it. With ``linger`` it is kept
    for that long after its last use, whatever its lifetime, and then given back.
    """
    age = elapsed(term.start, now)[1]
    kept = math.inf
    if linger is not None and not is_busy:
        kept = linger - elapsed(used_at, now)[1]
        if kept <= 0:
            return Tend.RETURN, 0.0
    in_doubt = phase(term, now) is Phase.DOUBTFUL
    is_due = age >= term.refresh_after or in_doubt
    if is_due and (used or is_busy or linger is not None):
        return Tend.RENEW, 0.0
    next_look = term.lifetime - age if is_due else term.refresh_after - age
    if in_doubt:  # no moment is known at which it ends
        next_look = math.inf
    return Tend.WAIT, max(0.01, min(kept, next_look))
