"""Gates: may this run?"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from types import FrameType
from typing import TYPE_CHECKING, Any, Never, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakValueDictionary

from .core.requirements import Ask, Requirement, entitlement, shown, together
from .errors import ConfigurationError
from .model import Entitlement
from .reasons import OnUnknown
from .runtime import forking
from .runtime.window import Window

if TYPE_CHECKING:
    from typing_extensions import deprecated

    from .guard import MeterGuard
    from .lease import Lease
    from .runtime.engine import Admission, Engine
    from .runtime.fleet import Wait
else:

    def deprecated(_: str) -> Any:
        """What the checkers read; there is nothing to see when it runs."""
        return lambda fn: fn


F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
S = TypeVar("S")
Items = TypeVar("Items", bound=AsyncIterator[Any])
A_co = TypeVar("A_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)


class _NotGiven:
    def __repr__(self) -> str:
        return "..."


NOT_GIVEN: Any = _NotGiven()

Line = tuple[Any, Any, Any]
"""Name, value and unit of one entitlement, whose value is a callable."""

_windows: WeakValueDictionary[Any, Window] = WeakValueDictionary()
_entered: contextvars.ContextVar[tuple[Held, ...]] = contextvars.ContextVar("meterguard_entered", default=())


class Held:
    """One call that was let through, until it is over."""

    __slots__ = ("_admission", "_engine")

    def __init__(self, engine: Engine, admission: Admission) -> None:
        self._engine = engine
        self._admission: Admission | None = admission

    @property
    def admission(self) -> Admission:
        """How the call was let through."""
        if self._admission is None:
            raise RuntimeError("the call is over")
        return self._admission

    @property
    def lease(self) -> Lease:
        """What the call runs under."""
        return self.admission.lease

    def release(self, *, probing: bool = False) -> None:
        """The call is over; a seat of its own is back at the service when this returns. Idempotent."""
        wait = self.drop(probing=probing)
        if wait is not None:
            from .runtime import doors

            doors.block(wait)

    async def arelease(self, *, probing: bool = False) -> None:
        """The same, without blocking the loop."""
        wait = self.drop(probing=probing)
        if wait is not None:
            from .runtime import doors

            await doors.pause(wait)

    def drop(self, *, probing: bool = False) -> Wait | None:
        """The same, for whoever cannot wait for it."""
        admission, self._admission = self._admission, None
        return None if admission is None else self._engine.release(admission, probing=probing)

    @property
    def is_over(self) -> bool:
        """Whether it was released."""
        return self._admission is None

    def __enter__(self) -> Lease:
        return self.lease

    def __exit__(self, *_: object) -> None:
        self.release()


# No checker can tell a class from a callable that makes one. The overloads for classes come first, and "deprecated"
# is the one error that an overload can raise by being chosen.


class DegradingGate(Protocol[S_co, A_co]):
    """A gate with a fallback or default: what it decorates may return that instead.

    ``A_co`` is what a coroutine function may return, ``S_co`` what any other one may: a coroutine, where the
    fallback is a coroutine function. Items that stand in for those of an async generator must be of their type.
    """

    @overload
    @deprecated("a class cannot be guarded: decorate its methods")
    def __call__(self, fn: type[Any], /) -> Never: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, Coroutine[Any, Any, R | A_co]]: ...
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
        "_alternatives",
        "_ask",
        "_guard",
        "_hold",
        "_hot",
        "_on_degrade",
        "_on_unknown",
        "_open",
        "_outside",
        "_pass_lease",
        "_per",
        "_wait",
        "_wrappers",
    )

    def __init__(
        self,
        alternatives: tuple[tuple[Entitlement | Line, ...], ...],
        guard: MeterGuard | None,
        hold: str,
        per: Any,
        wait: float,
        on_degrade: Any,
        on_unknown: OnUnknown | None,
        pass_lease: str | None,
    ) -> None:
        self._alternatives = alternatives
        self._guard = guard
        self._hold = hold
        self._per = per
        self._wait = wait
        self._on_degrade = on_degrade
        self._on_unknown = on_unknown
        self._pass_lease = pass_lease
        self._ask = self._static_ask()
        self._hot = self._window()
        self._outside = None if self._hot is None else self._hot.outside
        self._wrappers: dict[Any, Any] = {}
        self._open: dict[FrameType, list[Held]] = {}

    # -- what is asked ---------------------------------------------------------------------------

    def _static_ask(self) -> Ask | None:
        """The question, when it does not depend on the call."""
        lines = [line for alternative in self._alternatives for line in alternative]
        if not all(isinstance(line, Entitlement) for line in lines):
            return None
        if self._per is not None and not isinstance(self._per, str):
            return None
        return self._asked((), {})

    def _window(self) -> Window | None:
        """The hot path, shared by all gates that want the same lease; None where each call has to be looked at."""
        if self._ask is None or self._hold == "call" or self._pass_lease is not None:
            return None
        key = (self._guard, self._ask.alternatives, self._ask.per)
        hot = _windows.get(key)
        if hot is None:
            hot = _windows.setdefault(key, Window())
        return hot

    def _question(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Ask:
        return self._ask if self._ask is not None else self._asked(args, kwargs)

    def _asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Ask:
        alternatives = tuple(_evaluated(alternative, args, kwargs) for alternative in self._alternatives)
        per = _seat(self._per, args, kwargs)
        return Ask(tuple(dict.fromkeys(alternatives)), per, self._hold == "call", self._wait, self._on_unknown)

    def _enter(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Held:
        return self._owner()._enter(self._question(args, kwargs or {}), self._hot)

    async def _aenter(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Held:
        return await self._owner()._aenter(self._question(args, kwargs or {}), self._hot)

    def _is_open(self) -> bool:
        """Whether the next call is let through without a look, which is for those who need no lease from it."""
        return self._hot is not None and not self._hot.outside()

    def _owner(self) -> MeterGuard:
        if self._guard is not None:
            return self._guard
        with forking.importing():
            from .guard import get_guard
        return get_guard()

    # -- decorator -------------------------------------------------------------------------------

    @overload
    @deprecated("a class cannot be guarded: decorate its methods")
    def __call__(self, fn: type[Any], /) -> Never: ...
    @overload
    def __call__(self, fn: F, /) -> F: ...
    def __call__(self, fn: Any, /) -> Any:
        """Guard a function, method, class- or staticmethod, coroutine function or (async) generator."""
        return (_guarded or _loaded())(self, fn)

    # -- context manager -------------------------------------------------------------------------

    def __enter__(self) -> Lease:
        self._refuse_degrading()
        return self._entered(self._enter(), sys._getframe(1))

    def __exit__(self, *_: object) -> None:
        self._left(sys._getframe(1)).release()

    async def __aenter__(self) -> Lease:
        self._refuse_degrading()
        frame = sys._getframe(1)
        return self._entered(await self._aenter(), frame)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        held = self._left(sys._getframe(1))
        if kind is GeneratorExit:  # a coroutine that is thrown away must not await
            held.drop()
        else:
            await held.arelease()

    def _entered(self, held: Held, frame: FrameType) -> Lease:
        self._open.setdefault(frame, []).append(held)
        _entered.set((*(one for one in _entered.get() if not one.is_over), held))
        return held.lease

    def _left(self, frame: FrameType) -> Held:
        """What this ``with`` statement entered: both of its halves run in one frame, wherever a framework runs them."""
        while not (helds := self._open.pop(frame, [])):
            frame = self._entered_elsewhere()
        held = helds.pop()
        if helds:
            self._open[frame] = helds
        return held

    def _entered_elsewhere(self) -> FrameType:
        """For an ExitStack, whose halves are two frames: where this thread or task entered last, else anybody."""
        frames = {held: frame for frame, helds in list(self._open.items()) for held in helds}
        if not frames:
            raise RuntimeError("this gate is left more often than it was entered")
        mine = [held for held in _entered.get() if held in frames]
        return frames[mine[-1]] if mine else next(reversed(frames.values()))

    def _refuse_degrading(self) -> None:
        if self._on_degrade is not NOT_GIVEN:
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
        """Both, in one atomic checkout."""
        if not isinstance(other, Gate):
            return NotImplemented
        return self._joined(other, tuple((*a, *b) for a in self._alternatives for b in other._alternatives), "&")

    @overload
    def __or__(self, other: Gate, /) -> Gate: ...
    @overload
    def __or__(self, other: DegradingGate[S, A], /) -> DegradingGate[S, A]: ...
    def __or__(self, other: Any, /) -> Any:
        """This one, or else the other."""
        if not isinstance(other, Gate):
            return NotImplemented
        return self._joined(other, (*self._alternatives, *other._alternatives), "|")

    def _joined(self, other: Gate, alternatives: tuple[Any, ...], sign: str) -> Gate:
        for name in ("guard", "hold", "per", "wait"):
            if getattr(self, f"_{name}") != getattr(other, f"_{name}"):
                raise ConfigurationError(f"gates joined by {sign} must have the same {name}=")
        return Gate(
            alternatives,
            self._guard,
            self._hold,
            self._per,
            self._wait,
            _either(self._on_degrade, other._on_degrade, NOT_GIVEN, "fallback= or default=", sign),
            _either(self._on_unknown, other._on_unknown, None, "on_unknown=", sign),
            _either(self._pass_lease, other._pass_lease, None, "pass_lease=", sign),
        )

    def __repr__(self) -> str:
        return f"<Gate {' or '.join(_shown(alternative) for alternative in self._alternatives)}>"


_guarded: Callable[[Gate, Any], Any] | None = None


def _loaded() -> Callable[[Gate, Any], Any]:
    global _guarded
    from .decorators import guarded

    _guarded = guarded
    return guarded


def _either(mine: Any, other: Any, absent: Any, what: str, sign: str) -> Any:
    if mine is absent or mine is other or mine == other:
        return other
    if other is absent:
        return mine
    raise ConfigurationError(f"gates joined by {sign} must not differ in {what}")


def _evaluated(
    alternative: tuple[Entitlement | Line, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Requirement:
    return together(
        line if isinstance(line, Entitlement) else entitlement(line[0], line[1](*args, **kwargs), line[2])
        for line in alternative
    )


def _shown(alternative: tuple[Entitlement | Line, ...]) -> str:
    return " and ".join(
        shown((line,)) if isinstance(line, Entitlement) else f"{line[0]} (computed)" for line in alternative
    )


def _seat(per: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    if per is None:
        return None
    if isinstance(per, str):
        seat: Any = per
    elif isinstance(per, contextvars.ContextVar):
        seat = _value_of(per)
    else:
        seat = per(*args, **kwargs)
    try:
        hash(seat)
    except TypeError:
        raise ConfigurationError(
            f"per= gave a {type(seat).__name__}, which cannot be told apart from others: give an id"
        ) from None
    # distinct from the guard's own scope, whatever the value is
    return ("per", seat)


def _value_of(variable: contextvars.ContextVar[Any]) -> Any:
    try:
        return variable.get()
    except LookupError:
        raise ConfigurationError(
            f"per={variable.name!r} is a ContextVar that is not set here: set it before the call"
        ) from None
