"""Stores of this process's own leases, as the runtime needs them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, Self, TypeVar


class Versioned(Protocol):
    """A frozen state in a lease store, which knows no more of it than this."""

    @property
    def version(self) -> int:
        """The version of the row that it was read from; 0 when there was none."""
        ...

    @property
    def is_idle(self) -> bool:
        """True when a store that is full may forget it."""
        ...

    @property
    def is_blank(self) -> bool:
        """True when it need not be kept at all."""
        ...

    def stamped(self, version: int) -> Self:
        """Return it under a version."""
        ...


StateT = TypeVar("StateT", bound=Versioned)
KeyT = TypeVar("KeyT", bound=Hashable)


class LeaseStore(Protocol[StateT]):
    """Keeps one state a key, for a process, a host or a fleet.

    * It has one way to write: replace a state if nobody has replaced it since it was read.
    * It gives each state its version. The versions of a key only grow, also where the key was forgotten in between.
    * It is bounded: over its bound it forgets idle states, those first that were not written for longest. It never
      forgets another, and goes over the bound instead. A blank state is not kept.

    One suite of tests holds every implementation to this: ``tests/contracts``.
    """

    def get(self, key: bytes) -> StateT | None:
        """Return the state kept under this key, with its version; None when there is none."""
        ...

    def replace(self, key: bytes, state: StateT) -> StateT | None:
        """Keep the state if what is kept still has its version (0: nothing is kept), and return it with its new one.

        A blank state comes back with version 0. None means that somebody else was faster, and nothing was written.
        """
        ...

    def __len__(self) -> int:
        """Return how many states are kept."""
        ...


class DenialMemory(Protocol[KeyT]):
    """Denials, each remembered for a while."""

    def recall(self, key: KeyT) -> Exception | None:
        """Return the denial remembered under this key, if it is recent enough."""
        ...

    def remember(self, key: KeyT, denial: Exception) -> None:
        """Remember it."""
        ...

    def forget(self, matches: Callable[[KeyT], bool]) -> None:
        """Forget the denials whose key matches."""
        ...
