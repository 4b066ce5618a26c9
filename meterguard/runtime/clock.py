"""The clocks that leases live by, and a stopwatch for waiting."""

from __future__ import annotations

import time

from ..ports import Moment

# In a tuple, where neither freezegun nor time-machine replaces it: waiting is done in real seconds, also
# in a test that froze time, or a retry loop inside it would never end.
_REAL = (time.monotonic,)


def stopwatch() -> float:
    """Return real seconds since some fixed moment."""
    return _REAL[0]()


_ahead = 0.0


def move(seconds: float) -> None:
    """For tests: let both clocks of every guard go on from here as if so much time had passed.

    Windows that are open stay open, so whoever calls this empties those.
    """
    global _ahead
    _ahead += seconds


class SystemClock:
    """Both clocks of this machine, as tests may have replaced them."""

    def now(self) -> Moment:
        """Return what both clocks say now."""
        wall, mono = _read(5)
        return Moment(wall + _ahead, mono + _ahead)

    def wall(self) -> float:
        """Return what the wall clock says now, to a caller that is deep enough; see below."""
        return time.time() + _ahead


def _read(depth: int) -> Moment:
    # freezegun gives real time to callers within five frames of the threading module, which would let our
    # threads and the test's see different times. Hence five frames of our own.
    if depth:
        return _read(depth - 1)
    return Moment(time.time(), time.monotonic())
