"""A steady load: threads and tasks that call at set times, and how long each call kept its caller.

A caller that was still busy when its next call was due is charged from the time it was due: what it could not
start counts as waiting. One that slept is charged from when it woke up, and what it slept through is dropped: alarm
clocks, and who holds the interpreter's lock meanwhile, are noted apart (`Log.overslept`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

clock = time.perf_counter
HEAD_START = 0.05  # seconds until everybody is there


class Shape(NamedTuple):
    """The size of a load: callers, calls a second of each, and seconds."""

    threads: int = 8
    calls_of_thread: float = 500
    tasks: int = 20
    calls_of_task: float = 100
    seconds: float = 6


def _numbers() -> array[float]:
    return array("d")  # holds nothing that the garbage collector would look at meanwhile


@dataclass
class Log:
    """One caller's calls: when each began on the wall clock, and the seconds it took."""

    began: array[float] = field(default_factory=_numbers)
    took: array[float] = field(default_factory=_numbers)
    beside: array[float] = field(default_factory=_numbers)
    """Seconds of the call made beside each, as a measure of the machine."""
    overslept: array[float] = field(default_factory=_numbers)
    """Seconds by which each alarm was late."""
    failed: list[Exception] = field(default_factory=list)


def merged(logs: Iterable[Log]) -> Log:
    """Return the calls of all callers."""
    whole = Log()
    for log in logs:
        whole.began.extend(log.began)
        whole.took.extend(log.took)
        whole.beside.extend(log.beside)
        whole.overslept.extend(log.overslept)
        whole.failed.extend(log.failed)
    return whole


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Alarm:
    """The times at which the calls of one caller are due."""

    def __init__(self, log: Log, start: float, period: float, seconds: float) -> None:
        self._log = log
        self._due = start
        self._period = period
        self._end = start + seconds

    @property
    def is_over(self) -> bool:
        """Return True when no call is left to make, or no time for it."""
        return max(self._due, clock()) >= self._end

    @property
    def wait(self) -> float:
        """Return the seconds until the next call is due; negative for a caller that is late."""
        return self._due - clock()

    def woke(self) -> float:
        """Return the moment from which a call is charged after the caller slept: now."""
        now = clock()
        late = now - self._due
        self._log.overslept.append(late)
        self._due += self._period * (1 + max(late, 0.0) // self._period)
        return now

    def late(self) -> float:
        """Return the moment from which a call is charged after the caller was busy: when it was due."""
        due, self._due = self._due, self._due + self._period
        return due


def _alarms(count: int, rate: float, seconds: float) -> list[tuple[Log, Alarm]]:
    start = clock() + HEAD_START
    period = 1 / rate
    logs = [Log() for _ in range(count)]
    return [(log, Alarm(log, start + period * index / count, period, seconds)) for index, log in enumerate(logs)]


def under_threads(call: Callable[[], Any], beside: Callable[[], Any], shape: Shape) -> Callable[[], Log]:
    """Start the threads. Return a function that waits for their end."""
    callers = _alarms(shape.threads, shape.calls_of_thread, shape.seconds)

    def compare(log: Log) -> None:
        before = clock()
        beside()
        log.beside.append(clock() - before)

    def run(log: Log, alarm: Alarm) -> None:
        is_first = True  # in turns, since who comes first after a sleep finds nothing in the processor's caches
        while not alarm.is_over:
            is_first = not is_first
            if (wait := alarm.wait) > 0:
                time.sleep(wait)
                due = alarm.woke()
                if is_first:
                    compare(log)
                    due = clock()
            else:
                due = alarm.late()
            log.began.append(time.time())
            _try(call, log)
            log.took.append(clock() - due)
            if not is_first:
                compare(log)

    running = [threading.Thread(target=run, args=caller) for caller in callers]
    for thread in running:
        thread.start()

    def join() -> Log:
        for thread in running:
            thread.join()
        return merged(log for log, _ in callers)

    return join


def _try(call: Callable[[], Any], log: Log) -> None:
    try:
        call()
    except Exception as failure:  # noqa: BLE001 - it is reported
        log.failed.append(failure)


def under_tasks(call: Callable[[], Awaitable[Any]], shape: Shape) -> Callable[[], Log]:
    """Start the same load as tasks, on an event loop in a thread of its own."""
    callers = _alarms(shape.tasks, shape.calls_of_task, shape.seconds)

    async def run(log: Log, alarm: Alarm) -> None:
        while not alarm.is_over:
            if (wait := alarm.wait) > 0:
                await asyncio.sleep(wait)
                due = alarm.woke()
            else:
                due = alarm.late()
            log.began.append(time.time())
            try:
                await call()
            except Exception as failure:  # noqa: BLE001 - it is reported
                log.failed.append(failure)
            log.took.append(clock() - due)

    async def everybody() -> None:
        await asyncio.gather(*(run(*caller) for caller in callers))

    thread = threading.Thread(target=lambda: asyncio.run(everybody()))
    thread.start()

    def join() -> Log:
        thread.join()
        return merged(log for log, _ in callers)

    return join
