"""Leaving: ride on a lease no longer; who leaves last, or finds what the dead left, gives it back."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from ...ports import FaultKind, ServiceFault
from . import row as change
from .moments import Here
from .row import Flight, IsAlive, Kind, SharedLease
from .steps import OPEN, UNKNOWN_LIFE, CheckIn, CheckOut, Party, Plan, Read, Sight, Write, crowded, give_back

FOREIGN = (
    "only a process with the product, the issuer and the beneficiary of its licence can find out what came of a "
    "checkout without an answer: set METERGUARD_PRODUCT_SKU, METERGUARD_KEY_FINGERPRINT and METERGUARD_BENEFICIARY as "
    "they were for the process that died"
)


def leave(party: Party, mark: str, token: str, *, was_extended: bool = False) -> Plan[bool]:
    """Ride on the lease no longer; the last one to leave gives it back. True where this gave it back.

    :param was_extended: True where this process has extended it without a word in the row.
    """
    sight: Sight = yield Read()
    for attempt in count():
        row, here = sight.row, sight.here
        is_due = any(one.token == token for one in row.due)
        if is_due and change.flies(row, here, party.owner, party.is_alive):
            return False  # another process gives it back
        if not (is_due or any(one.mark == mark for one in row.holders)):
            return False
        after = _without(row, here, party.owner, party.is_alive, may_live=was_extended)
        is_last = after.lease is None and bool(after.due)
        if is_last:
            after = _returning(after, party, here)
        won, sight = yield Write(sight.version, after)
        if won and is_last:
            yield from give_back(sight)
        if won:
            return is_last
        sight = yield from crowded(sight, attempt)
    raise AssertionError  # count() does not end


def return_due(token: str) -> Plan[bool]:
    """Give back a token that opens nothing, and strike it off."""
    yield CheckIn(token)
    sight: Sight = yield Read()
    won = False
    while not won and any(one.token == token for one in sight.row.due):
        won, sight = yield Write(sight.version, change.settled(sight.row, token))
    return True


def has_others(party: Party) -> Plan[bool]:
    """Tell whether other processes ride on the lease."""
    sight: Sight = yield Read()
    return bool(change.others(sight.row, party.owner, party.is_alive))


def owners(row: SharedLease) -> frozenset[str]:
    """Return the processes that stand in a row."""
    return frozenset(one.owner for one in (*row.holders, row.flight, row.sent) if one is not None)


def is_orphaned(row: SharedLease, is_alive: IsAlive) -> bool:
    """Tell whether there is something in a row, and nobody who is alive to see to it."""
    listed = owners(row)
    return bool(row.lease or row.due or listed) and not any(map(is_alive, listed))


def has_dead(row: SharedLease, is_alive: IsAlive) -> bool:
    """Tell whether a dead process stands in a row, or something that nobody sees to."""
    return is_orphaned(row, is_alive) or not all(map(is_alive, owners(row)))


def reap(party: Party, *, is_ours: bool = True, gives_up: bool = False) -> Plan[bool]:
    """Strike out processes that are dead, and give back what they left. True where something went back.

    Nothing is touched that a living process rides on, asks for or gives back.

    :param is_ours: False where this process cannot check out what the row is a lease of: an unanswered checkout then
        stays as it is, and is raised as a fault of the service.
    :param gives_up: True where this process wants no answer any more to a checkout of its own.
    """
    sight: Sight = yield Read()
    row, here = change.aged(sight.row, sight.here), sight.here
    asker = "" if row.sent is None else row.sent.owner
    is_wanted = bool(asker) and party.is_alive(asker) and not (gives_up and asker == party.owner)
    if is_wanted or change.flies(row, here, "", party.is_alive):
        return False
    after = _without(row, here, "", party.is_alive)
    is_owed = after.lease is None and bool(after.due or after.sent)
    if is_owed:
        after = _returning(after, party, here)
    if after == sight.row:
        return False
    won, sight = yield Write(sight.version, after)
    if won and is_owed:
        sight, unsettled = yield from _settle(sight, is_ours=is_ours)
        yield from give_back(sight)
        if unsettled is not None:
            raise unsettled
    return bool(won and is_owed)


def _without(row: SharedLease, here: Here, me: str, is_alive: IsAlive, *, may_live: bool = False) -> SharedLease:
    """Return the row without a process, and where nobody is left without its lease."""
    stays = change.others(row, me, is_alive) or change.has_strays(row, here)
    if stays or change.flies(row, here, me, is_alive):
        return replace(row, holders=tuple(one for one in row.holders if one.owner != me and is_alive(one.owner)))
    if row.lease is not None and row.lease.is_over(here) and not may_live:
        return replace(row, lease=None, holders=(), flight=None)
    return replace(change.parted(row, here), flight=None)


def _returning(row: SharedLease, party: Party, here: Here) -> SharedLease:
    return change.claimed(row, Flight(party.number(), party.owner, Kind.RETURN, here.stamp()))


def _settle(sight: Sight, *, is_ours: bool) -> Plan[tuple[Sight, ServiceFault | None]]:
    """Find out what an unanswered checkout got, which only its token can tell, so that it can go back.

    Also returns the fault that leaves it unanswered.
    """
    sent = sight.row.sent
    if sent is None:
        return sight, None
    if not is_ours:
        return sight, ServiceFault(FaultKind.REFUSED, FOREIGN)
    try:
        answer, _ = yield CheckOut(sent.client_token)
    except ServiceFault as fault:
        if fault.kind in (*OPEN, FaultKind.REFUSED):
            return sight, fault
        _, sight = yield Write(sight.version, replace(sight.row, sent=None))
        return sight, None
    owed = change.owing(sight.row, answer.token, sight.here, UNKNOWN_LIFE)
    _, sight = yield Write(sight.version, replace(owed, sent=None))
    return sight, None
