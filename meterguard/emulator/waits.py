"""Requests that a fault makes wait: for a time, for a release, or until the server stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from .dispatch import Desk
from .faults import Fault
from .record import Reply, Request

__all__ = ("Waits",)

Wake = Callable[[], None]


class Waits:
    """The waiting requests of one server."""

    def __init__(self) -> None:
        self._gates: set[asyncio.Future[bool]] = set()
        self._is_over = False

    async def answer(self, desk: Desk, request: Request) -> Reply:
        """The reply to a request, once it has waited; none at all if the server stops before."""
        fault = request.fault
        if fault is not None and fault.waits:
            if fault.applied:
                desk.apply(request)
            if not await self._wait(fault):
                return desk.abandon(request)
        return desk.answer(request)

    def end(self) -> None:
        """Let nobody wait any longer."""
        self._is_over = True
        for gate in self._gates:
            if not gate.done():
                gate.set_result(False)

    async def _wait(self, fault: Fault) -> bool:
        loop = asyncio.get_running_loop()
        if fault.latency > 0 and not await self._gate(lambda wake: loop.call_later(fault.latency, wake)):
            return False
        if not fault.hold:
            return True
        return await self._gate(lambda wake: fault.call_when_released(_from_any_thread(loop, wake)))

    async def _gate(self, arrange: Callable[[Wake], object]) -> bool:
        if self._is_over:
            return False
        gate: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not gate.done():
                gate.set_result(True)

        self._gates.add(gate)
        arrange(wake)
        try:
            return await gate
        finally:
            self._gates.discard(gate)


def _from_any_thread(loop: asyncio.AbstractEventLoop, wake: Wake) -> Wake:
    def call() -> None:
        # A fault may be released when the server is long gone.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    return call
