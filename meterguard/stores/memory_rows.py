"""Rows in this process: the first implementation of a shared store, for tests and for those who write another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from ..rows import Row, Seen, Written


class MemoryRows:
    """A ``SharedStore`` of one process. It shares nothing with others, takes no time and cannot fail."""

    is_fleet = False

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Row, float]] = {}
        self.forget()

    def read(self, key: str) -> Seen:
        """Return what is kept under a key."""
        with self._lock:
            now = time.time()
            return Seen(self._kept(key, now), now)

    def replace(self, key: str, expected: str, row: Row | None, keep: float) -> Written:
        """Keep a row if nobody was faster."""
        with self._lock:
            now = time.time()
            kept = self._kept(key, now)
            version = "" if kept is None else kept.version
            if version not in (expected, "" if row is None else row.version):
                return Written(False, Seen(kept, now))
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row, now + keep
            return Written(True, Seen(row, now))

    def rows(self, prefix: str) -> Iterable[tuple[str, Row]]:
        """Return the rows whose keys begin so."""
        with self._lock:
            now = time.time()
            found = [(key, self._kept(key, now)) for key in list(self._rows) if key.startswith(prefix)]
        return [(key, row) for key, row in found if row is not None]

    def _kept(self, key: str, now: float) -> Row | None:
        row, until = self._rows.get(key, (None, 0.0))
        if row is not None and now >= until:
            del self._rows[key]
            return None
        return row

    def describe(self) -> str:
        """Return that it is in this process."""
        return "the memory of this process, which ends with it"

    def close(self) -> None:
        """Keep everything."""

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's."""
        self._lock = threading.RLock()
