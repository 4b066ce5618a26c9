"""Renewing: extend the lease for all, or take the extension that another process got."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import NamedTuple

from ...lease import LeaseFacts
from ...ports import ExtendAnswer, FaultKind, ServiceFault
from .. import verdicts
from ..lifecycle import Signal
from ..terms import Term, elapsed
from ..verdicts import Granted
from . import row as change
from .moments import Here
from .row import Kind, Leased, SharedLease
from .steps import CheckIn, Extend, Got, Party, Pause, Plan, Read, Sight, Write, claim, crowded, fail, land

LOST = tuple(kind for kind, signal in verdicts.RENEWAL_SIGNALS.items() if signal is Signal.LOST)


def ride(party: Party, sight: Sight) -> Plan[tuple[Got | None, Sight]]:
    """Join the holders of a lease that is live."""
    mark, lease = party.number(), sight.row.lease
    won, after = yield Write(sight.version, party.joined(sight.row, sight.here, mark))
    if not won or lease is None:
        return None, after
    granted = Granted(lease.facts, party.term(lease, after.here))
    return Got(granted, lease.facts.token or "", mark, after.row.fence, is_ours=False), after


class Held(NamedTuple):
    """A lease as the process that rides on it knows it."""

    facts: LeaseFacts
    term: Term
    fence: int
    mark: str

    def leased(self, here: Here) -> Leased:
        """Return it as the store has it."""
        return Leased(self.facts, here.stamp(self.term.start), self.term.lifetime, self.term.ttl)


def renew(party: Party, held: Held) -> Plan[Got]:
    """Renew the lease that is held, or take the renewal that another process has made.

    Raises the fault of the service, as NOT_FOUND where the lease is no longer this one.
    """
    sight: Sight = yield Read()
    heard = ""
    for attempt in count():
        row, here = change.aged(sight.row, sight.here), sight.here
        lease = row.lease
        if row.outcome is not None and row.outcome.number == heard:
            raise row.outcome.fault()
        is_listed = row.token == held.facts.token and any(one.mark == held.mark for one in row.holders)
        if lease is not None and is_listed and _is_newer(lease, held, here):
            return _taken(party, sight, held, is_ours=False)
        if lease is not None and lease.is_live(here) and not is_listed:
            got, sight = yield from ride(party, sight._replace(row=row))
        elif row.flight is not None and change.flies(row, here, party.owner, party.is_alive):
            heard = row.flight.number
            yield Pause(attempt)
            sight = yield Read()
            continue
        else:
            got, sight = yield from _fly(party, sight, row, held)
        if got is not None:
            return got
        sight = yield from crowded(sight, attempt)
    raise AssertionError  # count() does not end


def _fly(party: Party, sight: Sight, row: SharedLease, held: Held) -> Plan[tuple[Got | None, Sight]]:
    here = sight.here
    if row.lease is None and row.fence < held.fence:  # a store that lost its memory, else the fence had grown
        row = change.restored(row, held.leased(here), held.fence, here, party.owner)
        row = party.joined(row, here, held.mark)
    if row.token != held.facts.token:
        raise ServiceFault(FaultKind.NOT_FOUND, "another process has given it back")
    won, sight = yield from claim(party, sight._replace(row=row), Kind.RENEWAL)
    if not won or change.is_late(sight.row, sight.here):
        return None, sight
    sight = yield from extend(party, sight, row)
    is_held = sight.row.lease is not None and sight.row.fence == row.fence
    return _taken(party, sight, held) if is_held else None, sight


def _taken(party: Party, sight: Sight, held: Held, *, is_ours: bool = True) -> Got:
    lease = sight.row.lease or held.leased(sight.here)
    granted = Granted(lease.facts, party.term(lease, sight.here))
    return Got(granted, lease.facts.token or "", held.mark, sight.row.fence, is_ours)


def _is_newer(lease: Leased, held: Held, here: Here) -> bool:
    """Tell whether another process has renewed the lease since this one did."""
    since = here.moment(lease.since)
    return lease.is_live(here) and since.mono + lease.lifetime > held.term.mono + held.term.lifetime + 0.5


def extend(party: Party, sight: Sight, before: SharedLease) -> Plan[Sight]:
    """Ask for an extension under a flight, and write what came. Raises the fault of the service, unless it is lost.

    A lease that the service does not extend may be live all the same: it becomes due.
    """
    lease, here = before.lease, sight.here
    if lease is None:
        return sight
    token = lease.facts.token or ""
    try:
        answer, now = yield Extend(token)
    except ServiceFault as fault:
        if fault.kind in LOST:
            _, sight = yield from land(sight, lambda row, here: change.landed(change.parted(row, here)))
            return sight
        yield from fail(sight, fault, is_open=fault.may_have_acted, was_unsure=lease.is_unsure)
        raise
    term = verdicts.renewed_term(lease.facts, lease.term(here), answer, here.at, party.refresh_ahead, party.draw())
    if term is None:
        useless = ServiceFault(FaultKind.UNKNOWN, "the renewal leaves no time to live")
        yield from fail(sight, useless, is_open=True)
        raise useless
    slack = elapsed(here.at, now)[1]
    leased = replace(lease, facts=moved(lease.facts, answer), since=here.stamp(), lifetime=term.lifetime, slack=slack)
    won, sight = yield from land(sight, lambda row, here: change.renewed(row, leased, here))
    if not won and answer.token not in (None, token, sight.row.token):
        yield CheckIn(answer.token)  # given back meanwhile, by the token that it had before
    return sight


def moved(facts: LeaseFacts, answer: ExtendAnswer) -> LeaseFacts:
    """Return what an extension leaves of the facts about a lease."""
    return replace(facts, expires_at=answer.expires_at.timestamp(), token=answer.token or facts.token)
