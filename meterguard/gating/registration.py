"""What is registered with a framework: guards that it bypasses, and objects that must not be guarded."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any

from .proxies import GuardedCallable

MARK = "__meterguard__"  # holds the id of what was guarded, for functools.wraps and its kind copy attributes around


def is_bypassed(registered: Any) -> bool:
    """Tell whether a framework runs something without the guard around it: the guard stands above the registration."""
    is_marked = False
    while registered is not None:
        registered = getattr(registered, "__func__", registered)
        while isinstance(registered, functools.partial):
            registered = registered.func
        if isinstance(registered, GuardedCallable):
            return False
        is_marked = is_marked or getattr(registered, "__dict__", {}).get(MARK) == id(registered)
        registered = getattr(registered, "__wrapped__", None)
    return is_marked


def is_guarded(registered: Any) -> bool:
    """Tell whether a guard stands around something, at whatever depth."""
    while registered is not None:
        if isinstance(registered, GuardedCallable) or MARK in getattr(registered, "__dict__", ()):
            return True
        registered = getattr(registered, "__wrapped__", None)
    return False


# -- what must not be guarded ------------------------------------------------------------------------

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


def refuse(fn: Any) -> None:
    """Raise a TypeError that shows the right order, where a guard around ``fn`` would be wrong."""
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
    if isinstance(fn, functools.singledispatchmethod):
        return "put the guard below @singledispatchmethod and each @method.register"
    return "decorate the function"
