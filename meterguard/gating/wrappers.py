"""Wrappers: one for each kind of callable."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from . import kinds
from .entrance import Arguments, Entrance, Wrapper, passing_on
from .kinds import Kind
from .proxies import CountedFunction, GuardedCallable, GuardedFunction, note_barrier
from .registration import mark, refuse
from .streams import Opened, drive, iterated, iterated_async, relay

if TYPE_CHECKING:
    from .admission import Entered

_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


def guarded(gate: Entrance, fn: object) -> object:
    """Return ``fn`` behind ``gate``."""
    if type(fn) is types.FunctionType:
        kind = kinds.of_function(fn)
        _require_parameter(fn, gate)
        mark(fn)
        arguments = gate.wrappers.get(kind) or _arguments(gate, kind)
        return GuardedFunction(fn, *arguments) if len(arguments) > 1 else CountedFunction(fn, *arguments)
    other: Any = fn
    if isinstance(fn, classmethod | staticmethod):
        return type(other)(guarded(gate, other.__func__))
    refuse(fn, gate.declaration)
    _require_parameter(fn, gate)
    arguments = _arguments(gate, kinds.of(fn))
    if not isinstance(fn, GuardedFunction):
        return GuardedCallable(other, *arguments)
    return GuardedFunction(other, *arguments) if len(arguments) > 1 else CountedFunction(other, *arguments)


def _require_parameter(fn: Any, gate: Entrance) -> None:
    """Refuse a callable that cannot take the lease. One whose parameters are not certain is let through."""
    keyword = gate.keyword
    if keyword is None:
        return
    while isinstance(fn, GuardedCallable):  # it passes on what it is given
        fn = fn.__wrapped__
    # A signature that was set may leave out what a decorator takes for itself; so may that of another's wrapper.
    if hasattr(fn, "__signature__") or (hasattr(fn, "__wrapped__") and type(fn) is not types.FunctionType):
        return
    try:
        parameters = inspect.signature(fn, follow_wrapped=False).parameters
    except (TypeError, ValueError):
        return
    taken = {one.name for one in parameters.values() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    if keyword not in taken and not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        name = getattr(fn, "__qualname__", None) or f"a {type(fn).__name__}"
        raise ConfigurationError(f"{gate.passes}={keyword!r}: {name} has neither a parameter {keyword!r} nor **kwargs")


def _arguments(gate: Entrance, kind: Kind) -> Arguments:
    """Return the arguments of a proxy, but for the callable: the same for all of a kind."""
    made = gate.wrappers.get(kind)
    if made is None:
        wrapper = _itemized(gate, kind) if gate.is_itemized else _MAKERS[kind](gate)
        note_barrier(wrapper, gate)
        is_by_window = gate.outside is not None and kind in _BY_WINDOW
        made = gate.wrappers[kind] = (wrapper, gate.outside) if is_by_window else (wrapper,)
    return made


# A denial is answered outside the except block, so that what a fallback raises is not chained to it.


def _plain(gate: Entrance) -> Wrapper:
    enter, keyword = gate.enter, gate.keyword

    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        try:
            admission: Entered[object] | None = enter(*args, **kwargs)
        except _ANSWERS:
            if not gate.degrades:
                raise
            admission = None
        if admission is None:
            return gate.degraded(*args, **kwargs)
        try:
            passed = kwargs if keyword is None else passing_on(gate, kwargs, admission)
            return admission.hand_over(wrapped(*args, **passed))
        except BaseException:
            admission.fail()
            raise

    return cold


def _coroutine(gate: Entrance) -> Wrapper:
    async def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        try:
            admission: Entered[object] | None = await gate.aenter(*args, **kwargs)
        except _ANSWERS:
            if not gate.degrades:
                raise
            admission = None
        if admission is None:
            result = gate.degraded(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result
        try:
            return await admission.ahand_over(await wrapped(*args, **passing_on(gate, kwargs, admission)))
        except GeneratorExit:  # the coroutine is thrown away, and must not await
            admission.drop()
            raise
        except BaseException:
            await admission.afail()
            raise

    return cold


def _generator(gate: Entrance) -> Wrapper:
    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        try:
            admission: Entered[object] | None = gate.enter(*args, **kwargs)
        except _ANSWERS:
            if not gate.degrades:
                raise
            admission = None
        if admission is None:
            return (yield from iterated(gate.degraded(*args, **kwargs)))
        return (yield from drive(wrapped(*args, **passing_on(gate, kwargs, admission)), admission))

    return cold


def _async_generator(gate: Entrance) -> Wrapper:
    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        async def opening() -> Opened:
            try:
                admission: Entered[object] | None = await gate.aenter(*args, **kwargs)
            except _ANSWERS:
                if not gate.degrades:
                    raise
                admission = None
            if admission is None:
                return iterated_async(gate.degraded(*args, **kwargs)), None
            return wrapped(*args, **passing_on(gate, kwargs, admission)), admission

        return relay(opening)

    return cold


def _itemized(gate: Entrance, kind: Kind) -> Wrapper:
    from . import items  # which few programs need

    return items.wrapper(gate, kind)


def _dispatching(gate: Entrance) -> Wrapper:
    def cold(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        kind = kinds.of(kinds.implementation(wrapped, args))
        wrapper: Wrapper = _arguments(gate, kind)[0]
        return wrapper(wrapped, instance, args, kwargs)

    return cold


_MAKERS: dict[Kind, Callable[[Entrance], Wrapper]] = {
    "plain": _plain,
    "coroutine": _coroutine,
    "generator": _generator,
    "async generator": _async_generator,
    "dispatching": _dispatching,
}
_BY_WINDOW = ("plain", "coroutine", "dispatching")  # a call of another kind is work that may outlast the lease
