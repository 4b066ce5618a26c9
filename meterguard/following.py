"""Listening to the default guard, whichever that is: the subscription goes on when another one takes its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .runtime import forking

if TYPE_CHECKING:
    from .events import Event
    from .guard import MeterGuard

_followers: tuple[Follower, ...] = ()


class Follower:
    """A subscriber, and the guards that it hears."""

    def __init__(self, callback: Callable[[Event], object]) -> None:
        self._callback = callback
        self._ends: dict[MeterGuard, Callable[[], None]] = {}

    @property
    def guards(self) -> list[MeterGuard]:
        """Those that it hears. One that was replaced is among them until it is closed, since it still has leases."""
        return list(self._ends)

    def hear(self, guard: MeterGuard) -> None:
        """Listen to this one too."""
        for closed in [one for one in self._ends if one._is_closed]:
            self._ends.pop(closed)()
        if guard not in self._ends:
            self._ends[guard] = guard.subscribe(self._callback)

    def begin(self, guard: MeterGuard | None = None) -> None:
        """Listen to this guard; None: to the default guard, also when another one takes its place."""
        global _followers
        from . import guard as home

        with forking.importing():  # the one lock that a forked child finds free
            if guard is None:
                _followers = (*_followers, self)
            current = guard or home._default
            if current is not None:
                self.hear(current)

    def end(self) -> None:
        """Hear no more. Idempotent."""
        global _followers
        with forking.importing():
            _followers = tuple(one for one in _followers if one is not self)
            while self._ends:
                self._ends.popitem()[1]()


def took_over(guard: MeterGuard | None) -> None:
    """There is another default guard; None: the one that the environment will make."""
    if guard is not None:
        for follower in _followers:
            follower.hear(guard)
