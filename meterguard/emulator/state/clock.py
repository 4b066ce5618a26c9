"""The service's own clock.

freezegun and time-machine change what the test's process calls "now". The service must not follow: in real
life its clock is on another machine. So the time that passes is read from a clock neither library knows
about, and the moment the clock starts from is read from one time-machine does not fake either.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ..protocol.errors import WrongValue
from ..protocol.moments import LATEST, Duration, Moment, moment_of, seconds_of
from ..protocol.redaction import shown
from ..protocol.validation import MOMENT, SPAN, check, maybe

__all__ = ("Clock", "elapsed")

# Linux has no name in Python for this clock. Any other name for the wall clock is faked by time-machine.
_CLOCK_REALTIME_COARSE = 5
_IS_LINUX = platform.system() == "Linux"


def _pick_elapsed_clock() -> int | None:
    # BOOTTIME also counts while the machine sleeps, as a clock on another machine would.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return int(getattr(time, name))
    return None


_ELAPSED_CLOCK = _pick_elapsed_clock()
_plain_monotonic = time.monotonic


def elapsed() -> float:
    """Return the seconds that have really passed since some fixed moment."""
    return _plain_monotonic() if _ELAPSED_CLOCK is None else time.clock_gettime(_ELAPSED_CLOCK)


_OFFSET_AT_IMPORT = time.time() - elapsed()


def _true_now() -> float:
    if _IS_LINUX:
        return time.clock_gettime(_CLOCK_REALTIME_COARSE)
    return _OFFSET_AT_IMPORT + elapsed()


class Clock:
    """A clock that starts at the true time, runs, and can be moved, set, stopped and started again."""

    def __init__(self, start: Moment | None = None) -> None:
        check({"start": maybe(MOMENT)}, {"start": start})
        self.told: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._frozen: float | None = None
        self._ahead = 0.0
        if start is None:
            self._offset = _true_now() - elapsed()
        else:
            self._move_to(moment_of(start))

    def __repr__(self) -> str:
        state = "frozen" if self.is_frozen else "running"
        return f"<Clock {self.datetime().isoformat()} {state}>"

    @classmethod
    def restored(cls, reading: Mapping[str, float | None]) -> Clock:
        """Return a clock as far from the true time as another one was, or as frozen."""
        clock = cls()
        clock._ahead = reading["ahead"] or 0.0
        clock._offset += clock._ahead
        clock._frozen = reading["frozen"]
        return clock

    @property
    def is_frozen(self) -> bool:
        """Return whether the clock stands still."""
        return self._frozen is not None

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        with self._lock:
            return self._now()

    def datetime(self) -> datetime:
        """Return the time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, duration: Duration) -> float:
        """Move the clock forward (a negative duration: back) and return the new time.

        Raises:
            ConfigurationError: The duration is neither seconds nor a timedelta, or leads out of the years 1970 to 2200.
        """
        check({"duration": SPAN}, {"duration": duration})
        with self._lock:
            moment = self._now() + seconds_of(duration)
            if not 0 <= moment <= LATEST:
                raise WrongValue(f"duration: {shown(duration)} would lead out of the years 1970 to 2200")
            moved = self._move_to(moment)
        self._tell()
        return moved

    def set(self, moment: Moment) -> float:
        """Set the clock, running or frozen, and return the new time."""
        check({"moment": MOMENT}, {"moment": moment})
        with self._lock:
            moved = self._move_to(moment_of(moment))
        self._tell()
        return moved

    def freeze(self, moment: Moment | None = None) -> float:
        """Stop the clock, now or at a moment, and return the time it stands at."""
        check({"moment": maybe(MOMENT)}, {"moment": moment})
        with self._lock:
            stands = self._frozen = self._now() if moment is None else moment_of(moment)
        self._tell()
        return stands

    def resume(self) -> None:
        """Let a frozen clock run on from where it stands."""
        with self._lock:
            stood, self._frozen = self._frozen, None
            if stood is not None:
                self._move_to(stood)
        self._tell()

    def reading(self) -> dict[str, float | None]:
        """Return the clock's distance from the true time, for `restored`. It changes only when the clock is moved."""
        with self._lock:
            return {"ahead": self._ahead, "frozen": self._frozen}

    def _tell(self) -> None:
        for call in tuple(self.told):
            call()

    def _now(self) -> float:
        return self._frozen if self._frozen is not None else self._offset + elapsed()

    def _move_to(self, moment: float) -> float:
        if self._frozen is not None:
            self._frozen = moment
        else:
            self._offset = moment - elapsed()
            self._ahead = moment - _true_now()
        return moment
