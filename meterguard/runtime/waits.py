"""Waits: for a future, for some seconds, on this thread."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


def unresolved() -> Future[None]:
    """Return a future that no waiter can cancel, for it says that it is running."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(frozen=True, slots=True)
class Wait:
    """A future to wait for, and for how many seconds at most."""

    future: Future[Any]
    seconds: float


def wait_for(future: Future[T], seconds: float) -> bool:
    """Block until the future is done, or for so many seconds; whether it is done.

    Not ``future.result(seconds)``: its ``TimeoutError`` cannot be told from one that a signal handler of the
    application raises while this thread waits.
    """
    if not future.done() and seconds > 0:
        done = threading.Lock()
        done.acquire()
        future.add_done_callback(lambda _: done.release())
        done.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
    return future.done()
