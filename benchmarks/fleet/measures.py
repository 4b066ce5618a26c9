"""Measures: what was counted while a fleet ran."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable
from itertools import accumulate, chain

from .loop import Loop

MINUTE = 60.0  # seconds


class PerMinute:
    """Counts of something."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._counts: Counter[int] = Counter()

    def add(self, number: int = 1) -> None:
        """Count something that happens now."""
        self._counts[int(self._loop.now)] += number

    def _seconds(self, begin: float, end: float) -> list[int]:
        return [self._counts[second] for second in range(int(begin), max(int(begin) + 1, int(end)))]

    def mean(self, begin: float, end: float) -> float:
        """Return how many there were a minute, between two moments."""
        seconds = self._seconds(begin, end)
        return sum(seconds) * MINUTE / len(seconds)

    def peak(self, begin: float, end: float) -> float:
        """Return the largest number within sixty seconds, between two moments. Of a shorter time, the rate."""
        totals = [0, *accumulate(self._seconds(begin, end))]
        if len(totals) <= MINUTE:
            return self.mean(begin, end)
        return max(till - since for since, till in zip(chain([0] * 60, totals), totals, strict=False))


class Level:
    """A number that goes up and down."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.now = 0
        self._times = [loop.now]
        self._values = [0]

    def change(self, by: int) -> None:
        """Change it now."""
        self.now += by
        if self._times[-1] == self._loop.now:
            self._values[-1] = self.now
        else:
            self._times.append(self._loop.now)
            self._values.append(self.now)

    def spans(self, begin: float, end: float) -> list[tuple[float, float, int]]:
        """Return from when to when it had which value, between two moments."""
        first = bisect_right(self._times, begin) - 1
        last = bisect_right(self._times, end)
        times = [begin, *self._times[first + 1 : last], end]
        return list(zip(times, times[1:], self._values[first:last], strict=False))

    def mean(self, begin: float, end: float) -> float:
        """Return its mean between two moments."""
        return sum((till - since) * value for since, till, value in self.spans(begin, end)) / (end - begin)

    def peak(self, begin: float, end: float) -> int:
        """Return its largest value between two moments."""
        return max(value for _, _, value in self.spans(begin, end))

    def settled(self, begin: float, end: float, value: int) -> float | None:
        """Return the seconds from ``begin`` after which it has a value for good, until ``end``; None: it has not."""
        spans = self.spans(begin, end)
        if spans[-1][2] != value:
            return None
        return max((till - begin for _, till, is_ in spans if is_ != value), default=0.0)


class Measures:
    """All that is counted of one run."""

    def __init__(self, loop: Loop) -> None:
        self.asked = PerMinute(loop)
        """Requests to the service."""
        self.operations: Counter[str] = Counter()
        self.refused = PerMinute(loop)
        """Of these, those that it did not take: over its rate limit, or in an outage."""
        self.trips = PerMinute(loop)
        """Round trips of the store."""
        self.seats = Level(loop)
        self.trouble = Level(loop)
        """Processes that have no lease though they want one, or whose renewal failed last."""
        self.unknown = PerMinute(loop)
        """Calls that got no answer in time."""
        self.denied = PerMinute(loop)
        self._troubled: set[Hashable] = set()

    def troubled(self, who: Hashable, *, is_troubled: bool = True) -> None:
        """Note how a process fares."""
        if (who in self._troubled) is is_troubled:
            return
        (self._troubled.add if is_troubled else self._troubled.discard)(who)
        self.trouble.change(1 if is_troubled else -1)
