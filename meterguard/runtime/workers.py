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

from ..interruption import raised_by_handler
from .clock import stopwatch

IDLE_FOR = 10.0  # seconds until a worker without work ends
MOST = 32

Job = Callable[[], object]
Submit = Callable[[Job], None]
"""Runs a job soon, as ``Workers.submit`` does."""


class Workers:
    """Runs jobs on threads started when needed; on the caller's own when ``inline``."""

    def __init__(self, inline: bool = False) -> None:
        self.is_inline = inline
        self._lock = threading.RLock()
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._is_stopped = False
        self._queued = 0
        self._idle = 0

    def submit(self, job: Job) -> None:
        """Run ``job`` soon. Jobs handle their own exceptions."""
        if self.is_inline:
            job()
            return
        with self._lock:
            self._queued += 1
            self._jobs.put(job)
            if self._queued <= self._idle or (len(self._threads) >= MOST and not self._bury()):
                return
            thread = threading.Thread(target=self._work, name="meterguard", daemon=True)
            self._threads.add(thread)
        self._start(thread)

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

    def stop(self, until: float) -> None:
        """Let every thread end once it has no work, and wait for those that are idle. Jobs may still come."""
        with self._lock:
            self._is_stopped = True
            threads = [one for one in self._threads if one is not threading.current_thread()]
            for _ in threads:
                self._wake_one()
        for thread in threads:
            with contextlib.suppress(RuntimeError):  # it is only being started, and will find nothing to do
                thread.join(max(0.0, until - stopwatch()))

    def _bury(self) -> bool:
        """Count those no longer that a signal handler killed at their start; True when there were any."""
        dead = {one for one in self._threads if one.ident is not None and not one.is_alive()}
        self._threads -= dead
        return bool(dead)

    def _wake_one(self) -> None:
        self._queued += 1
        self._jobs.put(_nothing)

    def _start(self, thread: threading.Thread) -> None:
        try:
            start(thread)
        except RuntimeError:  # the interpreter is shutting down and starts no threads any more
            with self._lock:
                self._threads.discard(thread)
            self._drain()

    def _drain(self) -> None:
        while (job := self._take(0.0)) is not None:
            job()

    def _work(self) -> None:
        while self._run_one():
            pass

    def _run_one(self) -> bool:
        """Run the next job, which nothing refers to afterwards. False when none came for long."""
        job = self._take(0.0 if self._is_stopped else IDLE_FOR)
        if job is None:
            return False
        # whoever waits for it was told; a thread that ended here would still be counted
        with contextlib.suppress(BaseException):
            job()
        return True

    def _take(self, patience: float) -> Job | None:
        with self._lock:
            self._idle += 1
        try:
            job = self._jobs.get(timeout=patience) if patience else self._jobs.get_nowait()
        except Empty:
            return self._give_up()
        with self._lock:
            self._idle -= 1
            self._queued -= 1
        return job

    def _give_up(self) -> Job | None:
        with self._lock:
            self._idle -= 1
            try:  # a job may have come in between, counting on this thread
                job = self._jobs.get_nowait()
            except Empty:
                self._threads.discard(threading.current_thread())
                if self._is_stopped and self._idle:  # this thread may have taken what was to wake another
                    self._wake_one()
                return None
            self._queued -= 1
            return job


def start(thread: threading.Thread) -> None:
    """Start a thread. Where a signal handler strikes as it comes up, Python may raise a KeyError of its own instead."""
    try:
        thread.start()
    except KeyError as missing:
        raised = raised_by_handler(missing)
        if raised is None:
            raise
    else:
        return
    raise raised


def _nothing() -> None:
    pass
