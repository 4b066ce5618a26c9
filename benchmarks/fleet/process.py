"""A process that is always busy: it wants a lease when it begins, keeps it renewed, and leaves it at its end."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Protocol, TypeVar

from meterguard.core.backoff import pause, retry_pause
from meterguard.core.schedule import Tend, tend
from meterguard.core.shared.renewal import LOST
from meterguard.core.terms import Phase, Term, phase, remaining
from meterguard.lease import LeaseFacts
from meterguard.ports import FaultKind, Moment, ServiceFault
from meterguard.runtime.shutdown import BETWEEN_ATTEMPTS, CLOSING_TIME, ONE_REQUEST

from .direct import Held
from .loop import Loop, Steps
from .measures import Measures

T = TypeVar("T")
TIMEOUT = 10.0  # seconds for which a call waits, and attempts are made
CALLS = 1.0  # calls of the guarded function a second


class Lessor(Protocol):
    """Gets, extends and gives back a lease, one attempt a call."""

    def obtain(self, until: float) -> Steps[Held]:
        """Get a lease."""
        ...

    def extend(self, facts: LeaseFacts, term: Term, until: float) -> Steps[Held]:
        """Extend it."""
        ...

    def leave(self, token: str) -> Steps[object]:
        """Give it back, or leave it to others."""
        ...


class Process:
    """One process, with the pace at which the library asks, and asks again."""

    def __init__(self, loop: Loop, measures: Measures, dice: random.Random, lessor: Lessor) -> None:
        self._loop = loop
        self._measures = measures
        self._dice = dice
        self.lessor = lessor
        self.held: Held | None = None

    def live(self) -> Steps[None]:
        """Run until it is ended."""
        while True:
            yield from self._get()
            yield from self._keep()

    def end(self) -> Steps[None]:
        """Leave, as a guard that is closed does: attempts within a second, each of which may take another."""
        until = self._loop.now + CLOSING_TIME - ONE_REQUEST
        while self.held is not None and self._loop.now <= until:
            try:
                yield from self.lessor.leave(self.held[0].token or "")
                self.held = None
            except ServiceFault as fault:
                if fault.kind is not FaultKind.UNKNOWN:
                    break
                yield BETWEEN_ATTEMPTS

    def _get(self) -> Steps[None]:
        wanted_at = self._loop.now
        self._measures.troubled(self)
        while self.held is None:
            until = self._loop.now + TIMEOUT
            try:
                self.held = yield from self._retried(partial(self.lessor.obtain, until), until)
            except ServiceFault as fault:
                failed = self._measures.denied if fault.kind is FaultKind.DENIED else self._measures.unknown
                failed.add(max(1, int(CALLS * min(TIMEOUT, self._loop.now - wanted_at))))
                yield self._dice.random() / CALLS  # then the next call comes
        self._measures.troubled(self, is_troubled=False)

    def _keep(self) -> Steps[None]:
        tries = 0
        while self.held is not None and phase(self.held[1], self._now()) is not Phase.ENDED:
            now = self._now()
            what, delay = tend(self.held[1], now, now, used=True, is_busy=False, linger=None)
            if what is Tend.WAIT:
                yield delay
                continue
            next_try = self._loop.now + retry_pause(tries, self._dice.random())
            is_renewed = yield from self._renew(*self.held)
            tries = 0 if is_renewed else tries + 1
            if not is_renewed:
                yield max(0.0, next_try - self._loop.now)
        self.held = None

    def _renew(self, facts: LeaseFacts, term: Term) -> Steps[bool]:
        until = self._loop.now + min(TIMEOUT, remaining(term, self._now()))
        try:
            self.held = yield from self._retried(lambda: self.lessor.extend(facts, term, until), until)
        except ServiceFault as fault:
            self._measures.troubled(self)
            if fault.kind in LOST:
                yield from self._part(facts)
            return False
        self._measures.troubled(self, is_troubled=False)
        return True

    def _part(self, facts: LeaseFacts) -> Steps[None]:
        self.held = None
        try:
            yield from self.lessor.leave(facts.token or "")
        except ServiceFault:
            return

    def _retried(self, request: Callable[[], Steps[T]], until: float) -> Steps[T]:
        for attempt in count():
            try:
                return (yield from request())
            except ServiceFault as fault:
                self._measures.troubled(self)
                delay = max(pause(attempt, self._dice.random()), fault.retry_after or 0.0)
                if fault.kind is not FaultKind.UNKNOWN or self._loop.now + delay >= until:
                    raise
            yield delay
        raise AssertionError  # count() does not end

    def _now(self) -> Moment:
        return Moment(self._loop.now, self._loop.now)
