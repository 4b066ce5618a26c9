"""Metering: usage that is written down before its call returns, many calls' in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from decimal import Decimal

from ..events import LedgerUnavailable
from ..model import Entitlement
from ..ports import LedgerFault
from ..units import Unit
from ..usage import UsageKey, UsageLine
from .draws import Submit
from .renewal import Errand
from .teller import Teller

AGAIN = 1.0  # seconds until what could not be written is tried again


class Metering:
    """Writes usage down. While one thread writes, the usage of others gathers for the next transaction."""

    def __init__(self, teller: Teller, remind: Callable[[Errand, float], None], submit: Submit) -> None:
        self._teller = teller
        self._submit = submit
        self._remind = remind
        self._again = Errand(self.flush)
        self._lock = threading.RLock()
        self._gathered: list[UsageLine] = []
        self._done: Future[None] = _unresolved()
        self._is_writing = False

    def write(self, line: UsageLine) -> Future[None]:
        """Write usage down; done when it was. What a ledger does not take now is kept, and tried again."""
        with self._lock:
            self._gathered.append(line)
            done, leads = self._done, not self._is_writing
            self._is_writing = True
        if leads and not self._teller.ledger.is_shared:
            self.flush()
        elif leads:  # never on the caller's thread, where a signal handler could raise behind the commit
            self._submit(self.flush)
        return done

    def flush(self) -> None:
        """Write down what has gathered, until nothing has."""
        while True:
            with self._lock:
                lines, done = self._gathered, self._done
                if not lines:
                    self._is_writing = False
                    return
                self._gathered, self._done = [], _unresolved()
            kept = lines
            try:
                self._teller.write(_summed(lines))
                kept = []
            except LedgerFault as fault:
                self._tell(lines[0], fault)
                return
            finally:
                if kept:
                    self._keep(kept)
                done.set_result(None)

    def _keep(self, lines: list[UsageLine]) -> None:
        with self._lock:
            self._gathered[:0] = lines
            self._is_writing = False
        self._remind(self._again, AGAIN)

    def _tell(self, line: UsageLine, fault: LedgerFault) -> None:
        key = line.key
        what = Entitlement(key.name, 1, Unit(key.unit))
        self._teller.publisher.tell(LedgerUnavailable((what,), str(fault)))


def _summed(lines: list[UsageLine]) -> list[UsageLine]:
    sums: dict[UsageKey, Decimal] = {}
    for key, quantity in lines:
        sums[key] = sums.get(key, Decimal(0)) + quantity
    return [UsageLine(key, quantity) for key, quantity in sums.items()]


def _unresolved() -> Future[None]:
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
