"""Retries: whether a request that failed is worth another attempt, and the pause before it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from ..core.backoff import pause
from ..ports import FaultKind, ServiceFault
from .clock import stopwatch

Answer = TypeVar("Answer")


def may_try_again(
    fault: ServiceFault,
    attempt: int,
    until: float,
    leaving: threading.Event,
    wait: Callable[[float], bool] | None = None,
) -> bool:
    """Wait before another attempt; return True when it can begin in time.

    :param attempt: how many there were before the one that failed.
    :param until: when no attempt may begin any more, by the stopwatch.
    :param leaving: set when the guard closes, which ends the wait.
    :param wait: waits so many seconds, where others share the pause; True when there is no need to go on.
    """
    if fault.kind is not FaultKind.UNKNOWN:
        return False
    delay = max(pause(attempt, random.random()), fault.retry_after or 0.0)
    wait = leaving.wait if wait is None or fault.retry_after else wait
    # forgotten for want of room, a series hears of no close
    return stopwatch() + delay < until and not (wait(delay) or leaving.is_set())


def retried(request: Callable[[], Answer], until: float, leaving: threading.Event, *, can_wait: bool = False) -> Answer:
    """Send a request again until it is answered. Raises the last fault.

    :param can_wait: True where nobody waits for the answer: while the service throttles, the next attempt is made
        when the budget has room for it.
    """
    attempt = 0
    while True:
        try:
            return request()
        except ServiceFault as fault:
            if (can_wait and fault.is_throttled) or not may_try_again(fault, attempt, until, leaving):
                raise
            attempt += 1
