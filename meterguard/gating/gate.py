"""Gates: checks in front of functions and blocks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Never, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakValueDictionary

from ..errors import ConfigurationError
from ..runtime.window import Window
from .contexts import Contexts
from .questions import Terms

if TYPE_CHECKING:
    from typing_extensions import deprecated

    from ..core.requirements import Question
    from ..lease import Lease
    from .admission import Admission, Guard
    from .kinds import Kind
else:

    def deprecated(_: str) -> Any:
        """Stand in for what only type checkers read."""
        return lambda fn: fn


F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
S = TypeVar("S")
Items = TypeVar("Items", bound=AsyncIterator[object])
A_co = TypeVar("A_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
Fallback = Callable[..., object]
Work = Coroutine[Any, Any, R]

_windows: WeakValueDictionary[Any, Window] = WeakValueDictionary()


# No checker can tell a class from a callable that makes one. The overloads for classes come first, and "deprecated"
# is the one error that an overload can raise by being chosen.


class DegradingGate(Protocol[S_co, A_co]):
    """A gate with a fallback or default: what it decorates may return that instead.

    ``A_co`` is what a coroutine function may return, ``S_co`` what any other one may: a coroutine, where the
    fallback is a coroutine function. Items that stand in for those of an async generator must be of their type.
    """

    @overload
    @deprecated("a class cannot be guarded: decorate its methods")
    def __call__(self, fn: type[object], /) -> Never: ...
    @overload
    def __call__(self, fn: Callable[P, Work[R]], /) -> Callable[P, Work[R | A_co]]: ...
    @overload
    def __call__(self, fn: Callable[P, Items], /) -> Callable[P, Items]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R | S_co]: ...
    def __and__(self, other: Gate, /) -> DegradingGate[S_co, A_co]: ...
    def __or__(self, other: Gate, /) -> DegradingGate[S_co, A_co]: ...


class Gate:
    """A requirement to put in front of code: a decorator and a (sync and async) context manager.

    Made by :func:`requires_entitlement`. A gate is immutable, may be used many times, by any number
    of threads and tasks at once, and within itself. ``a & b`` checks both out together; ``a | b``
    tries one after the other.
    """

    __slots__ = (
        "__weakref__",
        "_contexts",
        "_instead",
        "_question",
        "_terms",
        "guard",
        "outside",
        "pass_lease",
        "window",
        "wrappers",
    )

    def __init__(
        self,
        guard: Guard,
        terms: Terms,
        instead: Fallback | None = None,
        pass_lease: str | None = None,
    ) -> None:
        self.guard = guard
        self._terms = terms
        self._instead = instead
        self.pass_lease = pass_lease
        self._question = terms.question((), {}) if terms.is_fixed() else None
        self.window = self._shared_window()
        self.outside = None if self.window is None else self.window.outside
        self.wrappers: dict[Kind, tuple[Any, ...]] = {}
        self._contexts = Contexts()

    # -- entering --------------------------------------------------------------------------------

    def enter(self, /, *args: object, **kwargs: object) -> Admission:
        """Let a call with these arguments through, or raise why not.

        Give the admission back when the call is over: ``admission.hand_over(result)``, or ``admission.release()``.

        :raises EntitlementDenied: the licence does not cover it.
        :raises EntitlementUnavailable: the service could not be asked, and policy says no.
        :raises ConfigurationError: the set-up is wrong, or a callable of the declaration gave a wrong value.
        """
        return self.guard.admit(self.question(*args, **kwargs), self.window)

    async def aenter(self, /, *args: object, **kwargs: object) -> Admission:
        """:meth:`enter` without blocking the loop."""
        return await self.guard.aadmit(self.question(*args, **kwargs), self.window)

    def check(self, /, *args: object, **kwargs: object) -> None:
        """Raise the error that :meth:`enter` would raise. Leaves no unit taken."""
        self.guard.admit(self.question(*args, **kwargs), probing=True).release(probing=True)

    async def acheck(self, /, *args: object, **kwargs: object) -> None:
        """:meth:`check` without blocking the loop."""
        admission = await self.guard.aadmit(self.question(*args, **kwargs), probing=True)
        await admission.arelease(probing=True)

    def is_open(self) -> bool:
        """Tell whether the next call may go through without a look: a lease is held, and the call needs nothing of it.

        Cheap enough to be asked for every request.
        """
        return self.window is not None and not self.window.outside()

    @property
    def degrades(self) -> bool:
        """True with ``fallback=`` or ``default=``."""
        return self._instead is not None

    def degraded(self, /, *args: object, **kwargs: object) -> object:
        """Return the result that stands in for that of a call which was not let through."""
        if self._instead is None:
            raise RuntimeError("this gate has no fallback= or default=")
        return self._instead(*args, **kwargs)

    def question(self, /, *args: object, **kwargs: object) -> Question:
        """Return the question of a call with these arguments."""
        return self._terms.question(args, kwargs) if self._question is None else self._question

    def _shared_window(self) -> Window | None:
        """Return the window of all gates that want the same lease; None where each call has to be checked."""
        if self._question is None or self._terms.single or self.pass_lease is not None:
            return None
        key = (self.guard, self._question.alternatives, self._question.per)
        window = _windows.get(key)
        if window is None:
            window = _windows.setdefault(key, Window())
        return window

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

    def __enter__(self) -> Lease:
        self._refuse_degrading()
        admission = self.enter()
        self._contexts.enter(admission, sys._getframe(1))
        return admission.lease

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._contexts.leave(sys._getframe(1)).__exit__(kind)

    async def __aenter__(self) -> Lease:
        self._refuse_degrading()
        frame = sys._getframe(1)
        admission = await self.aenter()
        self._contexts.enter(admission, frame)
        return admission.lease

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        admission = self._contexts.leave(sys._getframe(1))
        if kind is GeneratorExit:  # a coroutine that is thrown away must not await
            admission.drop()
        else:
            await admission.arelease()

    def _refuse_degrading(self) -> None:
        if self.degrades:
            raise ConfigurationError(
                "fallback= and default= say what a decorated function returns instead; a with statement returns "
                "nothing: catch EntitlementDenied and EntitlementUnavailable around it"
            )

    # -- algebra ---------------------------------------------------------------------------------

    @overload
    def __and__(self, other: Gate, /) -> Gate: ...
    @overload
    def __and__(self, other: DegradingGate[S, A], /) -> DegradingGate[S, A]: ...
    def __and__(self, other: Any, /) -> Any:
        """Join two gates: both, in one atomic checkout."""
        if not isinstance(other, Gate):
            return NotImplemented
        mine, others = self._terms.alternatives, other._terms.alternatives
        return self._joined(other, tuple((*a, *b) for a in mine for b in others), "&")

    @overload
    def __or__(self, other: Gate, /) -> Gate: ...
    @overload
    def __or__(self, other: DegradingGate[S, A], /) -> DegradingGate[S, A]: ...
    def __or__(self, other: Any, /) -> Any:
        """Join two gates: this one, or else the other."""
        if not isinstance(other, Gate):
            return NotImplemented
        return self._joined(other, (*self._terms.alternatives, *other._terms.alternatives), "|")

    def _joined(self, other: Gate, alternatives: tuple[Any, ...], sign: str) -> Gate:
        mine, others = self._terms, other._terms
        same = {
            "guard": self.guard == other.guard,
            "hold": mine.single == others.single,
            "per": mine.per == others.per,
            "wait": mine.wait == others.wait,
        }
        for name, is_same in same.items():
            if not is_same:
                raise ConfigurationError(f"gates joined by {sign} must have the same {name}=")
        on_unknown = _either(mine.on_unknown, others.on_unknown, "on_unknown=", sign)
        return Gate(
            self.guard,
            Terms(alternatives, mine.single, mine.per, mine.wait, on_unknown),
            _either(self._instead, other._instead, "fallback= or default=", sign),
            _either(self.pass_lease, other.pass_lease, "pass_lease=", sign),
        )

    def __repr__(self) -> str:
        return f"<Gate {self._terms}>"


_guarded: Callable[[Gate, object], object] | None = None


def _loaded() -> Callable[[Gate, object], object]:
    global _guarded
    from .wrappers import guarded

    _guarded = guarded
    return guarded


def _either(mine: Any, other: Any, what: str, sign: str) -> Any:
    if mine is None or mine is other or mine == other:
        return other
    if other is None:
        return mine
    raise ConfigurationError(f"gates joined by {sign} must not differ in {what}")
