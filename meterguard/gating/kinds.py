"""Kinds of callables, recognised through partials, methods and other wrappers."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from typing import Any, Literal

Kind = Literal["plain", "coroutine", "generator", "async generator", "dispatching"]
"""What a call gives; ``dispatching`` for what the implementation gives that is found at the call."""

_CO_ANY = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def of_function(fn: types.FunctionType) -> Kind:
    """Return the kind of a function that is written in Python."""
    flags = fn.__code__.co_flags
    if not flags & _CO_ANY:
        # not by its __dict__, which comes into being, and weighs 64 bytes, when somebody looks
        is_hinted = getattr(fn, "_is_coroutine", None) or getattr(fn, "_is_coroutine_marker", None)
        return _as_marked(fn) if is_hinted or getattr(fn, "dispatch", None) else "plain"
    if flags & inspect.CO_COROUTINE:
        return "coroutine"
    return "generator" if flags & inspect.CO_GENERATOR else "async generator"


def of(fn: object) -> Kind:
    """Return the kind of any callable."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if _is_async_dispatch(fn):
        return "coroutine"
    if not inspect.isroutine(fn):
        if _is_coroutine_function(fn):
            return "coroutine"
        fn = fn.__class__.__call__  # not type(fn): it may be a proxy, such as our own
    if inspect.isasyncgenfunction(fn):
        return "async generator"
    if inspect.isgeneratorfunction(fn):
        return "generator"
    return _as_marked(fn)


def implementation(fn: object, args: tuple[object, ...]) -> object:
    """Return what a ``functools.singledispatch`` function, maybe in a partial, will call with these arguments."""
    dispatching: Any = fn
    while isinstance(dispatching, functools.partial):
        dispatching, args = dispatching.func, (*dispatching.args, *args)
    found: object = dispatching.dispatch(args[0].__class__ if args else object)
    return found


def _as_marked(fn: Any) -> Kind:
    if _is_coroutine_function(fn):
        return "coroutine"
    return "dispatching" if _is_dispatching(fn) else "plain"


def _is_dispatching(fn: Any) -> bool:
    """Tell whether ``functools.singledispatch`` made it; what ``functools.wraps`` puts around that is none."""
    return hasattr(fn, "dispatch") and getattr(fn, "__globals__", None) is vars(functools)


def _is_coroutine_function(fn: Any) -> bool:
    """Return True also for a marked function: frameworks mark plain functions that return awaitables."""
    mark = getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)  # of Python 3.11
    return inspect.iscoroutinefunction(fn) or (mark is not None and getattr(fn, "_is_coroutine", None) is mark)


def _is_async_dispatch(fn: Any) -> bool:
    """Return True for the bound function that Django's ``method_decorator`` makes of an async view."""
    is_dispatch = getattr(fn, "__name__", None) == "dispatch"
    return is_dispatch and getattr(getattr(fn, "__self__", None), "view_is_async", False) is True
