"""Decorating: the wrapper that each kind of callable needs, and what must not be wrapped."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import wrapt

from .errors import EntitlementDenied, EntitlementUnavailable
from .gates import NOT_GIVEN
from .streams import Opened, carry, iterated, iterated_async, outlasting, relay

if TYPE_CHECKING:
    from .gates import Gate, Held

    FunctionWrapper = wrapt.FunctionWrapper[..., Any]
else:
    FunctionWrapper = wrapt.FunctionWrapper  # older versions of wrapt have no types

_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


class GuardedCallable(FunctionWrapper):
    """A guarded callable that is copied as what it guards is, and found again by name when it is unpickled."""

    # Frameworks look for attributes that a view has not, at each request. This is what wrapt's own look-up begins with;
    # said here, a miss costs half, for Python knows it and goes on to __getattr__ without an exception.
    __getattribute__ = object.__getattribute__

    def __reduce_ex__(self, protocol: Any) -> str:
        name = getattr(self.__wrapped__, "__qualname__", None)
        if name is None:
            raise TypeError(f"cannot pickle a guarded {type(self.__wrapped__).__name__}: it has no name to be found by")
        return str(name)

    def __copy__(self) -> Any:
        import copy

        return self._around(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        return self._around(copy.deepcopy(self.__wrapped__, memo))

    def _around(self, copied: Any) -> Any:
        return self if copied is self.__wrapped__ else type(self)(copied, self._self_wrapper, self._self_enabled)


class GuardedFunction(GuardedCallable):
    """A guarded function. It binds as functions do, which is several times cheaper than wrapt's own binding."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


def guarded(gate: Gate, fn: Any) -> Any:
    """``fn`` behind ``gate``."""
    cls: type[GuardedCallable] = GuardedFunction
    if type(fn) is types.FunctionType:
        make = _maker_by_code(fn)
        setattr(fn, _MARK, id(fn))
    elif isinstance(fn, classmethod | staticmethod):
        return type(fn)(guarded(gate, fn.__func__))
    else:
        _refuse(fn)
        make = _maker(fn)
        if not isinstance(fn, GuardedFunction):
            cls = GuardedCallable
    wrapper = gate._wrappers.get(make)
    if wrapper is None:
        wrapper = gate._wrappers[make] = make(gate)
    if gate._outside is not None and make in (_plain, _coroutine):
        return cls(fn, wrapper, gate._outside)
    return cls(fn, wrapper)


# -- what was registered without its guard ----------------------------------------------------------

_MARK = "__meterguard__"  # holds the id of what was guarded, for functools.wraps and its kind copy attributes around


def is_bypassed(registered: Any) -> bool:
    """Whether a guard stands around something that a framework runs without it: it was put above the registration."""
    is_marked = False
    while registered is not None:
        registered = getattr(registered, "__func__", registered)
        while isinstance(registered, functools.partial):
            registered = registered.func
        if isinstance(registered, GuardedCallable):
            return False
        is_marked = is_marked or getattr(registered, "__dict__", {}).get(_MARK) == id(registered)
        registered = getattr(registered, "__wrapped__", None)
    return is_marked


def is_guarded(registered: Any) -> bool:
    """Whether a guard stands around something, at whatever depth."""
    while registered is not None:
        if isinstance(registered, GuardedCallable) or _MARK in getattr(registered, "__dict__", ()):
            return True
        registered = getattr(registered, "__wrapped__", None)
    return False


# -- wrappers, one a kind of callable --------------------------------------------------------------
#
# A denial is answered outside the except block, so that what a fallback raises is not chained to it.

Maker = Callable[["Gate"], Callable[..., Any]]


def _plain(gate: Gate) -> Callable[..., Any]:
    single = gate._hold == "call"

    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        try:
            held: Held | None = gate._enter(args, kwargs)
        except _ANSWERS:
            if gate._on_degrade is NOT_GIVEN:
                raise
            held = None
        if held is None:
            return gate._on_degrade(*args, **kwargs)
        try:
            result = wrapped(*args, **_given(gate, kwargs, held))
        except BaseException:
            held.release()
            raise
        if single:
            return carry(result, held)
        held.release()
        return result

    return cold


