"""The numbers an author declares, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from ..ports import Moment
from ..reasons import OnUnknown
from .lifecycle import Phase, State, Term, elapsed, in_grace, phase

WINDOW = 5.0  # seconds: the longest the hot path goes without looking at both clocks
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds, back-off between attempts
RENEWAL_PAUSE = 5.0  # seconds between questions in the background that got no answer, at most


@dataclass(frozen=True, slots=True)
class Policy:
    """A guard's declared behaviour. Durations in seconds."""

    on_unknown: OnUnknown = OnUnknown.GRACE
    grace: float = 1800.0
    denial_ttl: float = 5.0
    linger: float | None = None
    refresh_ahead: float = 0.2
    timeout: float = 10.0
    max_leases: int = 10_000
    check_in_on_exit: bool = True
    inline: bool = False
    """No threads of our own: renewals happen on the caller's, as frozen environments need."""


def window_length(lifetime: float, linger: float | None) -> float:
    """How long the hot path may ride before it looks again: never a large part of anything it could miss."""
    length = min(WINDOW, lifetime / 4)
    return length if linger is None else min(length, linger / 10)


def window(term: Term, now: Moment, linger: float | None) -> tuple[float, float]:
    """The stretch of wall time, from now, in which no look at both clocks is needed."""
    age = elapsed(term.start, now)[1]
    left = (term.refresh_after if age < term.refresh_after else term.lifetime) - age  # so that a call sees it due
    return now.wall, now.wall + min(window_length(term.lifetime, linger), left)


def refresh_after(lifetime: float, refresh_ahead: float, draw: float) -> float:
    """Where in a lifetime renewal begins. ``draw`` in [0, 1) spreads a fleet over a quarter of the window."""
    return lifetime * (1 - refresh_ahead + refresh_ahead * draw / 4)


def pause(attempt: int, draw: float) -> float:
    """Seconds before the attempt after ``attempt`` (from 0): exponential, with full jitter."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * float(2 ** min(attempt, 16))) * draw


class Unknown(Enum):
    """What to do with a call when the service could not be asked."""

    GRACE = "grace"
    ALLOW = "allow"
    RAISE = "raise"


_GRACEFUL = frozenset({State.HELD, State.STRAINED, State.LAPSED, State.ADRIFT})
"""Where the last definite answer was a yes."""


def answer_unknown(declared: OnUnknown, state: State, last_good: Moment | None, now: Moment, grace: float) -> Unknown:
    """Grace needs a last good answer with no definite no after it; ``"allow"`` needs nothing."""
    if declared is OnUnknown.ALLOW:
        return Unknown.ALLOW
    if declared is OnUnknown.GRACE and state in _GRACEFUL and in_grace(last_good, now, grace) > 0:
        return Unknown.GRACE
    return Unknown.RAISE


class Tend(Enum):
    """What a look at a lease comes to."""

    WAIT = "wait"
    RENEW = "renew"
    RETURN = "return"


def tend(
    term: Term, now: Moment, used_at: Moment, used: bool, is_busy: bool, linger: float | None
) -> tuple[Tend, float]:
    """What is due for a lease, and the seconds after which to look again.

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


def retry_pause(tries: int, draw: float) -> float:
    """Seconds until a question in the background may be asked again: doubling, with some jitter."""
    return min(RENEWAL_PAUSE, 0.1 * 2.0 ** min(tries, 16)) * (0.75 + draw / 2)
