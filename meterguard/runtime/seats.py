"""Seats of single calls, counted: an outage lets no more of them run at once than the service did."""

from __future__ import annotations

import threading


class Seats:
    """The calls of one requirement that run now, each on a seat of its own or on grace."""

    __slots__ = ("_graced", "_lock", "_most", "_seated")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._seated = self._graced = self._most = 0

    def take(self) -> None:
        """Count a call that runs on a seat of its own."""
        with self._lock:
            self._seated += 1
            self._most = max(self._most, self._seated)

    def give(self, *, on_grace: bool = False) -> None:
        """Count a call that is over."""
        with self._lock:
            if on_grace:
                self._graced -= 1
            else:
                self._seated -= 1

    def refuse(self) -> None:
        """The service said no: there are no more seats than those that are taken."""
        with self._lock:
            self._most = self._seated

    def take_on_grace(self) -> bool:
        """Let a call run without a seat, unless as many run already as had seats at once."""
        with self._lock:
            is_free = self._seated + self._graced < self._most
            self._graced += is_free
            return is_free
