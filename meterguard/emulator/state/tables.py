"""Where the service's state lives: tables of values that never change.

A table is a mapping. What changes is put in it anew, so a table can tell what has changed, and nothing that
changes escapes it. An emulator that keeps nothing has plain dictionaries for tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, TypeVar

__all__ = ("MakeTable", "Noted", "plain")

K = TypeVar("K")
V = TypeVar("V")

MakeTable = Callable[[str], MutableMapping[Any, Any]]
"""The table of that name, with what it holds from before."""


def plain(_name: str) -> dict[Any, Any]:
    """A table that lives as long as the process."""
    return {}


class Noted(MutableMapping[K, V]):
    """A table that notes which of its rows have changed."""

    def __init__(self, rows: Iterable[tuple[K, V]] = ()) -> None:
        self._rows = dict(rows)
        self.set: dict[K, None] = {}
        """The keys whose rows are new or other than before; new ones in the order in which the table has them."""
        self.gone: dict[K, None] = {}
        """The keys that were deleted; one that came back is also in ``set``."""

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._rows[key] = value
        self.set[key] = None

    def __delitem__(self, key: K) -> None:
        del self._rows[key]
        self.set.pop(key, None)
        self.gone[key] = None

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def has_changed(self) -> bool:
        """True when anything was noted since the last `forget`."""
        return bool(self.set or self.gone)

    def forget(self) -> None:
        """Count the table as it is now as unchanged."""
        self.set, self.gone = {}, {}
