"""The lease of a process that shares nothing: each request goes to the service."""

from __future__ import annotations

import random

from meterguard.core import verdicts
from meterguard.core.intents import Intent, take_up
from meterguard.core.shared.renewal import moved
from meterguard.core.terms import Term
from meterguard.core.verdicts import Granted
from meterguard.lease import LeaseFacts
from meterguard.ports import FaultKind, Moment, ServiceFault

from .loop import Loop, Steps
from .service import SEATS, Service

REFRESH_AHEAD = 0.2
Held = tuple[LeaseFacts, Term]


class Direct:
    """Gets, extends and gives back a lease, one attempt a call."""

    def __init__(self, loop: Loop, service: Service, dice: random.Random) -> None:
        self._loop = loop
        self._service = service
        self._dice = dice
        self._pending: list[Intent] = []

    def obtain(self, until: float) -> Steps[Held]:  # noqa: ARG002 - nobody else is waited for
        """Check a lease out, under the ``ClientToken`` of an attempt that nobody answered."""
        intent, _ = take_up(self._pending, self._now(), number(self._dice))
        sent = self._now()
        try:
            answer = yield from self._service.check_out(intent.client_token)
        except ServiceFault as fault:
            self._pending = [intent.unanswered(sent, fault.may_have_acted)]
            raise
        self._pending = []
        is_resumed = intent.resumed or intent.acted_since is not None
        verdict = verdicts.judge(
            SEATS, answer, intent.sent(sent), self._now(), is_resumed, REFRESH_AHEAD, self._dice.random()
        )
        if not isinstance(verdict, Granted):
            raise ServiceFault(FaultKind.UNKNOWN, "every lease it gave had already ended")
        return verdict.facts, verdict.term

    def extend(self, facts: LeaseFacts, term: Term, until: float) -> Steps[Held]:  # noqa: ARG002 - as above
        """Extend a lease."""
        return extended(self._service, self._dice, self._now(), (facts, term))

    def leave(self, token: str) -> Steps[object]:
        """Give a lease back."""
        return self._service.check_in(token)

    def _now(self) -> Moment:
        return Moment(self._loop.now, self._loop.now)


def extended(service: Service, dice: random.Random, sent: Moment, held: Held) -> Steps[Held]:
    """Extend a lease at the service, whoever else rides on it."""
    facts, term = held
    answer = yield from service.extend(facts.token or "")
    renewed = verdicts.renewed_term(facts, term, answer, sent, REFRESH_AHEAD, dice.random())
    if renewed is None:
        raise ServiceFault(FaultKind.UNKNOWN, "the renewal leaves no time to live")
    return moved(facts, answer), renewed


def number(dice: random.Random) -> str:
    """Return a new random number, as text."""
    return f"{dice.getrandbits(64):016x}"
