"""Rounds of reports: at once, then soon after each hour, and sooner where something has to be tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..errors import ConfigurationError
from ..ports import Clock, Moment
from ..usage import HOUR, hour_of
from .agenda import Errand
from .reports import Reports
from .workers import Submit

LOOK = 5.0  # seconds between looks whether a round is due, for clocks jump
SPREAD = 20.0  # seconds after the hour over which the processes of a fleet spread their rounds
AGAIN, LONGEST = 60.0, 900.0  # seconds until what failed is tried again: at first, and in a long outage


class ReportRounds:
    """Reports when it is due, on a worker, until the guard is closed."""

    def __init__(
        self,
        reports: Reports,
        clock: Clock,
        remind: Callable[[Errand, float], None],
        submit: Submit,
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._remind = remind
        self._failures = 0
        self._next = clock.now()
        self._errand = Errand(lambda: submit(self._look))
        submit(self._look)

    def _look(self) -> None:
        try:
            now = self._clock.now()
            if now.wall >= self._next.wall or now.mono >= self._next.mono:
                self._round(now)
        finally:
            self._remind(self._errand, LOOK)

    def _round(self, began: Moment) -> None:
        is_done = False
        try:
            _, is_done = self._reports.flush()
        except ConfigurationError as mistake:
            self._reports.announcements.unavailable(str(mistake))
        finally:
            self._failures = 0 if is_done else self._failures + 1
            # since it began: an hour that ended meanwhile was not in it
            since, delay = (began, self._until_next(began.wall)) if is_done else (self._clock.now(), self._again())
            self._next = since._replace(wall=since.wall + delay, mono=since.mono + delay)

    def _again(self) -> float:
        return min(LONGEST, AGAIN * 2.0 ** min(self._failures - 1, 10))

    def _until_next(self, wall: float) -> float:
        if not self._reports.product.rules.is_hourly:
            return AGAIN
        return hour_of(wall) + HOUR - wall + random.uniform(1.0, SPREAD)
