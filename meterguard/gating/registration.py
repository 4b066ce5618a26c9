"""Registration with frameworks: guards that a framework bypasses, and objects that must not be guarded."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Iterator

from .proxies import GuardedCallable


class GuardedReference(weakref.ref[types.FunctionType]):
    """Says that a function has a guard around it. It is found from the function, and weighs less than an attribute."""

    __slots__ = ()


_marks: list[GuardedReference] = []  # keeps them
_most = 1000  # of them before the dead are looked for
_looking = threading.Lock()


def mark(fn: types.FunctionType) -> None:
    """Note that a guard stands around a function, for when the guard itself is lost."""
    for one in weakref.getweakrefs(fn):
        if type(one) is GuardedReference:
            return
    _marks.append(GuardedReference(fn))
    if len(_marks) > _most:
        _forget_the_dead()


def _forget_the_dead() -> None:
    global _most
    if _looking.acquire(blocking=False):
        try:
            count = len(_marks)  # others are added behind these meanwhile
            _marks[:count] = [one for one in _marks[:count] if one() is not None]
            _most = 2 * len(_marks) + 1000
        finally:
            _looking.release()


def unmark(fn: types.FunctionType) -> None:
    """Forget that a guard stands around a function: there is none any more."""
    with _looking:
        _marks[:] = [one for one in _marks if one() is not fn]


def is_marked(fn: object) -> bool:
    """Tell whether it was noted of something that a guard stands around it."""
    return GuardedReference in map(type, weakref.getweakrefs(fn))


def is_bypassed(registered: object) -> bool:
    """Tell whether a framework runs something without the guard around it: the guard stands above the registration."""
    has_mark = False
    while registered is not None:
        registered = getattr(registered, "__func__", registered)
        while isinstance(registered, functools.partial):
            registered = registered.func
        if isinstance(registered, GuardedCallable):
            return False
        has_mark = has_mark or is_marked(registered)
        registered = getattr(registered, "__wrapped__", None)
    return has_mark


def barriers(registered: object) -> Iterator[object]:
    """Yield the gates, draws and meters that a callable runs behind, the outermost first."""
    while registered is not None:
        registered = getattr(registered, "__func__", registered)
        while isinstance(registered, functools.partial):
            registered = registered.func
        if isinstance(registered, GuardedCallable):
            yield GuardedCallable.barrier(registered)
        registered = getattr(registered, "__wrapped__", None)


def is_guarded(registered: object) -> bool:
    """Tell whether a guard stands around something, at whatever depth."""
    while registered is not None:
        if isinstance(registered, GuardedCallable) or is_marked(registered):
            return True
        registered = getattr(registered, "__wrapped__", None)
    return False


# -- what must not be guarded ------------------------------------------------------------------------

_REGISTERED = {
    # the guard above these would leave what they registered unguarded, silently
    ("celery.app.task", "Task"): "@app.task\n    @{declaration}(...)\n    def work(): ...",
    ("click", "Command"): "@click.command()\n    @{declaration}(...)\n    def command(): ...",
    ("typer", "Typer"): "@app.command()\n    @{declaration}(...)\n    def command(): ...",
    ("flask", "Flask"): "@app.route('/report')\n    @{declaration}(...)\n    def report(): ...",
    # what FastMCP's decorator returns where it is told to return an object
    ("fastmcp.tools.base", "Tool"): "@server.tool\n    @{declaration}(...)\n    def report(): ...",
    (
        "starlette.applications",
        "Starlette",
    ): "@app.get('/report')\n    @{declaration}(...)\n    def report(): ...",
}


def refuse(fn: object, declaration: str) -> None:
    """Raise a TypeError that shows the right order, where a guard of this declaration around ``fn`` would be wrong."""
    if isinstance(fn, type):
        raise TypeError(
            f"{fn.__qualname__} is a class, whose other methods would stay unguarded: decorate the methods that need "
            "the entitlement (__init__ guards construction):\n\n"
            f"    class {fn.__name__}:\n        @{declaration}(...)\n        def work(self): ..."
        )
    for (module, name), order in _REGISTERED.items():
        registered = getattr(sys.modules.get(module), name, None)
        if registered is not None and isinstance(fn, registered):
            raise TypeError(
                f"{fn!r} is a {name} that is registered already, and would be run without the guard. "
                f"The guard goes next to the function:\n\n    {order.format(declaration=declaration)}"
            )
    if not callable(fn):
        raise TypeError(f"an object of type {type(fn).__name__} cannot be guarded: {_instead(fn)}")


# What runs the function that was registered, where it can be replaced.
_RUNS = {"Task": "run", "Command": "callback"}


def registered_kind(fn: object) -> tuple[str, str | None] | None:
    """Return the kind of what a framework has registered, and the attribute with its function. None: it is no such."""
    for module, name in _REGISTERED:
        registered = getattr(sys.modules.get(module), name, None)
        if registered is not None and isinstance(fn, registered):
            return name, _RUNS.get(name)
    return None


def _instead(fn: object) -> str:
    if inspect.iscoroutine(fn):
        return "decorate the function that makes the coroutine, and call that"
    if isinstance(fn, property):
        return "put @property above the guard"
    if isinstance(fn, functools.singledispatchmethod):
        return "put the guard below @singledispatchmethod and each @method.register"
    return "decorate the function"
