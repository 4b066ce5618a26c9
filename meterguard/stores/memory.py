"""Records in this process, bounded and expired by cachetools."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic

import cachetools

from ..lease_store import KeyT, StateT

LOOKS = 8  # rows that are looked at for room before the store goes over its bound for a while


class MemoryLeaseStore(Generic[StateT]):
    """A ``LeaseStore`` of this process. It takes no time and cannot fail."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._lock = threading.RLock()  # what the garbage collector closes under it may write too
        self._rows: dict[bytes, StateT] = {}  # the one written last comes last
        self._forgotten = 0  # no row that is gone had a higher version

    def get(self, key: bytes) -> StateT | None:
        """Return the state kept under this key."""
        with self._lock:
            return self._rows.get(key)

    def replace(self, key: bytes, state: StateT) -> StateT | None:
        """Keep the state if nobody was faster."""
        with self._lock:
            kept = self._rows.get(key)
            if state.version != (0 if kept is None else kept.version):
                return None
            self._forget(key)
            if state.is_blank:
                return state.stamped(0)
            new = self._rows[key] = state.stamped((self._forgotten if kept is None else kept.version) + 1)
            if len(self._rows) > self._maxsize:
                self._make_room(key)
            return new

    def __len__(self) -> int:
        return len(self._rows)

    def _forget(self, key: bytes) -> None:
        kept = self._rows.pop(key, None)
        if kept is not None:
            self._forgotten = max(self._forgotten, kept.version)

    def _make_room(self, newest: bytes) -> None:
        """Forget idle states, the oldest first. What is busy moves to the end, or it would be looked at each time."""
        surplus = len(self._rows) - self._maxsize
        for key in list(itertools.islice(self._rows, LOOKS)):
            if surplus <= 0:
                return
            if key != newest and self._rows[key].is_idle:
                self._forget(key)
                surplus -= 1
            else:
                self._rows[key] = self._rows.pop(key)


class MemoryDenials(Generic[KeyT]):
    """A ``DenialMemory`` that forgets each denial ``ttl`` seconds after it was heard."""

    def __init__(self, maxsize: int, ttl: float) -> None:
        self._lock = threading.RLock()
        # cachetools' own default timer is bound when its class is made, where freezegun cannot reach it
        self._denials: cachetools.TTLCache[KeyT, Exception] = cachetools.TTLCache(
            maxsize, ttl, timer=lambda: time.monotonic()
        )

    def recall(self, key: KeyT) -> Exception | None:
        """Return the denial remembered under this key; None when there is none, or it is too old."""
        with self._lock:
            return self._denials.get(key)

    def remember(self, key: KeyT, denial: Exception) -> None:
        """Remember a denial."""
        with self._lock:
            self._denials[key] = denial

    def forget(self, matches: Callable[[KeyT], bool]) -> None:
        """Forget the denials whose key matches."""
        with self._lock:
            for key in [key for key in self._denials if matches(key)]:
                with contextlib.suppress(KeyError):  # it has expired since
                    del self._denials[key]
