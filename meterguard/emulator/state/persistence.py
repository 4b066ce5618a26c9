"""Persistence: the state of an emulator is in memory, or is kept by its state file.

An emulator changes its state under one lock. With a file that lock saves before it lets go, so that nothing is
answered, by HTTP or in Python, that a restart would not know.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from ..protocol.errors import StateError
from .clock import Clock
from .mappings import MakeTable, plain

__all__ = ("Kept", "Memory", "keep")


class Memory:
    """State that ends with its process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.lock: AbstractContextManager[object] = threading.RLock()
        self.table: MakeTable = plain
        self.settings: MutableMapping[str, Any] = {}

    def require(self) -> None:
        """Refuse to go on if later changes would not be kept."""

    def release(self) -> None:
        """Save, and release the file."""

    def discard(self) -> None:
        """Release the file without saving."""


class Kept(Memory):
    """State that a file keeps."""

    def __init__(self, path: str | os.PathLike[str], clock: Clock | None = None) -> None:
        from .state_file import StateFile

        self._file = StateFile(path)
        settings = self._file.table("settings")
        super().__init__(clock or (Clock.restored(settings["clock"]) if "clock" in settings else None))
        self.lock = _SavingLock(self._save)
        self.table = self._file.table
        self.settings = settings
        self.clock.told.append(self._note_time)

    def require(self) -> None:
        """Refuse to go on if later changes would not be kept."""
        if not self._file.is_open:
            raise StateError("the state file was released; make a new emulator with it")

    def release(self) -> None:
        """Save, and release the file."""
        if self._file.is_open:
            with self.lock:
                try:
                    self._save()
                finally:
                    self.discard()

    def discard(self) -> None:
        """Release the file without saving."""
        self._file.close()
        if self._note_time in self.clock.told:
            self.clock.told.remove(self._note_time)

    def _note_time(self) -> None:
        with self.lock:
            pass

    def _save(self) -> None:
        # The clock may have been moved since, and answers by its new time are about to be saved.
        reading = self.clock.reading()
        if self.settings.get("clock") != reading:
            self.settings["clock"] = reading
        self._file.save()


class _SavingLock:
    """A re-entrant lock that saves before its outermost release."""

    def __init__(self, save: Callable[[], None]) -> None:
        self._save = save
        self._lock = threading.RLock()
        self._depth = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        try:
            if self._depth == 1:
                self._save()
        finally:
            self._depth -= 1
            self._lock.release()


def keep(state: str | os.PathLike[str] | None, clock: Clock | None) -> Memory:
    """Return the state that an emulator with this state file works on."""
    return Memory(clock) if state is None else Kept(state, clock)
