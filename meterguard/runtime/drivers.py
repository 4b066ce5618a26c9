"""The two ways to wait: a thread that blocks and a task that awaits. Nothing is decided here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, TypeVar

from ..interruption import passing
from .waits import Wait, wait_for

T = TypeVar("T")
Seek = Generator[Wait, Any, T]


def blocking(seek: Seek[T]) -> T:
    """Drive ``seek``, blocking this thread."""
    came: Any = None
    try:
        while True:
            came = block(passing(seek.send, came))
    except StopIteration as end:
        found: T = end.value
        return found
    finally:
        seek.close()


async def awaiting(seek: Seek[T]) -> T:
    """Drive ``seek`` on the running loop, which stays free."""
    came: Any = None
    try:
        while True:
            try:
                wait = passing(seek.send, came)
            except StopIteration as end:
                found: T = end.value
                return found
            came = await pause(wait)
    finally:
        seek.close()


def block(wait: Wait) -> object:
    """Return the result of the future; None when time is up."""
    return wait.future.result() if wait_for(wait.future, wait.seconds) else None


async def pause(wait: Wait) -> object:
    """The same, without blocking the loop."""
    future = wait.future
    if not future.done() and wait.seconds > 0:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake(_: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop died while we flew
                loop.call_soon_threadsafe(_wake, waiter)

        future.add_done_callback(wake)
        alarm = loop.call_later(wait.seconds, _wake, waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
    return future.result() if future.done() else None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
