"""Sweeps: what dead processes left in a shared store goes back, and what the store has lost is written anew.

One process of all sweeps at a time: a row of its own says when somebody did last. A store without that row has lost
its memory, so each process renews then what it holds, which writes it down again.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from uuid import uuid4

from ..core import keys
from ..core.shared import departure
from ..core.shared.row import SharedLease
from ..errors import ConfigurationError
from ..interruption import must_pass
from ..ports import ServiceFault
from ..rows import Row, Seen, StoreFault
from . import heartbeat
from .agenda import Errand
from .execution import is_of_lease
from .registry import Registry
from .shared_lessor import SharedLessor

EVERY, EVERY_OF_A_FLEET = 10.0, heartbeat.EVERY  # seconds between two sweeps of a store
A_MOMENT = 0.5  # seconds between two sweeps where many processes start at once
KEPT = 7 * 86_400.0


class Swept(NamedTuple):
    """The rows of leases that a sweep met, by what became of them. Those that time had settled are not among them."""

    released: int = 0
    kept: int = 0
    failed: int = 0
    reasons: tuple[str, ...] = ()
    """Why some failed, each said once."""
    names: frozenset[str] = frozenset()
    """The entitlements of which units went back."""

    def plus(self, other: Swept) -> Swept:
        """Return what two sweeps met."""
        reasons = tuple(dict.fromkeys(self.reasons + other.reasons))
        released, kept, failed = (mine + theirs for mine, theirs in zip(self[:3], other[:3], strict=True))
        return Swept(released, kept, failed, reasons, self.names | other.names)


class Sweep:
    """The sweeps of one guard.

    :param tidy: takes the dead out of the line of those who wait, and tells the others of which entitlements units
        went back.
    """

    def __init__(self, lessor: SharedLessor, registry: Registry, tidy: Callable[[frozenset[str]], None]) -> None:
        self._lessor = lessor
        self._registry = registry
        self._tidy = tidy
        self._last: Seen | None = None
        self._begun = 0.0  # when this guard first looked, by the store's clock
        self._errand = Errand(lambda: registry.returns.submit(self.run))
        self._every = EVERY_OF_A_FLEET if lessor.execution.store.is_fleet else EVERY

    def begin(self) -> None:
        """Sweep soon, on a worker, and again from time to time."""
        self._registry.renewal.remind(self._errand, 0.0)

    def run(self) -> None:
        """Sweep if it is time, leave what nobody rides on here, and have this done again."""
        soon = 0.0
        try:
            with contextlib.suppress(StoreFault, ConfigurationError):  # whoever calls a gate hears of it
                soon = self._look()
            self._lessor.leave_all(self._ridden)
        finally:
            if not self._registry.is_closed:
                self._registry.renewal.remind(self._errand, soon or self._every * (0.75 + random.random() / 2))

    def _ridden(self) -> set[bytes]:
        """Return the keys of what is held, is asked for, or may still be live."""
        busy, records = self._registry.is_busy, self._registry.all_records()
        held = {one.key for one in records if one.term is not None or one.is_unsure or busy(one)}
        return held.union(owed.key for owed in self._registry.exchange.returns.left())

    def _look(self) -> float:
        """Sweep if it is time. Returns the seconds after which a first sweep is due; zero where there was one."""
        execution = self._lessor.execution
        seen, last = execution.store.read(execution.mark), self._last
        self._last = seen
        if last is None:
            self._begun = seen.now
        elif seen.row is None or seen.epoch != last.epoch:
            heartbeat.confirm_all(self._registry)
        swept = _swept_at(seen.row)
        # a sweep from before this process began has not met all that those left who died before it began
        is_met = swept >= self._begun
        age, pause = seen.now - swept, self._every if is_met else A_MOMENT
        if 0 <= age < pause and not self._lessor.presence.knows_of_gone:
            return 0.0 if is_met else pause - age
        mark = Row(uuid4().hex[:16], repr(seen.now))
        won, self._last = execution.store.replace(execution.mark, seen.row.version if seen.row else "", mark, KEPT)
        if won:
            self._tidy(sweep(self._lessor).names)
        return 0.0


def sweep(lessor: SharedLessor, *, is_ours: bool = True) -> Swept:
    """Give back what dead processes left of one licence.

    :param is_ours: False where it is not the licence of this process's settings, for which nothing can be checked out.
    """
    fates: Counter[str] = Counter()
    reasons: dict[str, None] = {}
    names: set[str] = set()
    met: set[str] = set()
    others: set[str] = set()
    execution = lessor.execution
    for place, row in execution.store.rows(f"{execution.scope}/"):
        if not is_of_lease(place):
            others.add(place)
            continue
        try:
            lease = execution.read(row)
            met |= departure.owners(lease)
            fate = _fate(lessor, place, lease, is_ours=is_ours)
        except (ServiceFault, StoreFault, ConfigurationError) as problem:
            fate, reasons[str(problem)] = "failed", None
        except BaseException as problem:  # a hook of the client's may raise anything
            if must_pass(problem):
                raise
            fate, reasons[f"a hook of the client's failed ({type(problem).__name__})"] = "failed", None
        else:
            names |= _names(lease) if fate == "released" else set()
        fates[fate] += 1
    lessor.presence.note(met, others)
    return Swept(fates["released"], fates["kept"], fates["failed"], tuple(reasons), frozenset(names))


def _swept_at(mark: Row | None) -> float:
    try:
        return -math.inf if mark is None else float(mark.body)
    except ValueError:  # damaged: it is written anew
        return -math.inf


def _fate(lessor: SharedLessor, place: str, lease: SharedLease, *, is_ours: bool) -> str:
    execution = lessor.execution
    if not departure.has_dead(lease, lessor.presence.is_alive):
        return "kept"
    if execution.of(lease.key.encode("ascii")).carry_out(departure.reap(lessor.party(), is_ours=is_ours)):
        return "released"
    return "settled by time" if execution.store.read(place).row is None else "kept"


def _names(lease: SharedLease) -> set[str]:
    return {one.name for one in keys.decoded(lease.key.encode("ascii")).requirement}
