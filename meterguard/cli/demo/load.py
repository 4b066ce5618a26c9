"""Steady load: users who keep calling, from threads and from an event loop, each call timed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median

THREADS, TASKS = 2, 5
"""For each user."""
THREAD_PAUSE, TASK_PAUSE = 0.002, 0.01
"""Seconds between calls: a load, not a stampede."""


@dataclass(slots=True)
class Tally:
    """The calls of one stretch of load."""

    seconds: list[float] = field(default_factory=list)
    """The time that each took."""
    unserved: list[str] = field(default_factory=list)
    """The answer or error of each call that did not get through."""

    @property
    def calls(self) -> int:
        """The number of calls that have ended."""
        return len(self.seconds)

    @property
    def slowest(self) -> float:
        """The time of the slowest call, in seconds."""
        return max(self.seconds, default=0.0)

    @property
    def typical(self) -> float | None:
        """The median time of a call, in seconds."""
        return median(self.seconds) if self.seconds else None


class Load:
    """Calls ``work`` and ``work_async`` for each user until it is stopped; ``is_served`` judges what they return."""

    def __init__(
        self,
        users: tuple[str, ...],
        work: Callable[[str], str],
        work_async: Callable[[str], Awaitable[str]],
        is_served: Callable[[str], bool],
    ) -> None:
        self._users = users
        self._work = work
        self._work_async = work_async
        self._is_served = is_served
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.tally = Tally()

    def start(self) -> None:
        """Begin to call."""
        targets: list[Callable[[], None]] = [partial(self._call, user) for user in self._users for _ in range(THREADS)]
        targets.append(self._run_loop)
        self._threads = [threading.Thread(target=target, name="demo-load", daemon=True) for target in targets]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Tally:
        """Stop, and wait for the last calls. Idempotent."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        return self.tally

    def turn(self) -> Tally:
        """Begin a new tally, and return the old one. A call belongs to the one in which it began."""
        old, self.tally = self.tally, Tally()
        return old

    def _call(self, user: str) -> None:
        while not self._stopped.is_set():
            tally, began = self.tally, time.perf_counter()
            try:
                answer = self._work(user)
            except Exception as error:  # noqa: BLE001 - what fails is what we want to know
                answer = f"{type(error).__name__}: {error}"
            self._note(tally, began, answer)
            time.sleep(THREAD_PAUSE)

    def _run_loop(self) -> None:
        async def tasks() -> None:
            await asyncio.gather(*(self._call_async(user) for user in self._users for _ in range(TASKS)))

        asyncio.run(tasks())

    async def _call_async(self, user: str) -> None:
        while not self._stopped.is_set():
            tally, began = self.tally, time.perf_counter()
            try:
                answer = await self._work_async(user)
            except Exception as error:  # noqa: BLE001 - as above
                answer = f"{type(error).__name__}: {error}"
            self._note(tally, began, answer)
            await asyncio.sleep(TASK_PAUSE)

    def _note(self, tally: Tally, began: float, answer: str) -> None:
        tally.seconds.append(time.perf_counter() - began)
        if not self._is_served(answer):
            tally.unserved.append(answer)
