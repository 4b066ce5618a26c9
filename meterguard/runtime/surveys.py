"""Surveys: how much of the licence is in use, asked for at most once in a while, however many want to know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from ..ports import Usage
from .clock import stopwatch
from .workers import Workers

Usages = tuple[Usage, ...]

REFUSED_FOR = 60.0  # seconds until a service that did not tell is asked again


class Survey:
    """The last answer, shared by all callers, also when it is a failure."""

    def __init__(self, ask: Callable[[], Usages], workers: Workers, keep: float) -> None:
        self._ask = ask
        self._workers = workers
        self._keep = keep
        self._lock = threading.Lock()
        self._answer: Future[Usages | None] | None = None
        self._until = 0.0

    def look(self) -> Future[Usages | None]:
        """What is in use; None when that could not be found out."""
        with self._lock:
            answer = self._answer
            if answer is not None and (not answer.done() or stopwatch() < self._until):
                return answer
            answer = self._answer = Future()
            answer.set_running_or_notify_cancel()
        self._workers.submit(lambda: self._find_out(answer))
        return answer

    def _find_out(self, answer: Future[Usages | None]) -> None:
        try:
            usages: Usages | None = self._ask()
        except Exception:  # noqa: BLE001 - it is only a question on the side, that IAM need not allow
            usages = None
        self._until = stopwatch() + (REFUSED_FOR if usages is None else self._keep)
        answer.set_result(usages)
