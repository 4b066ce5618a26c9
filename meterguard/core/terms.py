"""Terms: the lifetime of a lease, given by the service, laid on two local clocks that can only shorten it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..ports import Moment

CLOCK_TOLERANCE = 2.0  # seconds two honest clocks may drift apart before the service is asked


@dataclass(frozen=True, slots=True, init=False)
class Term:
    """The term of a lease: a lifetime given by the service, measured on both local clocks.

    :param start: just before the request that got it was sent.
    :param lifetime: seconds, as the service gave it.
    :param refresh_after: seconds after the start at which its refresh window opens.
    :param ttl: the lifetime of the first checkout, which no renewal exceeds.
    """

    # flat, since there is one for each lease that is held
    wall: float
    mono: float
    lifetime: float
    refresh_after: float
    ttl: float

    def __init__(self, start: Moment, lifetime: float, refresh_after: float, ttl: float) -> None:
        put = object.__setattr__
        put(self, "wall", start.wall)
        put(self, "mono", start.mono)
        put(self, "lifetime", lifetime)
        put(self, "refresh_after", refresh_after)
        put(self, "ttl", ttl)

    @property
    def start(self) -> Moment:
        """The moment from which it counts."""
        return Moment(self.wall, self.mono)


class Phase(Enum):
    """The state of a term by the clocks."""

    LIVE = auto()
    DUE = auto()
    """Live, and time to renew."""
    DOUBTFUL = auto()
    """The clocks disagree, or stand before the term's start, so only the service can tell."""
    ENDED = auto()


def elapsed(start: Moment, now: Moment) -> tuple[float, float]:
    """Return the seconds since ``start`` by each clock: the smaller, then the larger."""
    wall, mono = now.wall - start.wall, now.mono - start.mono
    return (wall, mono) if wall <= mono else (mono, wall)


def phase(term: Term, now: Moment) -> Phase:
    """Return the phase of a term: live while both clocks say so. A clock can shorten a term, never lengthen it."""
    least, most = elapsed(term.start, now)
    agree = most - least <= CLOCK_TOLERANCE
    if most < term.lifetime and least >= (-CLOCK_TOLERANCE if agree else 0.0):
        return Phase.DUE if most >= term.refresh_after else Phase.LIVE
    return Phase.ENDED if agree and most >= term.lifetime else Phase.DOUBTFUL


def remaining(term: Term, now: Moment) -> float:
    """Return the seconds left by the clock that says less; 0.0 when the clocks are in doubt."""
    if phase(term, now) in (Phase.LIVE, Phase.DUE):
        return term.lifetime - elapsed(term.start, now)[1]
    return 0.0


def renewed_lifetime(ttl: float, left: float, shift: float | None, by_service: float | None) -> float:
    """Return the lifetime of a renewed lease, from just before the renewal was sent.

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
