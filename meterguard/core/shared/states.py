"""The state of a shared lease at one moment, for people who look at it: its state, its end, who is left."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from ...ports import FaultKind
from . import departure
from . import row as change
from .moments import Here
from .row import IsAlive, Kind, SharedLease


class State(Enum):
    """The states of a lease, in words that stay the same from version to version."""

    HELD = "held"
    RENEWING = "renewing"
    CHECKING_OUT = "checking-out"
    RETURNING = "returning"
    """Nobody rides on it any more; the licence does not have it back yet."""
    IN_DOUBT = "in-doubt"
    """It may be live at the service. The next one who wants it asks."""
    UNANSWERED = "unanswered"
    """A checkout had no answer, so the licence may count it as in use."""
    DENIED = "denied"
    FAILED = "failed"
    """The service could not be asked, or did not let us ask."""
    ENDED = "ended"
    """Nothing is left of it."""


_IN_FLIGHT = {Kind.CHECKOUT: State.CHECKING_OUT, Kind.RENEWAL: State.RENEWING, Kind.RETURN: State.RETURNING}
_NO = (FaultKind.DENIED, FaultKind.NOT_FOUND)


def state_of(row: SharedLease, here: Here, is_alive: IsAlive) -> State:
    """Return the state of a lease."""
    row = remaining(row, here)
    if row.flight is not None and change.flies(row, here, "", is_alive):
        return _IN_FLIGHT[row.flight.kind]
    if row.lease is not None:
        return State.HELD if row.lease.is_live(here) else State.IN_DOUBT
    if row.due:
        return State.RETURNING
    if row.sent is not None:
        return State.UNANSWERED
    if row.outcome is not None:
        return State.DENIED if row.outcome.kind in _NO else State.FAILED
    return State.ENDED


def expires_in(row: SharedLease, here: Here) -> float | None:
    """Return the seconds after which the licence has it back by itself; None where nothing is known to be out."""
    row = remaining(row, here)
    if row.lease is not None:
        return max(0.0, row.lease.lifetime - here.age(row.lease.since))
    return max((max(0.0, one.ttl - here.age(one.since)) for one in row.due), default=None)


def is_left_behind(row: SharedLease, here: Here, is_alive: IsAlive) -> bool:
    """Tell whether units may be out, and nobody who is alive sees to them."""
    row = remaining(row, here)
    may_be_out = row.lease is not None or row.due or row.sent is not None
    return bool(may_be_out) and not change.has_strays(row, here) and departure.is_orphaned(row, is_alive)


def remaining(row: SharedLease, here: Here) -> SharedLease:
    """Return what time has left of a row."""
    row = change.aged(row, here)
    is_over = row.lease is not None and row.lease.is_over(here)
    return replace(row, lease=None, holders=()) if is_over else row
