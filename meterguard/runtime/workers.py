"""Daemon threads that carry out requests.

Not a ``ThreadPoolExecutor``: that one joins its threads at interpreter exit, and a service that does not
answer would then hold the exit up for longer than the two seconds we allow ourselves.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue

IDLE_FOR = 10.0  # seconds until a worker without work ends
MOST = 32

Job = Callable[[], None]


class Workers:
    """Runs jobs on threads started when needed; on the caller's own when ``inline``."""

    def __init__(self, inline: bool = False) -> None:
        self._inline = inline
        self._lock = threading.RLock()
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads = 0
        self._queued = 0
        self._idle = 0

    def submit(self, job: Job) -> None:
        """Run ``job`` soon. Jobs handle their own exceptions."""
        if self._inline:
            job()
            return
        with self._lock:
            self._queued += 1
            self._jobs.put(job)
            wanted = self._queued > self._idle and self._threads < MOST
            self._threads += wanted
        if wanted:
            self._start()

    def promise(self, job: Job) -> Future[None]:
        """Run ``job`` soon; done when it has ended, however it did."""
        done: Future[None] = Future()

        def work() -> None:
            try:
                job()
            finally:
                done.set_result(None)

        self.submit(work)
        return done

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, name="meterguard", daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down and starts no threads any more
            with self._lock:
                self._threads -= 1
            self._drain()

    def _drain(self) -> None:
        while (job := self._take(0.0)) is not None:
            job()

    def _work(self) -> None:
        while (job := self._take(IDLE_FOR)) is not None:
            # whoever waits for it was told; a thread that ended here would still be counted
            with contextlib.suppress(BaseException):
                job()

    def _take(self, patience: float) -> Job | None:
        with self._lock:
            self._idle += 1
        try:
            job = self._jobs.get(timeout=patience) if patience else self._jobs.get_nowait()
        except Empty:
            return self._give_up(patience)
        with self._lock:
            self._idle -= 1
            self._queued -= 1
        return job

    def _give_up(self, patience: float) -> Job | None:
        with self._lock:
            self._idle -= 1
            try:  # a job may have come in between, counting on this thread
                job = self._jobs.get_nowait()
            except Empty:
                self._threads -= patience > 0
                return None
            self._queued -= 1
            return job
