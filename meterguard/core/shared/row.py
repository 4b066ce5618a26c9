"""One lease as several processes share it: what a shared store keeps of it, and how that changes.

A :class:`SharedLease` is frozen and made of plain values. The functions return the one that follows. Three rules
hold in each of them. A token that may be live at the service stands in it, as the lease or among what is owed, until
the service has said what became of it. A ``ClientToken`` stands in it before it is sent, so that whoever goes on for
a process that died sends the same one. And whoever asked the service under a flight writes the answer only while
that flight is still noted: the number of a flight is what older protocols call a fencing token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from ...lease import LeaseFacts
from ...ports import LICENSE_MANAGER, FaultKind, ServiceFault
from ..intents import PENDING_FOR
from ..schedule import refresh_after
from ..terms import Phase, Term, elapsed, phase
from .moments import Here, Stamp

FLIGHT_LASTS = 30.0  # seconds after which another process goes on with what one has begun, also while that one lives
OUTCOME_LASTS = 60.0  # seconds for which the end of a flight stays known to those who waited for it
FORGOTTEN_AFTER = 7 * 86_400.0  # seconds, so long that a clock which is set forward does not make a store forget
SLACK = 2.0  # seconds by which the service's end of a lease may come after ours

IsAlive = Callable[[str], bool]
"""Tells whether the process behind an owner's name may still be there."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease of the service's. Its repr shows no token."""

    facts: LeaseFacts
    since: Stamp
    """Just before the request that got it, or renewed it."""
    lifetime: float
    ttl: float
    slack: float = 0.0
    """Seconds from then to the answer, by which its end at the service may come after ours."""
    epoch: str = ""
    """The epoch of the store in which it was written."""
    is_unsure: bool = False
    """True while an extension without an answer may have moved its end."""
    restored: Stamp | None = None
    """When it was written anew after the store had lost something; there may be holders that are not listed."""

    def term(self, here: Here, refresh_ahead: float = 0.0, draw: float = 0.0) -> Term:
        """Return its term on the clocks of this process."""
        after = refresh_after(self.lifetime, refresh_ahead, draw)
        return Term(here.moment(self.since), self.lifetime, after, self.ttl)

    def is_live(self, here: Here) -> bool:
        """Tell whether it surely is live: by both clocks, and in a store that forgot nothing since it was written."""
        return self.epoch == here.epoch and phase(self.term(here), here.at) in (Phase.LIVE, Phase.DUE)

    def is_over(self, here: Here) -> bool:
        """Tell whether it surely has ended."""
        if self.is_unsure:
            return here.age(self.since) > 2 * self.ttl + SLACK
        is_ended = phase(self.term(here), here.at) is Phase.ENDED
        return is_ended and here.age(self.since) >= self.lifetime + self.slack


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that rides on the lease."""

    owner: str
    host: str
    since: float
    """Seconds since the epoch, by the store's clock."""
    mark: str
    """Random, so that who leaves late does not take out who has joined again."""


class Kind(Enum):
    """The kinds of flights."""

    CHECKOUT = "checkout"
    RENEWAL = "renewal"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Flight:
    """One process asks the service on behalf of all."""

    number: str
    owner: str
    kind: Kind
    since: Stamp


@dataclass(frozen=True, slots=True)
class Sent:
    """A ``ClientToken`` under which the service was asked, or is about to be."""

    client_token: str = field(repr=False)
    since: Stamp
    owner: str
    epoch: str = ""
    """The epoch of the store in which it was noted. In a later one nobody knows what it has led to since."""


