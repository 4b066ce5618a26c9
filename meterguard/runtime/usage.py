"""Surveys: how much of the licence is in use, asked for at most once in a while, however many want to know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from ..core.exhaustion import explains_nothing
from ..errors import EntitlementDenied
from ..interruption import raised_by_handler
from ..ports import Usage
from .clock import stopwatch
from .waits import Wait
from .workers import Workers

Usages = tuple[Usage, ...]

REFUSED_FOR = 60.0  # seconds until a service that did not tell is asked again
PATIENCE = 2.0  # seconds a denial waits for its proof, counted from the question that all share


class UsageSurvey:
    """The last answer, shared by all callers, also when it is a failure."""

    def __init__(self, ask: Callable[[], Usages], workers: Workers, keep: float) -> None:
        self._ask = ask
        self._workers = workers
        self._keep = keep
        self._lock = threading.Lock()
        self._answer: Future[Usages | None] | None = None
        self._asked_at = self._until = 0.0

    def wait(self, since: float = 0.0) -> Wait:
        """Return a wait for the usage; it ends with None when that could not be found out.

        :param since: an answer that was asked for before this moment of the stopwatch is too old.
        """
        answer, is_new = self._shared(since)
        if is_new:
            self._workers.submit(lambda: self._find_out(answer))
        return Wait(answer, max(0.0, self._asked_at + PATIENCE - stopwatch()))

    def known(self) -> Usages:
        """Return the last answer, however old; nothing where there is none."""
        answer = self._answer
        return (answer.result() or ()) if answer is not None and answer.done() else ()

    def explaining(self, denied: EntitlementDenied, since: float) -> Generator[Wait, Any, Usages | None]:
        """Find out the usage that explains a denial: what is known of it, else what was asked for after a moment."""
        usages: Usages | None = yield self.wait()
        if usages is not None and explains_nothing(denied, usages):
            usages = yield self.wait(since)
        return usages

    def _shared(self, since: float) -> tuple[Future[Usages | None], bool]:
        with self._lock:
            answer = self._answer
            if answer is not None and self._is_good(answer, since):
                return answer, False
            answer = self._answer = Future()
            answer.set_running_or_notify_cancel()
            self._asked_at = stopwatch()
            return answer, True

    def _is_good(self, answer: Future[Usages | None], since: float) -> bool:
        is_young = self._asked_at >= since
        if not answer.done():
            return is_young
        return (is_young or answer.result() is None) and stopwatch() < self._until

    def _find_out(self, answer: Future[Usages | None]) -> None:
        usages: Usages | None = None
        try:
            usages = self._ask()
        except Exception as problem:  # it is only a question on the side, that IAM need not allow
            if raised_by_handler(problem) is not None:
                raise
        finally:
            with self._lock:
                if self._answer is answer:  # else a younger question is under way
                    self._until = stopwatch() + (REFUSED_FOR if usages is None else self._keep)
                    self._answer = _answered(usages)  # for a future holds on to all who ever waited for it
            answer.set_result(usages)


def _answered(usages: Usages | None) -> Future[Usages | None]:
    answer: Future[Usages | None] = Future()
    answer.set_result(usages)
    return answer
