"""Records in this process, bounded and expired by cachetools."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cachetools


class MemoryLeaseTable:
    """A ``LeaseTable`` of at most ``maxsize`` records, more only while all of them are busy."""

    def __init__(self, maxsize: int, is_busy: Callable[[Any], bool]) -> None:
        self._maxsize = maxsize
        self._is_busy = is_busy
        self._lock = threading.RLock()
        # counted here, not by cachetools, which would evict a busy record to make room
        self._records: cachetools.LRUCache[Any, Any] = cachetools.LRUCache(2**62)

    def get(self, key: Any) -> Any | None:
        with self._lock:
            return self._records.get(key)

    def put(self, key: Any, record: Any) -> list[Any]:
        with self._lock:
            self._records[key] = record
            return self._make_room(key)

    def _make_room(self, newest: Any) -> list[Any]:
        surplus = len(self._records) - self._maxsize
        evicted: list[Any] = []
        busy: list[tuple[Any, Any]] = []
        while len(evicted) < surplus and self._records:
            key, record = self._records.popitem()
            if key == newest or self._is_busy(record):
                busy.append((key, record))
            else:
                evicted.append(record)
        for key, record in busy:
            self._records[key] = record
        return evicted

    def __iter__(self) -> Iterator[Any]:
        with self._lock:
            return iter(list(self._records.values()))


class MemoryDenials:
    """A ``DenialMemory`` that forgets each denial ``ttl`` seconds after it was heard."""

    def __init__(self, maxsize: int, ttl: float) -> None:
        self._lock = threading.RLock()
        # cachetools' own default timer is bound when its class is made, where freezegun cannot reach it
        self._denials: cachetools.TTLCache[Any, Exception] = cachetools.TTLCache(
            maxsize, ttl, timer=lambda: time.monotonic()
        )

    def recall(self, key: Any) -> Exception | None:
        with self._lock:
            return self._denials.get(key)

    def remember(self, key: Any, denial: Exception) -> None:
        with self._lock:
            self._denials[key] = denial

    def forget(self, matches: Callable[[Any], bool]) -> None:
        with self._lock:
            for key in [key for key in self._denials if matches(key)]:
                with contextlib.suppress(KeyError):  # it has expired since
                    del self._denials[key]
