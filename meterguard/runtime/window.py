"""The hot path: a stretch of wall time in which a gate lets calls through without a further look."""

from __future__ import annotations

from time import monotonic, time


class Window:
    """Open from ``lo`` to ``hi`` on the wall clock; empty until a lease opens it.

    It compares wall time, not monotonic time, because that one read ends it after a suspend, a clock set
    back and a test's time travel alike. ``time`` stays a global of this module so that freezegun finds it.
    Where no thread looks at the monotonic clock meanwhile, ``hi`` is an :class:`Until`.
    """

    __slots__ = ("__weakref__", "hi", "lo")

    def __init__(self) -> None:
        self.lo = 0.0
        self.hi: float | Until = 0.0

    def outside(self) -> bool:
        """Return True when the next call has to look."""
        return not self.lo <= time() < self.hi

    def slide(self, lo: float, hi: float | Until) -> None:
        """Open the window anew."""
        self.lo, self.hi = lo, hi

    def empty(self) -> None:
        """Close the window at once."""
        self.hi = 0.0


class Until:
    """The end of a window by both clocks, for comparison with wall time: a wall clock that is held ends it too."""

    __slots__ = ("_mono", "_wall")

    def __init__(self, wall: float, seconds: float) -> None:
        self._wall = wall
        self._mono = monotonic() + seconds

    def __gt__(self, wall: float) -> bool:
        return wall < self._wall and monotonic() < self._mono
