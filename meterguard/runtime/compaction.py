"""Compaction of usage: old hours become days, and what is older still is deleted, now and then, off the calls' path."""

from __future__ import annotations

import contextlib
import random

from ..errors import ConfigurationError
from ..ports import Clock, Ledger, LedgerFault
from ..usage import DAYS_KEPT, HOURS_KEPT
from .clock import stopwatch

EVERY = 3600.0  # seconds between compactions by a process that lives so long
ONE_IN = 50  # processes that end earlier


class Compaction:
    """Compacts a ledger that others share, so that it stays small."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._done_at = stopwatch()

    def look(self) -> None:
        """Compact where it is time, on a worker."""
        if stopwatch() - self._done_at > EVERY:
            self._done_at = stopwatch()
            self._compact()

    def end(self) -> None:
        """Compact when a process ends, once in a while, for programs of which none lives long."""
        if self._ledger.is_shared and stopwatch() - self._done_at < EVERY and random.randrange(ONE_IN) == 0:
            self._compact()

    def _compact(self) -> None:
        now = self._clock.now().wall
        with contextlib.suppress(LedgerFault, ConfigurationError):  # the next one will do
            self._ledger.compact(now - HOURS_KEPT, now - DAYS_KEPT)
