"""The publisher of events, to subscribers and to the log."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable

from ..events import (
    BorrowEnding,
    CheckInFailed,
    EntitlementRefused,
    Event,
    GraceEntered,
    LeaseLost,
    LedgerUnavailable,
    LowWater,
    ServiceUnavailable,
    UnitsLost,
    UnitsOwed,
    UsageDiffers,
    UsageGivenUp,
    UsagePending,
    UsageRejected,
)
from ..interruption import raised_by_handler
from .clock import stopwatch

logger = logging.getLogger("meterguard")
logger.addHandler(logging.NullHandler())

_LEVELS = {
    BorrowEnding: logging.WARNING,
    CheckInFailed: logging.WARNING,
    EntitlementRefused: logging.WARNING,
    GraceEntered: logging.WARNING,
    LeaseLost: logging.WARNING,
    LedgerUnavailable: logging.WARNING,
    LowWater: logging.WARNING,
    ServiceUnavailable: logging.WARNING,
    UnitsLost: logging.WARNING,
    UnitsOwed: logging.WARNING,
    UsageDiffers: logging.WARNING,
    UsageGivenUp: logging.WARNING,
    UsagePending: logging.WARNING,
    UsageRejected: logging.WARNING,
}

Subscriber = Callable[[Event], object]


QUIET_FOR = 60.0  # seconds in which the same warning about the same requirement is a debug line


class Publisher:
    """Tells every subscriber, in the thread where it happened."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self.has_subscribers = False
        """True where somebody listens, so that it is worth to tell what happens often."""
        self._warned: dict[object, float] = {}

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Add a subscriber; the returned function takes it off again."""
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)
            self.has_subscribers = True

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(one for one in self._subscribers if one is not subscriber)
                self.has_subscribers = bool(self._subscribers)

        return unsubscribe

    def _level(self, event: Event) -> int:
        """A refused view that is polled must not flood the log."""
        level = _LEVELS.get(type(event), logging.DEBUG)
        if level > logging.DEBUG:
            now = stopwatch()
            with self._lock:
                self._warned = {what: when for what, when in self._warned.items() if now - when < QUIET_FOR}
                if self._warned.setdefault((type(event), event.entitlements), now) != now:
                    return logging.DEBUG
        return level

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's, the subscribers stay."""
        self._lock = threading.RLock()

    def tell(self, event: Event) -> None:
        """Tell the log and every subscriber. One that fails breaks neither the caller nor the others."""
        level = self._level(event)
        _failure_of(lambda: logger.log(level, "%s", event, extra={"meterguard": event}))
        for subscriber in self._subscribers:
            failure = _failure_of(functools.partial(subscriber, event))
            if failure is not None:
                name, told = type(event).__name__, (type(failure), failure, failure.__traceback__)
                _failure_of(functools.partial(logger.error, "a subscriber failed on %s", name, exc_info=told))


def _failure_of(work: Callable[[], object]) -> BaseException | None:
    """Run foreign code and return what it raised, ``SystemExit`` too. What a signal handler raises passes through."""
    try:
        work()
    except KeyboardInterrupt as interrupt:
        if threading.current_thread() is threading.main_thread():
            raise
        return interrupt
    except BaseException as failure:  # a filter of the log or a subscriber may raise anything
        if raised_by_handler(failure) is not None:
            raise
        return failure
    return None
