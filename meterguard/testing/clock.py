"""Time in the hands of a test."""

from __future__ import annotations

import math
from datetime import timedelta

from ..emulator import Emulator
from ..errors import ConfigurationError
from ..guard import MeterGuard
from ..model import shortened
from ..runtime import clock, forking

__all__ = ("Clock",)


class Clock:
    """A clock that moves emulators and all guards together, without waiting. Nothing else of the process moves."""

    def __init__(self, *emulators: Emulator) -> None:
        for one in emulators:
            if not isinstance(one, Emulator):
                raise ConfigurationError(f"emulators: {shortened(one)} is not an Emulator")
        self._emulators = emulators
        self._moved = 0.0

    def shift(self, duration: float | timedelta) -> None:
        """Let a duration pass: seconds or a timedelta."""
        seconds = _seconds(duration)
        for emulator in self._emulators:
            emulator.clock.advance(seconds)
        self._move(seconds)

    advance = shift
    """The emulator's word for the same."""

    def restore(self) -> None:
        """Set guards back to the true time. Emulators keep theirs."""
        self._move(-self._moved)

    def _move(self, seconds: float) -> None:
        clock.move(seconds)
        self._moved += seconds
        for guard in forking.enlisted(MeterGuard):
            guard.empty_windows()


def _seconds(duration: object) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, (int, float)) and not isinstance(duration, bool) and math.isfinite(duration):
        return float(duration)
    raise ConfigurationError(f"duration: {shortened(duration)} is neither seconds nor a timedelta")
