"""SingleFlight: work in the air that everybody who wants its result waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from ..errors import ConfigurationError
from .clock import stopwatch

STRANDED_AFTER = 1.0  # seconds without a pilot: whoever joined first was interrupted, or all workers are busy


@dataclass(frozen=True, slots=True)
class Landing:
    """The end of a flight."""

    error: Exception | None = None
    was_renewal: bool = False


class Flight:
    """One piece of work in the air."""

    __slots__ = ("future", "joined_at", "pilot")

    def __init__(self) -> None:
        self.future: Future[Landing] = Future()
        # a future that is not running can be cancelled by any one waiter, for all of them
        self.future.set_running_or_notify_cancel()
        self.pilot: int | None = None
        self.joined_at = stopwatch()


class SingleFlight:
    """At most one flight a key."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._in_air: dict[Hashable, Flight] = {}

    def join(self, key: Hashable) -> tuple[Flight, bool]:
        """Return the flight for this key, and True when the caller has to get it off the ground."""
        with self._lock:
            flight = self._in_air.get(key)
            if flight is None:
                flight = self._in_air[key] = Flight()
                return flight, True
        if flight.pilot is None and stopwatch() - flight.joined_at > STRANDED_AFTER:
            return flight, True
        if flight.pilot == threading.get_ident():
            raise ConfigurationError(
                "a hook that runs during a checkout asks for the very entitlement being checked out; "
                "take the guard off what credential providers and client hooks call"
            )
        return flight, False

    def fly(self, key: Hashable, flight: Flight, work: Callable[[], Landing]) -> None:
        """Do the work on this thread and hand its end to everybody. Once, however many try."""
        with self._lock:
            if flight.pilot is not None:
                return
            flight.pilot = threading.get_ident()
        landing = Landing(error=RuntimeError("the flight was interrupted"))
        try:
            landing = work()
        except Exception as bug:  # noqa: BLE001 - everybody who waits gets it
            landing = Landing(error=bug)
        finally:
            # off the table first: whoever wakes up and asks again must not join this one
            with self._lock:
                self._in_air.pop(key, None)
            flight.future.set_result(landing)

    def strike_off(self, key: Hashable) -> None:
        """Forget a flight without a pilot, for which nobody waits any more: it may never get off the ground."""
        with self._lock:
            flight = self._in_air.get(key)
            if flight is not None and flight.pilot is None:
                del self._in_air[key]

    def is_flying(self, key: Hashable) -> bool:
        """Return True while a flight for this key is under way."""
        with self._lock:
            return key in self._in_air

    def in_air(self) -> list[Flight]:
        """Return all flights, as a snapshot."""
        with self._lock:
            return list(self._in_air.values())