@dataclass(frozen=True, slots=True)
class Due:
    """A token that nobody rides on any more, and that the service should have back."""

    token: str = field(repr=False)
    since: Stamp
    ttl: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The way in which the last flight failed. Times out by itself."""

    number: str
    at: Stamp
    kind: FaultKind
    detail: str
    code: str | None = None
    request_id: str | None = None
    action: str | None = None
    service: str = LICENSE_MANAGER

    def fault(self) -> ServiceFault:
        """Return it as the fault that it was."""
        fault = ServiceFault(self.kind, self.detail, code=self.code, request_id=self.request_id, action=self.action)
        fault.service = self.service
        return fault


@dataclass(frozen=True, slots=True)
class SharedLease:
    """All that processes tell each other about one lease."""

    key: str
    """The canonical key, which says what it is a lease of."""
    fence: int = 0
    """Grows with each lease under this key."""
    lease: Leased | None = None
    holders: tuple[Holder, ...] = ()
    flight: Flight | None = None
    sent: Sent | None = None
    due: tuple[Due, ...] = ()
    outcome: Outcome | None = None

    @property
    def token(self) -> str | None:
        """The consumption token of the lease, a secret."""
        return None if self.lease is None else self.lease.facts.token

    @property
    def is_blank(self) -> bool:
        """True when it need not be kept."""
        return self.lease is None and self.flight is None and self.sent is None and not self.due and not self.outcome

    def keep(self) -> float:
        """Return the seconds after which a store may forget it, if nothing changes."""
        if self == SharedLease(self.key, self.fence, outcome=self.outcome):
            return OUTCOME_LASTS
        return FORGOTTEN_AFTER + (2 * self.lease.ttl if self.lease is not None else 0.0)


class Step(Enum):
    """The next thing that a process does which wants the lease."""

    RIDE = "ride"
    WAIT = "wait"
    """Another process asks the service."""
    HEAR = "hear"
    """Take the answer that another process got just now."""
    RETURN = "return"
    """Give back what is owed, for a checkout would find it taken."""
    RECLAIM = "reclaim"
    """Extend a lease that may be live at the service, though nobody knows."""
    CHECK_OUT = "check out"


def next_step(
    row: SharedLease, here: Here, me: str, is_alive: IsAlive, heard: str = "", denial_ttl: float = 0.0
) -> Step:
    """Decide what a process does that wants the lease.

    :param heard: the number of the flight that it has waited for.
    :param denial_ttl: seconds for which a no that another process got counts.
    """
    if row.lease is not None and row.lease.is_live(here):
        return Step.RIDE
    if flies(row, here, me, is_alive):
        return Step.WAIT
    if row.outcome is not None and _concerns(row.outcome, here, heard, denial_ttl):
        return Step.HEAR
    if row.due:
        return Step.RETURN
    if row.lease is not None and not row.lease.is_over(here):
        return Step.RECLAIM
    # a holder that could not reach the store may have renewed it without a word here
    return Step.RECLAIM if row.lease is not None and others(row, me, is_alive) else Step.CHECK_OUT


def _concerns(outcome: Outcome, here: Here, heard: str, denial_ttl: float) -> bool:
    is_no = outcome.kind in (FaultKind.DENIED, FaultKind.NOT_FOUND)
    return outcome.number == heard or (is_no and here.age(outcome.at) < denial_ttl)


def flies(row: SharedLease, here: Here, me: str, is_alive: IsAlive) -> bool:
    """Tell whether another process asks the service now, as far as anybody knows."""
    flight = row.flight
    if flight is None or flight.owner == me or not is_alive(flight.owner):
        return False
    return here.age(flight.since) < FLIGHT_LASTS


def is_late(row: SharedLease, here: Here) -> bool:
    """Tell whether a flight was noted so late, by a process that was held up, that it had better begin anew."""
    return row.flight is None or here.age(row.flight.since) > FLIGHT_LASTS / 2


def others(row: SharedLease, me: str, is_alive: IsAlive) -> tuple[Holder, ...]:
    """Return the other processes that ride on the lease."""
    return tuple(one for one in row.holders if one.owner != me and is_alive(one.owner))


def aged(row: SharedLease, here: Here) -> SharedLease:
    """Drop what time has settled."""
    due = tuple(one for one in row.due if here.age(one.since) < one.ttl + SLACK)
    outcome = row.outcome if row.outcome is not None and here.age(row.outcome.at) < OUTCOME_LASTS else None
    sent = row.sent if row.sent is not None and is_fresh(row.sent, here) else None
    return replace(row, due=due, outcome=outcome, sent=sent)


def is_fresh(sent: Sent, here: Here) -> bool:
    """Tell whether the service surely knows a ``ClientToken``: it is young, and no clock ran backwards."""
    least, most = elapsed(here.moment(sent.since), here.at)
    return sent.epoch == here.epoch and least > -SLACK and most < PENDING_FOR


# -- riding ----------------------------------------------------------------------------------------


def joined(row: SharedLease, here: Here, me: Holder, is_alive: IsAlive) -> SharedLease:
    """Add a holder, and drop those that are dead."""
    return replace(row, holders=(*others(row, me.owner, is_alive), replace(me, since=here.store)))


def parted(row: SharedLease, here: Here) -> SharedLease:
    """Nobody rides on the lease any more: the service is owed its token."""
    if row.lease is None:
        return row
    return replace(owing(row, row.lease.facts.token or "", here, row.lease.ttl), lease=None, holders=(), outcome=None)


def owing(row: SharedLease, token: str, here: Here, ttl: float) -> SharedLease:
    """Owe the service a token."""
    return replace(row, due=(*settled(row, token).due, Due(token, here.stamp(), ttl)))


def settled(row: SharedLease, token: str) -> SharedLease:
    """The service has a token back, or knows it no longer."""
    return replace(row, due=tuple(one for one in row.due if one.token != token))


# -- flights ---------------------------------------------------------------------------------------


def claimed(row: SharedLease, flight: Flight, asked: Sent | None = None) -> SharedLease:
    """Note a flight. Only one can win: the row is replaced under the version that was read.

    A checkout goes on with the ``ClientToken`` of one that nobody answered. A lease that is about to be extended may
    outlive what is written here.
    """
    sent, lease = row.sent, row.lease
    if flight.kind is Kind.CHECKOUT:
        sent = asked if sent is None else replace(sent, owner=flight.owner)
        lease = None
    elif flight.kind is Kind.RENEWAL and lease is not None:
        lease = replace(lease, is_unsure=True)
    holders = row.holders if lease is not None else ()
    return replace(row, flight=flight, sent=sent, lease=lease, holders=holders, outcome=None)


def granted(row: SharedLease, leased: Leased, here: Here) -> SharedLease:
    """A checkout was answered yes."""
    leased = replace(leased, epoch=here.epoch)
    fence = next_fence(row, here)
    return replace(row, fence=fence, lease=leased, holders=(), flight=None, sent=None, outcome=None)


def next_fence(row: SharedLease, here: Here) -> int:
    """Return the fence of the lease that comes next. It grows also where a store lost its memory."""
    return max(row.fence + 1, int(here.store))


def rejected(row: SharedLease, token: str, here: Here, ttl: float) -> SharedLease:
    """A checkout was answered with what opens nothing, so that it has to go back."""
    return replace(owing(row, token, here, ttl), flight=None, sent=None, outcome=None)


def renewed(row: SharedLease, leased: Leased, here: Here) -> SharedLease:
    """An extension was answered yes."""
    before = row.lease or leased
    again = here.stamp() if before.epoch != here.epoch else before.restored
    return replace(
        row,
        lease=replace(leased, epoch=here.epoch, is_unsure=False, restored=again),
        flight=None,
        outcome=None,
    )


def restored(row: SharedLease, leased: Leased, fence: int, here: Here, me: str) -> SharedLease:
    """A holder writes its lease into a store that has lost it."""
    leased = replace(leased, epoch=here.epoch, restored=here.stamp())
    sent = None if row.sent is not None and row.sent.owner == me else row.sent  # it has led to this lease
    return replace(row, lease=leased, holders=(), fence=fence, sent=sent)


def failed(row: SharedLease, outcome: Outcome, *, is_open: bool, was_unsure: bool = False) -> SharedLease:
    """A flight ended without a yes.

    :param is_open: True where the service may have done what it was asked, so that only the same token can tell.
    :param was_unsure: whether the end of the lease was in doubt before.
    """
    sent, lease = row.sent, row.lease
    if row.flight is not None and row.flight.kind is Kind.CHECKOUT:
        sent = sent if is_open else None
    elif lease is not None:
        lease = replace(lease, is_unsure=is_open or was_unsure)
    return replace(row, flight=None, sent=sent, lease=lease, outcome=outcome)


def landed(row: SharedLease) -> SharedLease:
    """A flight is over."""
    return replace(row, flight=None)


def has_strays(row: SharedLease, here: Here) -> bool:
    """Tell whether processes may ride on the lease that are not listed."""
    lease = row.lease
    if lease is None:
        return False
    is_restored = lease.restored is not None and here.age(lease.restored) < lease.ttl + SLACK
    return is_restored or (here.has_survivors and lease.epoch != here.epoch)
