"""``meterguard doctor``: the set-up looked at, and an application searched for guards that never run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from ..checkup import Finding, check, guards
from ..default import get_guard


class BadApp(Exception):
    """What was named is no application that can be searched."""


# Where an application's class is found once its framework is imported, and the integration that knows its routes.
_FRAMEWORKS = {
    ("flask", "Flask"): "flask",
    ("starlette.applications", "Starlette"): "starlette",
    ("celery", "Celery"): "celery",
    ("django.core.handlers.base", "BaseHandler"): "django",
    ("click", "Command"): "click",
    ("typer", "Typer"): "click",
}


def examine(app: str | None, *, live: bool) -> Iterator[Finding]:
    """Everything that was looked at.

    :raises BadApp: ``app`` cannot be loaded, or is of no framework that is known.
    """
    routes = None if app is None else list(_registered(_load(app)))
    yield from check(get_guard(), live=live)
    if routes is not None:
        yield guards(routes)


def _load(app: str) -> Any:
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
    except Exception as problem:
        raise BadApp(f"{app!r} cannot be loaded: {type(problem).__name__}: {problem}") from problem


def _registered(app: Any) -> Iterable[tuple[str, Any]]:
    app = inspect.unwrap(app)  # with_lifespan(...) and its kind
    for (module, name), integration in _FRAMEWORKS.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(app, kind):
            found: Iterable[tuple[str, Any]] = import_module(f"meterguard.integrations.{integration}").registered(app)
            return found
    known = ", ".join(dict.fromkeys(_FRAMEWORKS.values()))
    raise BadApp(f"a {type(app).__name__} cannot be searched for guards; what can be is an application of {known}")
