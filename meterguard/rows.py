"""Rows of a shared store: what several processes know of one lease, as text, and the port of whatever keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class StoreFault(Exception):
    """A shared store could not be read or written now; another attempt may fare better.

    The text is for people and holds no secret.
    """


class Row(NamedTuple):
    """One row: a text, and the version that its writer gave it."""

    version: str
    """Random, so that no two writes ever have the same one, also where the store lost its memory in between."""
    body: str
    """What the row says. There are tokens in it, so that no repr shows it."""

    def __repr__(self) -> str:
        return f"Row({self.version!r})"


class Seen(NamedTuple):
    """The state of a key at one moment."""

    row: Row | None
    """None where nothing is kept."""
    now: float
    """Seconds since the epoch by the store's clock, which all of its processes share."""
    epoch: str = ""
    """Another one once the store may have lost what was written last, as by a restart, a failover or a crash."""


class Written(NamedTuple):
    """The end of an attempt to write."""

    is_won: bool
    """False where somebody else was faster, and nothing was written."""
    seen: Seen
    """What is kept now."""


class SharedStore(Protocol):
    """Keeps rows for the processes of a host or a fleet. One row is one lease.

    * It has one way to write: replace a row if its version is still the one that was read.
    * Writing the same row again is no second write: an attempt whose reply was lost may be made again.
    * A write that ended with ``StoreFault`` may have been carried out: whoever goes on reads the row anew.
    * It may forget a row once the seconds have passed for which it was to be kept, and not before.
    * It knows nothing of what is in a row, and asks nobody.
    * Methods block, and may be called by many threads at once.
    * ``ConfigurationError`` says that somebody has to look after the store: it is damaged, of a newer version, at a
      place where it cannot be safe. ``StoreFault`` says that it cannot be had now.

    ``meterguard.testing.stores`` has the tests that hold every implementation to this.
    """

    is_fleet: bool
    """True where processes of several hosts may use it; False where one host does."""

    def read(self, key: str) -> Seen:
        """Return what is kept under a key: ASCII, at most 1,024 characters."""
        ...

    def replace(self, key: str, expected: str, row: Row | None, keep: float) -> Written:
        """Keep a row if what is kept has the version ``expected``; an empty text: if nothing is kept.

        :param row: None: keep nothing any more.
        :param keep: seconds after which the store may forget the row.
        """
        ...

    def rows(self, prefix: str) -> Iterable[tuple[str, Row]]:
        """Return the rows whose keys begin so. Those that are written meanwhile may be among them or not."""
        ...

    def describe(self) -> str:
        """Return where it is and how safe that is, for people and without a secret. Nothing is made for it."""
        ...

    def close(self) -> None:
        """Let go of connections and files. A later call opens them again."""
        ...

    def forget(self) -> None:
        """In a forked child: connections are the parent's, and no lock may be taken."""
        ...
