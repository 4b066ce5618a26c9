"""The hot path: a stretch of wall time in which a gate lets calls through without a further look."""

from __future__ import annotations

from time import time


class Window:
    """Open from ``lo`` to ``hi`` on the wall clock; empty until a lease opens it.

    It compares wall time, not monotonic time, because that one read ends it after a suspend, a clock set
    back and a test's time travel alike. ``time`` stays a global of this module so that freezegun finds it.
    """

    __slots__ = ("__weakref__", "hi", "lo")

    def __init__(self) -> None:
        self.lo = self.hi = 0.0

    def outside(self) -> bool:
        """Whether the next call has to look."""
        return not self.lo <= time() < self.hi

    def slide(self, lo: float, hi: float) -> None:
        """Open it anew."""
        self.lo, self.hi = lo, hi

    def empty(self) -> None:
        """Close it at once."""
        self.hi = 0.0
