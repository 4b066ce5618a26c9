"""The agenda: one daemon thread that looks at each thing when something may be due for it."""

from __future__ import annotations

import contextlib
import heapq
import math
import threading
from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

from .clock import stopwatch
from .workers import start

LONGEST_SLEEP = 30.0  # seconds after which a clock that jumped is noticed at the latest
AFTER_A_FAILURE = 0.25  # seconds
TIDY_FROM = 256  # entries


class Entry:
    """A place in the agenda."""

    __slots__ = ("subject", "when")

    def __init__(self, when: float, subject: Subject) -> None:
        self.when = when  # stopwatch seconds
        self.subject: Subject | None = subject

    def __lt__(self, other: Self) -> bool:
        return self.when < other.when


class Subject(Protocol):
    """Something that is looked at."""

    entry: Entry | None
    """Its place in the agenda; the agenda's lock guards it."""


SubjectT = TypeVar("SubjectT", bound=Subject)


class Errand:
    """Something to run later."""

    __slots__ = ("entry", "run")

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.entry: Entry | None = None


class Agenda(Generic[SubjectT]):
    """Looks at subjects in the order in which they are due.

    :param look: does what is due and returns the seconds until the next look, None when there is nothing to look for.
    """

    def __init__(self, name: str, look: Callable[[SubjectT], float | None]) -> None:
        self._name = name
        self._look = look
        # taken as a lock: a signal handler may strike in the methods by which a condition is entered, and leave it held
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._due: list[Entry] = []
        self._tidy_at = TIDY_FROM
        self._thread: threading.Thread | None = None
        self.stopped = False

    def __len__(self) -> int:
        return len(self._due)

    def put(self, subject: SubjectT, delay: float | None) -> None:
        """Look at the subject after so many seconds, or earlier if it is looked at earlier already."""
        if delay is None:
            return
        when = stopwatch() + min(delay, LONGEST_SLEEP)
        with self._lock:
            if self.stopped:
                return
            if subject.entry is None or when < subject.entry.when:
                self.drop(subject)
                subject.entry = Entry(when, subject)
                heapq.heappush(self._due, subject.entry)
                self._tidy()
                self._changed.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def drop(self, subject: SubjectT) -> None:
        """Stop looking at the subject, and keep it no longer."""
        with self._lock:
            entry, subject.entry = subject.entry, None
            if entry is not None:
                entry.subject = None

    def stop(self) -> None:
        """Stop looking at anything."""
        with self._lock:
            self.stopped = True
            for entry in self._due:
                subject, entry.subject = entry.subject, None
                if subject is not None:
                    subject.entry = None
            self._due.clear()
            self._changed.notify_all()

    def join(self, until: float) -> None:
        """Wait, once it was stopped, for its thread to end.

        :param until: for so long at most, in stopwatch seconds.
        """
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, until - stopwatch()))

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self.stopped = True

    def _tidy(self) -> None:
        """Drop the entries without a subject before they make up most of the heap."""
        if len(self._due) > self._tidy_at:
            self._due = [entry for entry in self._due if entry.subject is not None]
            heapq.heapify(self._due)
            self._tidy_at = max(TIDY_FROM, 2 * len(self._due))

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            start(self._thread)
        except RuntimeError:  # the interpreter is shutting down
            self._thread = None

    def _run(self) -> None:
        while (subject := self._next()) is not None:
            delay: float | None = AFTER_A_FAILURE
            # a bug, a filter of the log that raises, or a test that moves time away under it
            with contextlib.suppress(Exception):
                delay = self._look(subject)
            self.put(subject, delay)
            del subject  # it may be evicted while nothing is due

    def _next(self) -> SubjectT | None:
        with self._lock:
            while not self.stopped:
                delay = self._due[0].when - stopwatch() if self._due else math.inf
                if delay > 0:
                    self._changed.wait(None if delay == math.inf else delay)
                    continue
                subject = heapq.heappop(self._due).subject
                if subject is not None:
                    subject.entry = None
                    return subject  # type: ignore[return-value]  # the heap holds what was put
            return None
