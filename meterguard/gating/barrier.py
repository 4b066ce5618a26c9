"""Barriers: what gates, draws and meters have in common. A barrier is a decorator and a context manager."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, overload

from ..errors import ConfigurationError
from .contexts import Contexts

if TYPE_CHECKING:
    from typing_extensions import deprecated as deprecated  # noqa: PLC0414 - for gates, too

    from .admission import Entered
    from .entrance import Entrance
    from .kinds import Kind
    from .questions import Line
else:

    def deprecated(_: str) -> Any:
        """Stand in for what only type checkers read."""
        return lambda fn: fn


F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H")
Fallback = Callable[..., object]

# No checker can tell a class from a callable that makes one. The overloads for classes come first, and "deprecated"
# is the one error that an overload can raise by being chosen.


class Barrier(ABC, Generic[H]):
    """Something to put in front of code: ``H`` is what the code gets that runs behind it."""

    __slots__ = ("__weakref__", "_contexts", "instead", "is_itemized", "keyword", "outside", "wrappers")

    def __init__(self, instead: Fallback | None, keyword: str | None, *, is_itemized: bool = False) -> None:
        self.instead = instead
        self.keyword = keyword
        self.outside: Callable[[], bool] | None = None
        self.is_itemized = is_itemized
        self.wrappers: dict[Kind, tuple[Any, ...]] = {}
        self._contexts = Contexts()

    @property
    @abstractmethod
    def passes(self) -> str:
        """The option that names the keyword under which the code gets it."""

    @property
    @abstractmethod
    def declaration(self) -> str:
        """The name of the function that declares it."""

    @property
    @abstractmethod
    def alternatives(self) -> tuple[tuple[Line, ...], ...]:
        """The entitlements that it asks for, of which one line must be had as a whole; none where it asks nobody."""

    @abstractmethod
    def enter(self, /, *args: object, **kwargs: object) -> Entered[H]:
        """Let a call with these arguments through, or raise why not."""

    @abstractmethod
    async def aenter(self, /, *args: object, **kwargs: object) -> Entered[H]:
        """:meth:`enter` without blocking the loop."""

    @abstractmethod
    def check(self, /, *args: object, **kwargs: object) -> None:
        """Raise the error that :meth:`enter` would raise. Leaves no unit taken."""

    @abstractmethod
    async def acheck(self, /, *args: object, **kwargs: object) -> None:
        """:meth:`check` without blocking the loop."""

    @property
    def degrades(self) -> bool:
        """True with ``fallback=`` or ``default=``."""
        return self.instead is not None

    def degraded(self, /, *args: object, **kwargs: object) -> object:
        """Return the result that stands in for that of a call which was not let through."""
        if self.instead is None:
            raise RuntimeError("there is no fallback= or default=")
        return self.instead(*args, **kwargs)

    # -- decorator -------------------------------------------------------------------------------

    @overload
    @deprecated("a class cannot be guarded: decorate its methods")
    def __call__(self, fn: type[object], /) -> Never: ...
    @overload
    def __call__(self, fn: F, /) -> F: ...
    def __call__(self, fn: object, /) -> object:
        """Guard a function, method, class- or staticmethod, coroutine function or (async) generator."""
        return (_guarded or _loaded())(self, fn)

    # -- context manager -------------------------------------------------------------------------

    def __enter__(self) -> H:
        self._refuse_in_with()
        entered = self.enter()
        self._contexts.enter(entered, sys._getframe(1))
        return entered.passed

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._contexts.leave(sys._getframe(1)).__exit__(kind)

    async def __aenter__(self) -> H:
        self._refuse_in_with()
        frame = sys._getframe(1)
        entered = await self.aenter()
        self._contexts.enter(entered, frame)
        return entered.passed

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        entered = self._contexts.leave(sys._getframe(1))
        if kind is None:
            await entered.arelease()
        elif kind is GeneratorExit:  # a coroutine that is thrown away must not await
            entered.drop()
        else:
            await entered.afail()

    def _refuse_in_with(self) -> None:
        if self.is_itemized:
            raise ConfigurationError(
                "per_item=True charges the items of a decorated generator; a with statement has none: leave it out"
            )
        if self.degrades:
            raise ConfigurationError(
                "fallback= and default= say what a decorated function returns instead; a with statement returns "
                "nothing: catch EntitlementDenied and EntitlementUnavailable around it"
            )


_guarded: Callable[[Entrance, object], object] | None = None


def _loaded() -> Callable[[Entrance, object], object]:
    global _guarded
    from .wrappers import guarded

    _guarded = guarded
    return guarded


def agreed(mine: Any, other: Any, what: str, joined: str) -> Any:
    """Return what two joined declarations say, where at most one says something or both say the same.

    :raises ConfigurationError: they differ.
    """
    if mine is None or mine is other or mine == other:
        return other
    if other is None:
        return mine
    raise ConfigurationError(f"{joined} must not differ in {what}")
