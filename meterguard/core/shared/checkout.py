"""Obtaining: ride on the lease that others hold already, or check one out, once for all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from ...ports import CheckoutAnswer, FaultKind, Moment, ServiceFault
from ..terms import elapsed
from ..verdicts import Granted, Rejected, Stale
from . import row as change
from .moments import Here
from .renewal import extend, ride
from .row import Kind, Leased, Sent, SharedLease, Step
from .steps import (
    OPEN,
    UNKNOWN_LIFE,
    CheckIn,
    CheckOut,
    Got,
    Party,
    Pause,
    Plan,
    Read,
    Sight,
    claim,
    crowded,
    fail,
    give_back,
    land,
    strike_off,
)

Judge = Callable[[CheckoutAnswer, Moment, Moment, bool], Granted | Rejected | Stale]
"""Judges an answer to a request that was sent at the first moment, at the second; True: it may be a replay."""


class Asked(NamedTuple):
    """A checkout, as the caller asks for it."""

    client_token: str
    """The one to send, unless the row has one that nobody answered."""
    sent_at: Moment | None
    """When it was sent before, for an answer may be a replay; None: never."""
    judge: Judge
    denial_ttl: float
    """Seconds for which a no that another process got counts."""

    def sent(self, party: Party, here: Here) -> Sent:
        """Return it as a row has it."""
        return Sent(self.client_token, here.stamp(self.sent_at), party.owner, here.epoch)


def obtain(party: Party, asked: Asked) -> Plan[Got]:
    """Get the lease: ride on the one that is there, or check one out, once for all."""
    sight: Sight = yield Read()
    heard = ""
    for attempt in count():
        row, here = change.aged(sight.row, sight.here), sight.here
        if not party.extends and row.lease is not None and not row.lease.is_live(here):
            row = change.parted(row, here)
        step = change.next_step(row, here, party.owner, party.is_alive, heard, asked.denial_ttl)
        if step is Step.HEAR and row.outcome is not None:
            raise row.outcome.fault()
        if step is Step.WAIT and row.flight is not None:
            heard = row.flight.number
            yield Pause(attempt)
            sight = yield Read()
            continue
        act = ride(party, sight._replace(row=row)) if step is Step.RIDE else _fly(party, sight, row, step, asked)
        got, sight = yield from act
        if got is not None:
            return got
        if step is Step.CHECK_OUT:  # what its token has led to may have gone back by now
            asked = asked._replace(client_token=party.number() + party.number(), sent_at=None)
        sight = yield from crowded(sight, attempt)
    raise AssertionError  # count() does not end


_KINDS = {Step.CHECK_OUT: Kind.CHECKOUT, Step.RECLAIM: Kind.RENEWAL, Step.RETURN: Kind.RETURN}


def _fly(party: Party, sight: Sight, row: SharedLease, step: Step, asked: Asked) -> Plan[tuple[Got | None, Sight]]:
    won, sight = yield from claim(party, sight._replace(row=row), _KINDS[step], asked.sent(party, sight.here))
    if not won or change.is_late(sight.row, sight.here):
        return None, sight
    if step is Step.CHECK_OUT:
        is_resumed = row.sent is not None or asked.sent_at is not None
        return (yield from _check_out(party, sight, asked.judge, is_resumed=is_resumed))
    if step is Step.RECLAIM:
        return None, (yield from extend(party, sight, row))
    return None, (yield from _recover(sight))


def _recover(sight: Sight) -> Plan[Sight]:
    """Give back what is due before a checkout, which would find it taken. What cannot go back is in nobody's way."""
    try:
        return (yield from give_back(sight))
    except ServiceFault as fault:
        if fault.kind in OPEN:
            raise ServiceFault(
                fault.kind, f"what was given back has not arrived: {fault.detail}", code=fault.code
            ) from None
        return (yield from strike_off(sight, [one.token for one in sight.row.due]))


def _check_out(party: Party, sight: Sight, judge: Judge, *, is_resumed: bool) -> Plan[tuple[Got | None, Sight]]:
    sent, here = sight.row.sent or Sent("", sight.here.stamp(), party.owner), sight.here
    try:
        answer, now = yield CheckOut(sent.client_token)
    except ServiceFault as fault:
        is_open = fault.kind in OPEN or (fault.kind is FaultKind.REFUSED and is_resumed)
        yield from fail(sight, fault, is_open=is_open and (is_resumed or fault.may_have_acted))
        raise
    since = sent.since if is_resumed else here.stamp()
    verdict = judge(answer, here.moment(since), now, is_resumed)
    if not isinstance(verdict, Granted):
        return (yield from _refuse(sight, verdict, answer))
    mark = party.number()
    term = verdict.term
    lease = Leased(verdict.facts, since, term.lifetime, term.ttl, slack=elapsed(term.start, now)[1])
    # Where the store cannot be written now, nobody rides on what came: who is not listed would not be waited for. It
    # is not lost either, for the token that stands in the row leads to it.
    won, after = yield from land(sight, lambda row, here: party.joined(change.granted(row, lease, here), here, mark))
    if won:
        return Got(verdict, answer.token, mark, after.row.fence), after
    return None, (yield from _overtaken(after, sent, answer.token))


def _overtaken(sight: Sight, sent: Sent, token: str) -> Plan[Sight]:
    """Others have gone on with a checkout that took too long. Give back what came of it, unless it is theirs too.

    It is, while the ``ClientToken`` stands in the row: whoever sends it again gets the same. And where the store has
    lost something since, somebody may ride on it who stands there no more.
    """
    row = sight.row
    is_asked = row.sent is not None and row.sent.client_token == sent.client_token
    if row.token != token and not is_asked and sent.epoch == sight.here.epoch:
        yield CheckIn(token)
    return sight


def _refuse(sight: Sight, verdict: Rejected | Stale, answer: CheckoutAnswer) -> Plan[tuple[Got | None, Sight]]:
    """Write that what came opens nothing. The caller gives it back."""
    won, after = yield from land(sight, lambda row, here: change.rejected(row, answer.token, here, UNKNOWN_LIFE))
    if not won and after.row.token == answer.token:
        return None, after
    return Got(verdict, answer.token), after
