"""Metering: usage that is written down before its call returns, many calls' in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import uuid4

from ..core.intents import PENDING_FOR
from ..errors import ConfigurationError
from ..events import LedgerUnavailable
from ..model import Entitlement
from ..ports import LedgerFault
from ..units import Unit
from ..usage import UsageKey, UsageLine
from .agenda import Errand
from .clock import stopwatch
from .teller import Teller
from .waits import unresolved
from .workers import Submit

AGAIN = 1.0  # seconds until what could not be written is tried again


@dataclass(slots=True)
class _Batch:
    """Usage that is written in one transaction, and the token under which the ledger adds it once."""

    token: str = field(default_factory=lambda: uuid4().hex)
    lines: dict[UsageKey, Decimal] = field(default_factory=dict)
    done: Future[None] = field(default_factory=unresolved)
    problem: ConfigurationError | None = None
    """The mistake in the set-up that keeps the ledger from taking it: its calls raise it."""
    open_since: float | None = None
    """When an attempt first left it open whether it was written; None: it surely was not."""


class Metering:
    """Writes usage down. While one thread writes, the usage of others gathers for the next transaction."""

    def __init__(self, teller: Teller, remind: Callable[[Errand, float], None], submit: Submit) -> None:
        self._teller = teller
        self._submit = submit
        self._remind = remind
        self._again = Errand(lambda: submit(self.flush))
        self._lock = threading.RLock()
        self._writing = threading.RLock()
        self._gathered = _Batch()
        self._kept: list[_Batch] = []
        """Batches that the ledger did not take."""
        self._is_awaited = False

    def write(self, line: UsageLine) -> Future[None] | None:
        """Write usage down; done when it was, None: it is. What a ledger does not take now is kept, and tried again."""
        if not self._teller.ledger.is_shared:  # it takes no time, and cannot fail
            self._teller.write((line,), "")
            return None
        with self._lock:
            batch = self._gathered
            batch.lines[line.key] = batch.lines.get(line.key, Decimal(0)) + line.quantity
            leads, self._is_awaited = not self._is_awaited, True
        if leads:  # never on the caller's thread, where a signal handler could raise behind the commit
            self._submit(self.flush)
        return batch.done

    def flush(self) -> None:
        """Write down what was kept and what has gathered."""
        with self._writing:
            with self._lock:
                batches, self._kept, self._is_awaited = [*self._kept, self._gathered], [], False
                self._gathered = _Batch()
            for batch in batches:
                is_over = not batch.lines
                try:
                    is_over = is_over or self._is_written(batch)
                finally:
                    if not is_over:
                        self._keep(batch)
                    _end(batch)

    def _is_written(self, batch: _Batch) -> bool:
        """Write a batch. Returns True when nothing more is to be done for it."""
        try:
            self._teller.write([UsageLine(key, quantity) for key, quantity in batch.lines.items()], batch.token)
        except ConfigurationError as mistake:
            batch.problem = mistake
            self._tell(batch, str(mistake))
            return False
        except LedgerFault as fault:
            if fault.may_have_written and batch.open_since is None:
                batch.open_since = stopwatch()
            is_late = batch.open_since is not None and stopwatch() - batch.open_since > PENDING_FOR
            self._tell(batch, f"{fault}; it may have been written, and is not written again" if is_late else str(fault))
            return is_late
        return True

    def _keep(self, batch: _Batch) -> None:
        with self._lock:
            self._kept.append(batch)
        self._remind(self._again, AGAIN)

    def _tell(self, batch: _Batch, problem: str) -> None:
        key = next(iter(batch.lines))
        what = Entitlement(key.name, 1, Unit(key.unit))
        self._teller.publisher.tell(LedgerUnavailable((what,), problem))


def _end(batch: _Batch) -> None:
    if batch.done.done():
        return
    if batch.problem is None:
        batch.done.set_result(None)
    else:
        batch.done.set_exception(batch.problem)
