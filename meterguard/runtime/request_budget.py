"""The request budget: how many requests a second one guard makes in the background."""

from __future__ import annotations

import threading

from ..core import rate
from ..core.rate import Rate
from .clock import stopwatch


class RequestBudget:
    """Counts requests, and lowers the rate while AWS throttles. A ``ports.Traffic``.

    :param is_open: True where nothing ever waits, since no thread of ours could send it later.
    """

    def __init__(self, *, is_open: bool = False) -> None:
        self._lock = threading.RLock()
        self.is_open = is_open
        self.now = stopwatch
        self.rate = Rate(self.now())

    def take(self, pace: float = 0.0) -> float:
        """Take the place of one request in the background. Returns 0.0, or the seconds until there is one.

        :param pace: requests a second that cannot wait, where they are more than the limit.
        """
        if self.is_open:
            return 0.0
        with self._lock:
            self.rate = rate.later(self.rate, self.now(), pace)
            delay = rate.delay(self.rate, pace)
            if not delay:
                self.rate = rate.taken(self.rate)
            return delay

    def checking_out(self) -> None:
        """Count a checkout that is sent, which never waits for the budget."""
        with self._lock:
            self.rate = rate.checked_out(rate.later(self.rate, self.now()))

    def throttled(self, pause: float) -> None:
        """Send less for a while."""
        with self._lock:
            self.rate = rate.lowered(rate.later(self.rate, self.now()), pause)

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's."""
        self._lock = threading.RLock()
        self.is_open = True
