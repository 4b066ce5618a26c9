"""Renewal of borrowed licences: those in use are borrowed anew when half of their time has passed."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial

from ..borrowed_file import BorrowedFile
from ..core.borrowed import Borrowed
from ..errors import MeterGuardError
from ..ports import Clock
from .borrowing import Borrowing
from .clock import stopwatch

PAUSE = 600.0  # seconds between two attempts, for the network may be away for days


class BorrowRenewal:
    """Borrows a licence anew beside the old one, which is returned then."""

    def __init__(
        self,
        borrowing: Borrowing,
        file: BorrowedFile,
        clock: Clock,
        submit: Callable[[Callable[[], object]], object],
    ) -> None:
        self._borrowing = borrowing
        self._file = file
        self._clock = clock
        self._submit = submit
        self._lock = threading.Lock()
        self._next_try: dict[str, float] = {}

    def look(self, borrowed: Borrowed) -> None:
        """Begin to borrow anew what is in use, if it is time; once for all who use it."""
        if not borrowed.is_half_over(self._clock.now()):
            return
        with self._lock:
            if stopwatch() < self._next_try.get(borrowed.signed_token, 0.0):
                return
            # for good: a licence that allows no early return stays in the file, and another must not follow
            self._next_try[borrowed.signed_token] = math.inf
        self._submit(partial(self._renew, borrowed))

    def _renew(self, borrowed: Borrowed) -> None:
        try:
            self._borrowing.renew(self._file, borrowed)
        except MeterGuardError:  # the old one is good to its end, and the next attempt may fare better
            self._next_try[borrowed.signed_token] = stopwatch() + PAUSE
