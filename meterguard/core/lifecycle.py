"""The life of a lease: a state table, and what two clocks say of its term.

Rule 1: every change of a requirement's standing goes through :data:`TABLE`; there is no other place
that decides what follows what. Rule 2: no state depends on reading a clock; clocks are read into a
:class:`Moment`, judged by :func:`phase`, and reach the table as a signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..ports import Moment

CLOCK_TOLERANCE = 2.0  # seconds two honest clocks may drift apart before the service is asked


class State(Enum):
    """How a requirement stands with the service."""

    VACANT = auto()
    """Nothing held, nothing known."""
    HELD = auto()
    """A lease is held."""
    STRAINED = auto()
    """A lease is held; the last renewal got no answer."""
    FORFEIT = auto()
    """A lease is held; the last renewal was refused by IAM or the credentials, so no grace follows."""
    LAPSED = auto()
    """A lease was held and ended; nothing bad was heard since."""
    ADRIFT = auto()
    """A lease was held and ended, and the service cannot be asked: where grace applies."""
    BARRED = auto()
    """The last definite answer was a no."""
    CLOSED = auto()
    """The guard is closed."""

    @property
    def holds(self) -> bool:
        """Whether there is a lease."""
        return self in _HOLDING


_HOLDING = frozenset({State.HELD, State.STRAINED, State.FORFEIT})


class Signal(Enum):
    """What can happen to a requirement."""

    GRANTED = auto()
    """A checkout answered yes, and the answer was believed."""
    RENEWED = auto()
    """A renewal answered yes."""
    UNKNOWN = auto()
    """A checkout or renewal got no answer, all retries included."""
    DENIED = auto()
    """A checkout answered no."""
    REFUSED = auto()
    """IAM or the credentials stopped a checkout or a renewal."""
    LOST = auto()
    """The service no longer knows the lease."""
    ENDED = auto()
    """The lease's time ran out."""
    RETURNED = auto()
    """The lease was given back."""
    CLOSE = auto()
    """The guard closes."""


_V, _H, _S, _F = State.VACANT, State.HELD, State.STRAINED, State.FORFEIT
_L, _A, _B, _C = State.LAPSED, State.ADRIFT, State.BARRED, State.CLOSED

# RENEWED without a lease: the end came while the renewal was in the air.
# fmt: off
TABLE: dict[State, dict[Signal, State]] = {
    _V: {Signal.GRANTED: _H, Signal.UNKNOWN: _V, Signal.DENIED: _B, Signal.REFUSED: _B, Signal.CLOSE: _C},
    _H: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _S, Signal.DENIED: _B, Signal.REFUSED: _F,
         Signal.LOST: _L, Signal.ENDED: _L, Signal.RETURNED: _L, Signal.CLOSE: _C},
    _S: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _S, Signal.DENIED: _B, Signal.REFUSED: _F,
         Signal.LOST: _L, Signal.ENDED: _A, Signal.RETURNED: _L, Signal.CLOSE: _C},
    _F: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _F, Signal.DENIED: _B, Signal.REFUSED: _F,
         Signal.LOST: _B, Signal.ENDED: _B, Signal.RETURNED: _B, Signal.CLOSE: _C},
    _L: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _A, Signal.DENIED: _B, Signal.REFUSED: _B,
         Signal.CLOSE: _C},
    _A: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _A, Signal.DENIED: _B, Signal.REFUSED: _B,
         Signal.CLOSE: _C},
    _B: {Signal.GRANTED: _H, Signal.RENEWED: _H, Signal.UNKNOWN: _B, Signal.DENIED: _B, Signal.REFUSED: _B,
         Signal.CLOSE: _C},
    _C: {Signal.CLOSE: _C},
}
# fmt: on


class IllegalSignal(Exception):
    """A signal that cannot happen in this state: a bug in the runtime."""


def step(state: State, signal: Signal) -> State:
    """The state that follows."""
    try:
        return TABLE[state][signal]
    except KeyError:
        raise IllegalSignal(f"{signal.name} cannot happen in {state.name}") from None


@dataclass(frozen=True, slots=True)
class Term:
    """How long a lease lives: a server-given lifetime, laid on both local clocks."""

    start: Moment
    """Just before the request that got it was sent."""
    lifetime: float
    """Seconds, as the service gave it."""
    refresh_after: float
    """Seconds after the start at which its refresh window opens."""
    ttl: float
    """The lifetime of the first checkout, which no renewal exceeds."""


class Phase(Enum):
    """What the clocks say of a term."""

    LIVE = auto()
    DUE = auto()
    """Live, and time to renew."""
    DOUBTFUL = auto()
    """The clocks disagree, or stand before the term's start, so only the service can tell."""
    ENDED = auto()


def elapsed(start: Moment, now: Moment) -> tuple[float, float]:
    """Seconds since ``start`` by each clock: the smaller, then the larger."""
    wall, mono = now.wall - start.wall, now.mono - start.mono
    return (wall, mono) if wall <= mono else (mono, wall)


def phase(term: Term, now: Moment) -> Phase:
    """Live while both clocks say so; a clock can shorten a term, never lengthen it."""
    least, most = elapsed(term.start, now)
    agree = most - least <= CLOCK_TOLERANCE
    if most < term.lifetime and least >= (-CLOCK_TOLERANCE if agree else 0.0):
        return Phase.DUE if most >= term.refresh_after else Phase.LIVE
    return Phase.ENDED if agree and most >= term.lifetime else Phase.DOUBTFUL


def remaining(term: Term, now: Moment) -> float:
    """Seconds left by the clock that says less; 0.0 when the clocks are in doubt."""
    if phase(term, now) in (Phase.LIVE, Phase.DUE):
        return term.lifetime - elapsed(term.start, now)[1]
    return 0.0


def in_grace(last_good: Moment | None, now: Moment, grace: float) -> float:
    """Seconds of grace left, counted from the last good answer by the clock that ran further."""
    if last_good is None:
        return 0.0
    return max(0.0, grace - elapsed(last_good, now)[1])


def renewed_lifetime(ttl: float, left: float, shift: float | None, by_service: float | None) -> float:
    """How long a renewed lease lives, from just before the renewal was sent.

    An extension answers only with a new expiration, which has to be read without trusting the
    local clock. Two readings are possible: ``by_service``, the expiration less the response's own
    ``Date``; and ``left + shift``, what was left of the term by the local clocks and how far the
    service moved its end. A jump of a local clock or a proxy's date can spoil either one, but only
    downward in a way that matters, so the larger counts, and ``ttl`` bounds both.
    """
    readings = [] if by_service is None else [by_service]
    if shift is not None:
        readings.append(max(0.0, left) + shift)  # what had ended could not have been renewed
    return min(ttl, max(readings, default=ttl))
