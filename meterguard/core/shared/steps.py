"""Steps: what the plans of this room are made of.

A plan is a generator. It yields what is to be done - read a row, write it, ask the service, wait - and is sent what
came of it, or is thrown the fault.

Between any two steps the process may die. What then stands in the row is enough for the next one: before a request
is sent the flight and its ``ClientToken`` are noted, before a token goes back it is noted as due.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from ...ports import FaultKind, ServiceFault
from ...rows import StoreFault
from ..terms import Term
from ..verdicts import Granted, Rejected, Stale
from . import row as change
from .moments import Here
from .row import Flight, Holder, IsAlive, Kind, Leased, Outcome, Sent, SharedLease

T = TypeVar("T")
OPEN = (FaultKind.UNKNOWN, FaultKind.UNREACHABLE)
"""Faults that leave open what the service did."""
AT_ONCE = 3  # attempts to write a row that follow each other without a pause
UNKNOWN_LIFE = 3600.0  # seconds for which a lease that was not believed is taken to live


class Sight(NamedTuple):
    """A row as it was read, or came back from a write."""

    row: SharedLease
    version: str
    here: Here


@dataclass(frozen=True, slots=True)
class Read:
    """Read the row. Comes back as a ``Sight``."""


@dataclass(frozen=True, slots=True)
class Write:
    """Replace the row that was read. Comes back as a pair: whether it was replaced, and the ``Sight`` of now."""

    version: str
    row: SharedLease


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait a little for another process; raises ``ServiceFault`` when the time is up."""

    attempt: int


@dataclass(frozen=True, slots=True)
class CheckOut:
    """Send a checkout. Comes back as its answer and the moment at which it came."""

    client_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Extend:
    """Send an extension. Comes back as its answer and the moment at which it came."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckIn:
    """Send a check-in. A token that the service does not know is back."""

    token: str = field(repr=False)


Do = Read | Write | Pause | CheckOut | Extend | CheckIn
Plan = Generator[Do, Any, T]


class Party(NamedTuple):
    """The process that carries out a plan."""

    owner: str
    host: str
    is_alive: IsAlive
    number: Callable[[], str]
    """Returns a new random number, as text."""
    refresh_ahead: float
    draw: Callable[[], float]
    extends: bool = True
    """False where nothing unsigned may lengthen a lease."""

    def joined(self, row: SharedLease, here: Here, mark: str) -> SharedLease:
        """Return a row with this process among the holders, under a mark."""
        return change.joined(row, here, Holder(self.owner, self.host, here.store, mark), self.is_alive)

    def term(self, lease: Leased, here: Here) -> Term:
        """Return the term of a lease, with a moment of its own at which it is due."""
        return lease.term(here, self.refresh_ahead, self.draw())


@dataclass(frozen=True, slots=True)
class Got:
    """The result of a plan that wants a lease."""

    verdict: Granted | Rejected | Stale
    token: str = field(repr=False)
    mark: str = ""
    """Under which this process is listed among the holders; empty where nothing is held."""
    fence: int = 0
    is_ours: bool = True
    """False where another process had asked the service."""


def crowded(sight: Sight, attempt: int) -> Plan[Sight]:
    """Wait a little where others were faster several times, for many processes write this row; and look again."""
    if attempt < AT_ONCE:
        return sight
    yield Pause(attempt - AT_ONCE)
    seen: Sight = yield Read()
    return seen


def claim(party: Party, sight: Sight, kind: Kind, asked: Sent | None = None) -> Plan[tuple[bool, Sight]]:
    """Note a flight; True where nobody was faster."""
    flight = Flight(party.number(), party.owner, kind, sight.here.stamp())
    won, sight = yield Write(sight.version, change.claimed(sight.row, flight, asked))
    return won, sight


def land(sight: Sight, then: Callable[[SharedLease, Here], SharedLease]) -> Plan[tuple[bool, Sight]]:
    """Write the end of a flight, also where others wrote beside it. False: others have gone on with it."""
    number = sight.row.flight.number if sight.row.flight is not None else ""
    while sight.row.flight is not None and sight.row.flight.number == number:
        won, sight = yield Write(sight.version, then(sight.row, sight.here))
        if won:
            return True, sight
    return False, sight


def fail(sight: Sight, fault: ServiceFault, *, is_open: bool, was_unsure: bool = False) -> Plan[Sight]:
    """Write that a flight failed, so that those who wait for it hear so. Where that fails, they go on by themselves."""
    number = sight.row.flight.number if sight.row.flight is not None else ""
    what = fault.kind, fault.detail, fault.code, fault.request_id, fault.action, fault.service
    said = Outcome(number, sight.here.stamp(), *what)
    with contextlib.suppress(StoreFault):
        _, sight = yield from land(
            sight, lambda row, _: change.failed(row, said, is_open=is_open, was_unsure=was_unsure)
        )
    return sight


def give_back(sight: Sight) -> Plan[Sight]:
    """Give back all that is due, under a flight. Raises the fault of the service; the rest stays due."""
    back: list[str] = []
    try:
        for one in sight.row.due:
            yield CheckIn(one.token)
            back.append(one.token)
    except ServiceFault:
        yield from strike_off(sight, back)
        raise
    return (yield from strike_off(sight, back))


def strike_off(sight: Sight, tokens: list[str]) -> Plan[Sight]:
    """End a flight that gave tokens back."""

    def then(row: SharedLease, _: Here) -> SharedLease:
        for token in tokens:
            row = change.settled(row, token)
        return change.landed(row)

    _, sight = yield from land(sight, then)
    return sight
