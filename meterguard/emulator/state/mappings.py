"""Tables of values that never change, which hold the service's state.

A table is a mapping. A change puts a new value in it, so a table can tell which rows have changed, and no change
escapes it. An emulator that keeps nothing has plain dictionaries for tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, TypeVar

__all__ = ("MakeTable", "Noted", "plain")

K = TypeVar("K")
V = TypeVar("V")

MakeTable = Callable[[str], MutableMapping[Any, Any]]
"""Returns the table of that name, with the rows that it holds from before."""


def plain(_name: str) -> dict[Any, Any]:
    """Return a table that lives as long as the process."""
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
        """Return whether any change was noted since the last `forget`."""
        return bool(self.set or self.gone)

    def forget(self) -> None:
        """Forget all changes that were noted."""
        self.set, self.gone = {}, {}
