"""The views of a project, as its URLconf has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLResolver, get_resolver

from ..audit import Registered


def registered(_application: object = None) -> Iterator[Registered]:
    """Yield the routes, and what is run for each: the view, and each method of its class."""
    for route, view in views(get_resolver().url_patterns):
        yield route, view
        view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
        methods = {method: method for method in getattr(view_class, "http_method_names", ())}
        for method, name in (getattr(view, "actions", None) or methods).items():  # a view set has actions
            handler = getattr(view_class, name, None)
            if handler is not None:
                yield f"{route} ({method.upper()})", handler


def views(patterns: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield routes, also those that are included, and their views."""
    for pattern in patterns:
        route = f"{above}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns, route)
        else:
            yield route, pattern.callback
