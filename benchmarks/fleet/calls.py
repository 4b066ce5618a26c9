"""One call per request: each call takes a seat and gives it back, as ``hold="call"`` and naive gates do.

While the service does not answer, one call of a process leads: only its attempts are made again, and the others wait
for what it hears. After that they are let in a few at a time, as ``runtime.series`` does it.
"""

from __future__ import annotations

import random
from collections import deque
from itertools import count

from meterguard.core.backoff import pause, retry_pause
from meterguard.ports import FaultKind, ServiceFault
from meterguard.runtime.series import AT_FIRST

from .direct import number
from .loop import Loop, Steps, Task
from .measures import Measures
from .process import CALLS, TIMEOUT
from .service import Service

BODY = 0.2  # seconds that the guarded function takes


class Caller:
    """A process whose calls take a seat each."""

    def __init__(self, loop: Loop, measures: Measures, dice: random.Random, service: Service) -> None:
        self._loop = loop
        self._measures = measures
        self._dice = dice
        self._service = service
        self._is_out = False
        self._leader = ""
        self._waiting: deque[float] = deque()
        self._owed: list[str] = []
        self._tasks: list[Task] = []

    def live(self) -> Steps[None]:
        """Let calls come."""
        while True:
            yield self._dice.expovariate(CALLS)
            self._tasks = [task for task in self._tasks if not task.is_over]
            if self._is_out and self._leader:
                self._waiting.append(self._loop.now)
            else:
                self._spawn(self._call(self._loop.now))

    def kill(self) -> None:
        """End all calls where they are."""
        for task in self._tasks:
            task.kill()
        self._measures.troubled(self, is_troubled=False)

    def _spawn(self, steps: Steps[None]) -> None:
        self._tasks.append(self._loop.spawn(steps))

    def _call(self, began: float) -> Steps[None]:
        token = yield from self._taken(began, number(self._dice))
        if token:
            if self._waiting:
                self._spawn(self._call(self._waiting.popleft()))
            yield BODY
            yield from self._give_back(token)

    def _taken(self, began: float, client_token: str) -> Steps[str]:
        """Take a seat. An empty text: there is none, or another call has asked in vain for this one too."""
        for attempt in count():
            try:
                answer = yield from self._service.check_out(client_token)
            except ServiceFault as fault:
                if fault.kind is not FaultKind.UNKNOWN:
                    self._answered()
                    self._measures.denied.add()
                    return ""
                delay = pause(attempt, self._dice.random())
                if not self._leads(client_token, began) or self._gives_up(began + TIMEOUT, delay):
                    return ""
                yield delay
            else:
                self._answered()
                return answer.token
        raise AssertionError  # count() does not end

    def _leads(self, client_token: str, began: float) -> bool:
        self._is_out = True
        self._measures.troubled(self)
        self._leader = self._leader or client_token
        if self._leader != client_token:
            self._waiting.append(began)
        return self._leader == client_token

    def _gives_up(self, until: float, delay: float) -> bool:
        """Tell whether there is no time for another attempt; all that wait have then failed too."""
        if self._loop.now + delay < until:
            return False
        self._measures.unknown.add(1 + len(self._waiting))
        self._waiting.clear()
        self._leader = ""
        return True

    def _answered(self) -> None:
        if not self._is_out:
            return
        self._is_out, self._leader = False, ""
        self._measures.troubled(self, is_troubled=False)
        for _ in range(min(AT_FIRST, len(self._waiting))):
            self._spawn(self._call(self._waiting.popleft()))

    def _give_back(self, token: str) -> Steps[None]:
        """Give a seat back; what fails is tried again in the background, one token at a time."""
        self._owed.append(token)
        if len(self._owed) > 1:
            return
        tries = 0
        while self._owed:
            try:
                yield from self._service.check_in(self._owed[0])
            except ServiceFault as fault:
                if fault.kind is FaultKind.UNKNOWN:
                    tries += 1
                    yield retry_pause(tries, self._dice.random())
                    continue
            self._owed.pop(0)
            tries = 0
