"""Applications that are searched for guards that never run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast


class BadApp(Exception):
    """The name leads to no application that can be searched."""


# Where an application's class is found once its framework is imported, and the integration that knows its routes.
_FRAMEWORKS = {
    ("flask", "Flask"): "flask",
    ("starlette.applications", "Starlette"): "starlette",
    ("celery", "Celery"): "celery",
    ("django.core.handlers.base", "BaseHandler"): "django",
    ("click", "Command"): "click",
    ("typer", "Typer"): "click",
    ("fastmcp", "FastMCP"): "mcp",
    ("mcp.server.mcpserver", "MCPServer"): "mcp",
    ("mcp.server.lowlevel", "Server"): "mcp",
}


def load(app: str) -> object:
    """Return the application behind ``module:attribute`` or ``module:function()``.

    :raises BadApp: it cannot be loaded.
    """
    module, _, attribute = app.partition(":")
    if not module or not attribute:
        raise BadApp(f"{app!r} is not of the form module:attribute, such as site:app or site:create_app()")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        loaded: Any = import_module(module)
        for name in attribute.removesuffix("()").split("."):
            loaded = getattr(loaded, name)
        return loaded() if attribute.endswith("()") else loaded
    except (Exception, SystemExit) as problem:  # a module may be a program that ends
        raise BadApp(f"{app!r} cannot be loaded: {type(problem).__name__}: {problem}") from problem


def registered(app: object, *, is_any: bool = False) -> Iterable[tuple[str, object]]:
    """Return what is registered in an application, with the name of each.

    :param is_any: an application of no framework is one, too, in which nothing is registered.

    :raises BadApp: it is of no framework that is known.
    """
    searched = inspect.unwrap(cast(Any, app))  # with_lifespan(...) and its kind
    for (module, name), integration in _FRAMEWORKS.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(searched, kind):
            knows_its_routes = import_module(f"meterguard.integrations.{integration}")
            return cast(Iterable[tuple[str, object]], knows_its_routes.registered(searched))
    if is_any:
        return ()
    known = ", ".join(dict.fromkeys(_FRAMEWORKS.values()))
    raise BadApp(f"a {type(searched).__name__} cannot be searched for guards; name an application of one of {known}")