def _coroutine(gate: Gate) -> Callable[..., Any]:
    single = gate._hold == "call"

    async def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        try:
            held: Held | None = await gate._aenter(args, kwargs)
        except _ANSWERS:
            if gate._on_degrade is NOT_GIVEN:
                raise
            held = None
        if held is None:
            result = gate._on_degrade(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result
        try:
            result = await wrapped(*args, **_given(gate, kwargs, held))
            carried = outlasting(result, held) if single else None
        except GeneratorExit:  # the coroutine is thrown away, and must not await
            held.drop()
            raise
        except BaseException:
            await held.arelease()
            raise
        if carried is not None:
            return carried
        await held.arelease()
        return result

    return cold


def _generator(gate: Gate) -> Callable[..., Any]:
    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        try:
            held: Held | None = gate._enter(args, kwargs)
        except _ANSWERS:
            if gate._on_degrade is NOT_GIVEN:
                raise
            held = None
        if held is None:
            return (yield from iterated(gate._on_degrade(*args, **kwargs)))
        with held:
            return (yield from wrapped(*args, **_given(gate, kwargs, held)))

    return cold


def _async_generator(gate: Gate) -> Callable[..., Any]:
    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        async def opening() -> Opened:
            try:
                held: Held | None = await gate._aenter(args, kwargs)
            except _ANSWERS:
                if gate._on_degrade is NOT_GIVEN:
                    raise
                held = None
            if held is None:
                return iterated_async(gate._on_degrade(*args, **kwargs)), None
            return wrapped(*args, **_given(gate, kwargs, held)), held

        return relay(opening)

    return cold


def _given(gate: Gate, kwargs: dict[str, Any], held: Held) -> dict[str, Any]:
    return kwargs if gate._pass_lease is None else {**kwargs, gate._pass_lease: held.lease}


# -- kinds -----------------------------------------------------------------------------------------

_CO_ANY = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def _maker_by_code(fn: types.FunctionType) -> Maker:
    flags = fn.__code__.co_flags
    if not flags & _CO_ANY:
        return _coroutine if fn.__dict__ and _is_coroutine_function(fn) else _plain
    if flags & inspect.CO_COROUTINE:
        return _coroutine
    return _generator if flags & inspect.CO_GENERATOR else _async_generator


def _maker(fn: Any) -> Maker:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if _is_async_dispatch(fn):
        return _coroutine
    if not inspect.isroutine(fn):
        if _is_coroutine_function(fn):
            return _coroutine
        fn = fn.__class__.__call__  # not type(fn): it may be a proxy, such as our own
    if inspect.isasyncgenfunction(fn):
        return _async_generator
    if inspect.isgeneratorfunction(fn):
        return _generator
    return _coroutine if _is_coroutine_function(fn) else _plain


def _is_coroutine_function(fn: Any) -> bool:
    """Also one that is merely marked as such: frameworks mark plain functions that return awaitables."""
    mark = getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)  # of Python 3.11
    return inspect.iscoroutinefunction(fn) or (mark is not None and getattr(fn, "_is_coroutine", None) is mark)


def _is_async_dispatch(fn: Any) -> bool:
    """What Django's ``method_decorator`` decorates of an async view: a bound plain function that gives a coroutine."""
    is_dispatch = getattr(fn, "__name__", None) == "dispatch"
    return is_dispatch and getattr(getattr(fn, "__self__", None), "view_is_async", False) is True


# -- what must not be wrapped ----------------------------------------------------------------------

_REGISTERED = {
    # the guard above these would leave what they registered unguarded, silently
    ("celery.app.task", "Task"): "@app.task\n    @requires_entitlement(...)\n    def work(): ...",
    ("click", "Command"): "@click.command()\n    @requires_entitlement(...)\n    def command(): ...",
    ("typer", "Typer"): "@app.command()\n    @requires_entitlement(...)\n    def command(): ...",
    ("flask", "Flask"): "@app.route('/report')\n    @requires_entitlement(...)\n    def report(): ...",
    (
        "starlette.applications",
        "Starlette",
    ): "@app.get('/report')\n    @requires_entitlement(...)\n    def report(): ...",
}


def _refuse(fn: Any) -> None:
    if isinstance(fn, type):
        raise TypeError(
            f"{fn.__qualname__} is a class, whose other methods would stay unguarded: decorate the methods that need "
            "the entitlement (__init__ guards construction):\n\n"
            f"    class {fn.__name__}:\n        @requires_entitlement(...)\n        def work(self): ..."
        )
    for (module, name), order in _REGISTERED.items():
        registered = getattr(sys.modules.get(module), name, None)
        if registered is not None and isinstance(fn, registered):
            raise TypeError(
                f"{fn!r} is a {name} that is registered already, and would be run without the guard. "
                f"The guard goes next to the function:\n\n    {order}"
            )
    if not callable(fn):
        raise TypeError(f"an object of type {type(fn).__name__} cannot be guarded: {_instead(fn)}")


def _instead(fn: Any) -> str:
    if inspect.iscoroutine(fn):
        return "decorate the function that makes the coroutine, and call that"
    if isinstance(fn, property):
        return "put @property above the guard"
    return "decorate the function"
