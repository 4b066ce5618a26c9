"""Execution: the steps of a plan carried out, over a shared store and the service."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from ..core import keys
from ..core.scopes import CONTRACT
from ..core.shared import text
from ..core.shared.moments import Here
from ..core.shared.row import SharedLease
from ..core.shared.steps import CheckIn, CheckOut, Do, Extend, Pause, Plan, Read, Sight, Write
from ..errors import ConfigurationError
from ..ports import CheckoutAnswer, Clock, FaultKind, LicenseService, Moment, ServiceFault
from ..rows import Row, Seen, SharedStore, StoreFault
from . import owners
from .clock import stopwatch

LINE, SWEEP = "line", "sweep"
"""The last part of the keys of rows that are no leases."""
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1  # seconds between two looks at what another process asks for
PLACE = re.compile(rf"({CONTRACT})?[0-9a-f]+/[0-9a-f]{{40}}")
T = TypeVar("T")


class Sealing(NamedTuple):
    """Two functions for secrets at rest: one that seals, and one that opens or raises ``ValueError``."""

    seal: text.Seal = str
    unseal: text.Seal = str


@dataclass(frozen=True, slots=True)
class Execution:
    """Carries out plans for the rows of one licence."""

    store: SharedStore
    service: LicenseService
    clock: Clock
    leaving: threading.Event
    sealing: Sealing
    scope: str

    def of(self, key: bytes, until: float = 0.0, *, parting: bool = False) -> OneRow:
        """Return the execution of plans for one row.

        :param until: when no other process is waited for any more, by the stopwatch.
        """
        return OneRow(self, key.decode("ascii"), until, parting)

    def place(self, key: str) -> str:
        """Return the key of a row: short, and without the value of ``per``, which may be somebody's name."""
        return f"{self.scope}/{hashlib.sha256(key.encode('ascii')).hexdigest()[:40]}"

    @property
    def line(self) -> str:
        """The key of the row that says who waits."""
        return f"{self.scope}/{LINE}"

    @property
    def mark(self) -> str:
        """The key of the row that says when somebody swept last."""
        return f"{self.scope}/{SWEEP}"

    def read(self, row: Row) -> SharedLease:
        """Return what a row says.

        :raises ConfigurationError: it cannot be read.
        """
        return lease_in(row, self.store, self.sealing.unseal)

    def here(self, seen: Seen) -> Here:
        """Return the clocks of this moment."""
        return Here(owners.machine()[0], self.clock.now(), seen.now, seen.epoch, self.store.is_fleet)


def is_of_lease(place: str) -> bool:
    """Tell whether the key of a row is that of a lease; stores keep rows of other kinds beside them."""
    return PLACE.fullmatch(place) is not None


def lease_in(row: Row, store: SharedStore, unseal: text.Seal) -> SharedLease:
    """Return what a row says of a lease.

    :raises ConfigurationError: it cannot be read.
    """
    try:
        return text.from_text(row.body, unseal)
    except text.NewerFormat:
        raise ConfigurationError(
            f"a newer meterguard wrote into the lease store ({store.describe()}): upgrade meterguard here too"
        ) from None
    except ValueError:
        raise ConfigurationError(
            f"a row of the lease store ({store.describe()}) cannot be read: it is damaged, or "
            "METERGUARD_STORE_KEY is another one than it was written with"
        ) from None


@dataclass(frozen=True, slots=True)
class OneRow:
    """Carries out plans for one row."""

    all: Execution
    key: str
    until: float
    parting: bool

    def carry_out(self, plan: Plan[T]) -> T:
        """Carry a plan out to its end. Raises what it raises: faults of the service, of the store, mistakes."""
        step: Callable[[], Do] = partial(next, plan)
        while True:
            try:
                do = step()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                came = self._act(do)
            except (ServiceFault, StoreFault) as fault:
                step = partial(plan.throw, fault)
            else:
                step = partial(plan.send, came)

    def _act(self, do: Do) -> Any:
        match do:
            case Read():
                return self._sight(self.all.store.read(self.all.place(self.key)))
            case Write(version, row):
                return self._write(version, row)
            case Pause(attempt):
                return self._pause(attempt)
            case CheckOut(client_token):
                return self._check_out(client_token)
            case Extend(token):
                return self.all.service.extend(token), self.all.clock.now()
            case CheckIn(token):
                return self._check_in(token)

    def _write(self, version: str, row: SharedLease) -> tuple[bool, Sight]:
        new = None
        if not row.is_blank:
            new = Row(uuid4().hex[:16], text.to_text(row, self.all.sealing.seal))
        won, seen = self.all.store.replace(self.all.place(self.key), version, new, row.keep())
        return won, self._sight(seen)

    def _sight(self, seen: Seen) -> Sight:
        here = self.all.here(seen)
        if seen.row is None:
            return Sight(SharedLease(self.key), "", here)
        return Sight(self.all.read(seen.row), seen.row.version, here)

    def _pause(self, attempt: int) -> None:
        delay = min(LONGEST_PAUSE, FIRST_PAUSE * 1.5 ** min(attempt, 16)) * (0.5 + random.random() / 2)
        if stopwatch() + delay >= self.until:
            raise ServiceFault(FaultKind.UNKNOWN, "another process asks for it, and had no answer in time")
        if self.all.leaving.wait(delay):
            raise ServiceFault(FaultKind.UNKNOWN, "the guard is being closed")

    def _check_out(self, client_token: str) -> tuple[CheckoutAnswer, Moment]:
        requirement = keys.decoded(self.key.encode("ascii")).requirement
        answer = self.all.service.check_out(requirement, client_token, parting=self.parting)
        return answer, self.all.clock.now()

    def _check_in(self, token: str) -> None:
        try:
            self.all.service.check_in(token, parting=self.parting)
        except ServiceFault as fault:
            if fault.kind is not FaultKind.NOT_FOUND:  # it has lapsed, or somebody gave it back
                raise
