"""A shared store: rows, and the time that it takes to read and write them."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from meterguard.core.shared.row import SharedLease
from meterguard.rows import StoreFault

from .loop import Loop, Steps
from .measures import Measures
from .outages import Outage

ROW, HOLDER = 600, 160  # bytes of a row's text: of a lease, and of each process that rides on it
PATIENCE = 2.0  # seconds after which a store that has too much to do is taken for one that cannot be had
DECODED = 100e6  # bytes of a row that a process turns into values in a second


@dataclass(frozen=True)
class Kind:
    """A kind of store, in round numbers."""

    name: str
    trip: float
    """Seconds of a round trip."""
    look: float
    """Seconds for which a read, or a write that comes too late, keeps the others waiting."""
    write: float
    """Seconds for which a write does."""
    read: float
    """Bytes of one row that are read in a second."""
    written: float
    """Bytes of one row that are written in a second."""
    lost: float
    """Bytes of one row that come too late, in a second."""
    largest: int = 512_000_000
    """Bytes of a row, at most."""


SQLITE = Kind("SQLite", 0.0001, 0.00005, 0.001, 500e6, 50e6, 500e6)
REDIS = Kind("Redis", 0.0005, 0.00002, 0.00002, 500e6, 500e6, 500e6)
POSTGRESQL = Kind("PostgreSQL", 0.001, 0.0001, 0.001, 200e6, 50e6, 200e6)
DYNAMODB = Kind("DynamoDB", 0.005, 0.0003, 0.001, 12e6, 1e6, 1e6, 400_000)
"""An item is written at 1 kB a unit and 1,000 units a second, in vain too, and read at 4 kB and 3,000."""


@dataclass(frozen=True)
class Kept:
    """A row as it is kept."""

    version: str
    row: SharedLease


BLANK = Kept("", SharedLease(""))


class Store:
    """Rows of one lease each, one operation at a time."""

    def __init__(self, loop: Loop, measures: Measures, dice: random.Random, kind: Kind) -> None:
        self._loop = loop
        self._measures = measures
        self._dice = dice
        self.kind = kind
        self.outage = Outage(loop)
        self.kept = BLANK
        self._free_at = 0.0
        self._numbers = itertools.count(1)

    def read(self) -> Steps[Kept]:
        """Return what is kept."""
        yield from self._arrive()
        kept = self.kept
        yield self._done(self.kind.look + size(kept.row) / self.kind.read) + self._back(kept)
        return kept

    def replace(self, version: str, row: SharedLease) -> Steps[tuple[bool, Kept]]:
        """Keep another row if the version is still this one. Returns whether it is, and what is kept now."""
        yield from self._arrive()
        if size(row) > self.kind.largest:
            yield self._back(BLANK)
            raise StoreFault("the row is too large")
        is_won = version == self.kept.version
        if is_won:
            kept = self.kept = BLANK if row.is_blank else Kept(str(next(self._numbers)), row)
            yield self._done(self.kind.write + size(row) / self.kind.written) + self._back(BLANK)
            return True, kept
        kept = self.kept
        yield self._done(self.kind.look + size(row) / self.kind.lost) + self._back(kept)
        return False, kept

    def _arrive(self) -> Steps[None]:
        """Take the way there. What comes before has its effect before, though its answer may take time."""
        self._measures.trips.add()
        way = self.kind.trip / 2 * (0.75 + self._dice.random() / 2)
        yield way
        if self.outage.strikes():
            yield way
            raise StoreFault("it is away")
        if self._free_at > self._loop.now + PATIENCE:
            yield PATIENCE
            raise StoreFault("it has too much to do")

    def _done(self, takes: float) -> float:
        """Return the seconds until an operation is done that takes so many, once those before it are."""
        self._free_at = max(self._loop.now, self._free_at) + takes
        return self._free_at - self._loop.now

    def _back(self, kept: Kept) -> float:
        return self.kind.trip / 2 + size(kept.row) / DECODED


def size(row: SharedLease) -> int:
    """Return the bytes of a row's text, about."""
    return ROW + HOLDER * len(row.holders)
