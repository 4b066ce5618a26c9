"""Identifiers: new ones without end, the same in every run if they are seeded."""

from __future__ import annotations

import random
import threading

__all__ = ("Identifiers",)


class Identifiers:
    """Makes identifiers of 32 hexadecimal digits, on any thread.

    Args:
        seed: Makes them the same in every run; None: they are random.
        starts: How often the state was opened before. Each start has identifiers of its own.
    """

    def __init__(self, seed: int | None = None, starts: int = 0) -> None:
        self._random = random.Random(f"{seed}/{starts}" if seed is not None and starts else seed)
        self._lock = threading.Lock()

    def new(self) -> str:
        """Return an identifier that was not returned before."""
        with self._lock:
            return f"{self._random.getrandbits(128):032x}"
