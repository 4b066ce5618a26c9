"""Gates: checks in front of functions and blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Never, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakValueDictionary

from ..errors import ConfigurationError
from ..runtime.window import Window
from .barrier import Barrier, Fallback, agreed, deprecated
from .questions import Line, Terms

if TYPE_CHECKING:
    from ..core.requirements import Question
    from ..lease import Lease  # noqa: F401 - said in the type of the base class
    from .admission import Admission, Guard

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
S = TypeVar("S")
Items = TypeVar("Items", bound=AsyncIterator[object])
A_co = TypeVar("A_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
Work = Coroutine[Any, Any, R]

_windows: WeakValueDictionary[Any, Window] = WeakValueDictionary()


class Degrading(Protocol[S_co, A_co]):
    """A gate or draw with a fallback or default: what it decorates may return that instead.

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


class DegradingGate(Degrading[S_co, A_co], Protocol[S_co, A_co]):
    """A gate with a fallback or default."""

    def __and__(self, other: Gate, /) -> DegradingGate[S_co, A_co]: ...
    def __or__(self, other: Gate, /) -> DegradingGate[S_co, A_co]: ...


class Gate(Barrier["Lease"]):
    """A requirement to put in front of code: a decorator and a (sync and async) context manager.

    Made by :func:`requires_entitlement`. A gate is immutable, may be used many times, by any number
    of threads and tasks at once, and within itself. ``a & b`` checks both out together; ``a | b``
    tries one after the other.
    """

    __slots__ = ("_question", "_terms", "guard", "window")

    @property
    def passes(self) -> str:
        """The option that names the keyword."""
        return "pass_lease"

    @property
    def declaration(self) -> str:
        """The function that declares it."""
        return "requires_entitlement"

    def __init__(
        self,
        guard: Guard,
        terms: Terms,
        instead: Fallback | None = None,
        pass_lease: str | None = None,
    ) -> None:
        super().__init__(instead, pass_lease)
        self.guard = guard
        self._terms = terms
        self._question = terms.question((), {}) if terms.is_fixed() else None
        self.window = self._shared_window()
        self.outside = None if self.window is None else self.window.outside

    @property
    def alternatives(self) -> tuple[tuple[Line, ...], ...]:
        """The entitlements that it asks for, of which one line must be had as a whole."""
        return self._terms.alternatives

    def of(self, guard: Guard) -> Gate:
        """Return the same gate of another guard."""
        return Gate(guard, self._terms, self.instead, self.keyword)

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

    def question(self, /, *args: object, **kwargs: object) -> Question:
        """Return the question of a call with these arguments."""
        return self._terms.question(args, kwargs) if self._question is None else self._question

    def _shared_window(self) -> Window | None:
        """Return the window of all gates that want the same lease; None where each call has to be checked."""
        if self._question is None or self._terms.single or self.keyword is not None:
            return None
        key = (self.guard, self._question.alternatives, self._question.per)
        window = _windows.get(key)
        if window is None:
            window = _windows.setdefault(key, Window())
        return window

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
        mine, others, joined = self._terms, other._terms, f"gates joined by {sign}"
        same = {
            "guard": self.guard == other.guard,
            "hold": mine.single == others.single,
            "per": mine.per == others.per,
            "wait": mine.wait == others.wait,
        }
        for name, is_same in same.items():
            if not is_same:
                raise ConfigurationError(f"{joined} must have the same {name}=")
        on_unknown = agreed(mine.on_unknown, others.on_unknown, "on_unknown=", joined)
        return Gate(
            self.guard,
            Terms(alternatives, mine.single, mine.per, mine.wait, on_unknown),
            agreed(self.instead, other.instead, "fallback= or default=", joined),
            agreed(self.keyword, other.keyword, "pass_lease=", joined),
        )

    def __repr__(self) -> str:
        return f"<Gate {self._terms}>"
