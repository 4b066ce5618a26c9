"""Waits that a fault orders: for a time, for a release, or until the server stops."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from .fault import Fault

__all__ = ("Delays", "wait_on_thread")

Wake = Callable[[], None]


class Delays:
    """The waits of one server, on its event loop."""

    def __init__(self) -> None:
        self._gates: set[asyncio.Future[bool]] = set()
        self._is_over = False

    async def wait(self, fault: Fault) -> bool:
        """Wait as long as the fault says. Return False if the server stops before."""
        loop = asyncio.get_running_loop()
        if fault.latency > 0 and not await self._gate(lambda wake: loop.call_later(fault.latency, wake)):
            return False
        if not fault.hold:
            return True
        return await self._gate(lambda wake: fault.call_when_released(_from_any_thread(loop, wake)))

    def end(self) -> None:
        """End all waits."""
        self._is_over = True
        for gate in self._gates:
            if not gate.done():
                gate.set_result(False)

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


def wait_on_thread(fault: Fault) -> None:
    """Wait as long as the fault says, on the thread that calls."""
    # An Event's wait is real time, also in a test that has frozen it.
    if fault.latency > 0:
        threading.Event().wait(fault.latency)
    if fault.hold:
        released = threading.Event()
        fault.call_when_released(released.set)
        released.wait()


def _from_any_thread(loop: asyncio.AbstractEventLoop, wake: Wake) -> Wake:
    def call() -> None:
        # A fault may be released when the server is long gone.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    return call
