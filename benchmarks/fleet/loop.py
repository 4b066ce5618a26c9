"""Simulated time: tasks that sleep, and what is to be done at a moment."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Steps = Generator[float, Any, T]
"""Something that takes time. It yields the seconds for which it sleeps."""
BEGIN = 1_000_020.0  # seconds since the epoch, a full minute


class Loop:
    """Does what is due, in order of time."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.done = 0
        """How many things were done so far."""
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def after(self, delay: float, work: Callable[[], object]) -> None:
        """Do something after so many seconds. What is due at the same moment keeps its order."""
        heapq.heappush(self._due, (self.now + delay, next(self._numbers), work))

    def spawn(self, steps: Steps[object]) -> Task:
        """Begin a task now."""
        task = Task(self, steps)
        self.after(0.0, task.go)
        return task

    def run(self, until: float, most: float = float("inf")) -> bool:
        """Go on to a moment. False where that took more than ``most`` things to do, and was given up."""
        last = self.done + most
        due = self._due
        while due and due[0][0] <= until:
            if self.done >= last:
                return False
            self.now, _, work = heapq.heappop(due)
            self.done += 1
            work()
        self.now = until
        return True


class Task:
    """Steps under way."""

    __slots__ = ("_loop", "_steps", "is_over")

    def __init__(self, loop: Loop, steps: Steps[object]) -> None:
        self._loop = loop
        self._steps = steps
        self.is_over = False

    def go(self) -> None:
        """Go on to the next sleep."""
        if self.is_over:
            return
        try:
            self._loop.after(next(self._steps), self.go)
        except StopIteration:
            self.is_over = True

    def kill(self) -> None:
        """End it where it is."""
        self.is_over = True
        self._steps.close()
