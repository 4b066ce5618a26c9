"""The lease that processes share: the plans of the library, step by step, over a simulated store and service."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from meterguard.core import verdicts
from meterguard.core.shared import checkout, departure, renewal
from meterguard.core.shared.moments import Here
from meterguard.core.shared.row import IsAlive, SharedLease
from meterguard.core.shared.steps import CheckIn, CheckOut, Do, Extend, Got, Party, Pause, Plan, Read, Sight, Write
from meterguard.core.terms import Term
from meterguard.core.verdicts import Granted, Rejected, Stale
from meterguard.lease import LeaseFacts
from meterguard.ports import CheckoutAnswer, FaultKind, Moment, ServiceFault
from meterguard.rows import StoreFault
from meterguard.runtime.execution import FIRST_PAUSE, LONGEST_PAUSE

from .direct import REFRESH_AHEAD, Held, extended, number
from .loop import Loop, Steps
from .service import SEATS, Service
from .store import Kept, Store

T = TypeVar("T")
DENIAL_TTL, LEAVING_TIME = 5.0, 2.0  # seconds


@dataclass(frozen=True)
class Owner:
    """A process, as those that share tell each other of it."""

    name: str
    machine: str
    is_alive: IsAlive


class Sharing:
    """Gets, extends and gives back the lease of a store, one attempt a call."""

    def __init__(self, loop: Loop, service: Service, store: Store, dice: random.Random, owner: Owner) -> None:
        self._loop = loop
        self._service = service
        self._store = store
        self._dice = dice
        self._owner = owner
        draw = partial(number, dice)
        self._party = Party(owner.name, owner.machine, owner.is_alive, draw, REFRESH_AHEAD, dice.random)
        self._mark, self._fence = "", 0

    # -- what a lessor does ------------------------------------------------------------------------

    def obtain(self, until: float) -> Steps[Held]:
        """Ride on the lease that others hold, or check one out for all."""
        asked = checkout.Asked(number(self._dice), None, self._judge, DENIAL_TTL)
        got = yield from self._told(checkout.obtain(self._party, asked), until)
        return self._taken(got)

    def extend(self, facts: LeaseFacts, term: Term, until: float) -> Steps[Held]:
        """Extend the lease for all, or take the extension of another process; without a store, beside it."""
        plan = renewal.renew(self._party, renewal.Held(facts, term, self._fence, self._mark))
        try:
            got = yield from self._carry_out(plan, until)
        except StoreFault:
            return (yield from extended(self._service, self._dice, self._now(), (facts, term)))
        return self._taken(got)

    def leave(self, token: str) -> Steps[object]:
        """Leave the lease to those who ride on it; the last one gives it back."""
        return (yield from self._told(departure.leave(self._party, self._mark, token), self._loop.now + LEAVING_TIME))

    def swept(self) -> Steps[None]:
        """Give back what dead processes left. What fails is left to the next sweep."""
        with contextlib.suppress(ServiceFault, StoreFault):
            kept = yield from self._store.read()
            if kept.version and departure.is_orphaned(kept.row, self._owner.is_alive):
                yield from self._carry_out(departure.reap(self._party), 0.0)

    def _taken(self, got: Got) -> Held:
        if not isinstance(got.verdict, Granted):
            raise ServiceFault(FaultKind.NOT_FOUND, "it opens nothing")
        self._mark, self._fence = got.mark, got.fence
        return got.verdict.facts, got.verdict.term

    def _judge(self, answer: CheckoutAnswer, sent: Moment, now: Moment, is_resumed: bool) -> Granted | Rejected | Stale:
        return verdicts.judge(SEATS, answer, sent, now, is_resumed, REFRESH_AHEAD, self._dice.random())

    # -- steps -------------------------------------------------------------------------------------

    def _told(self, plan: Plan[T], until: float = 0.0) -> Steps[T]:
        """Carry a plan out. A store that cannot be had is an unknown."""
        try:
            return (yield from self._carry_out(plan, until))
        except StoreFault as fault:
            raise ServiceFault(FaultKind.UNKNOWN, str(fault)) from None

    def _carry_out(self, plan: Plan[T], until: float) -> Steps[T]:
        step: Callable[[], Do] = partial(next, plan)
        while True:
            try:
                do = step()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                came = yield from self._act(do, until)
            except (ServiceFault, StoreFault) as fault:
                step = partial(plan.throw, fault)
            else:
                step = partial(plan.send, came)

    def _act(self, do: Do, until: float) -> Steps[Any]:
        match do:
            case Read():
                return self._sight((yield from self._store.read()))
            case Write(version, row):
                won, kept = yield from self._store.replace(version, row)
                return won, self._sight(kept)
            case Pause(attempt):
                yield self._pause(attempt, until)
            case CheckOut(client_token):
                answer = yield from self._service.check_out(client_token)
                return answer, self._now()
            case Extend(token):
                extension = yield from self._service.extend(token)
                return extension, self._now()
            case CheckIn(token):
                yield from self._check_in(token)
        return None

    def _pause(self, attempt: int, until: float) -> float:
        """Return the seconds between two looks, as ``runtime.execution`` has them."""
        delay = min(LONGEST_PAUSE, FIRST_PAUSE * 1.5 ** min(attempt, 16)) * (0.5 + self._dice.random() / 2)
        if self._loop.now + delay >= until:
            raise ServiceFault(FaultKind.UNKNOWN, "another process asks for it, and had no answer in time")
        return delay

    def _check_in(self, token: str) -> Steps[None]:
        try:
            yield from self._service.check_in(token)
        except ServiceFault as fault:
            if fault.kind is not FaultKind.NOT_FOUND:
                raise

    def _sight(self, kept: Kept) -> Sight:
        here = Here(self._owner.machine, self._now(), self._loop.now, "")
        return Sight(kept.row if kept.version else SharedLease("seats"), kept.version, here)

    def _now(self) -> Moment:
        return Moment(self._loop.now, self._loop.now)
