"""Applications of Starlette or FastAPI that are mounted in one that is set up: its answers and its guard are theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any

from ..errors import MeterGuardError
from ..extras import needed
from .audit import Registered
from .connection import INSTALLED
from .installation import Installation

with needed("starlette", "starlette", by="meterguard.integrations.starlette"):
    from starlette.applications import Starlette
    from starlette.middleware.exceptions import ExceptionMiddleware
    from starlette.routing import Host, Mount
    from starlette.types import ASGIApp, Receive, Scope, Send


class MountedApplications:
    """A middleware that tells mounted applications what was installed, and gives them the answers of the one around.

    It stands in the chain of each request, so it is no coroutine function, which would cost ten times as much.
    """

    def __init__(self, app: ASGIApp, application: Starlette, installed: Installation) -> None:
        self.app = app
        self._application = application
        self._installed = installed
        self._known = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope[INSTALLED] = self._installed
        routes = self._application.router.routes
        if len(routes) != self._known:  # the first request, or a route was added since
            self._known = len(routes)
            _share_answers(self._application)
        return self.app(scope, receive, send)


def _share_answers(app: Starlette) -> None:
    """Give all applications mounted in this one its handlers for our exceptions, where they have none."""
    ours = {
        kind: handler
        for kind, handler in app.exception_handlers.items()
        if isinstance(kind, type) and issubclass(kind, MeterGuardError)
    }
    for _, mounted in parts(app):
        if isinstance(mounted, Starlette):
            for kind, handler in ours.items():
                add_handler(mounted, kind, handler)


def add_handler(app: Starlette, kind: type[MeterGuardError], handler: Any) -> None:
    """Add a handler for exceptions, unless the application has one for them."""
    theirs = app.exception_handlers
    if kind in theirs or MeterGuardError in theirs:
        return
    app.add_exception_handler(kind, handler)
    layer: Any = app.middleware_stack  # None before the first request; what is built then has a table of its own
    while layer is not None and not isinstance(layer, ExceptionMiddleware):
        layer = getattr(layer, "app", None)
    if layer is not None:
        layer.add_exception_handler(kind, handler)


def parts(part: object, path: str = "") -> Iterator[Registered]:
    """Yield an application, and every application and route inside it, each with its path."""
    while part is not None:
        yield path, part
        for route in getattr(part, "routes", ()):
            below = path + getattr(route, "path", "")
            if isinstance(route, Mount | Host):
                yield from parts(route.app, below)
            elif hasattr(route, "original_router"):  # FastAPI keeps an included router as one route
                yield from parts(route.original_router, path + route.include_context.prefix)
            else:
                yield below, route
        part = _inner(part)


def _inner(part: Any) -> Any:
    """Return the application inside a middleware; None for anything else."""
    if isinstance(part, Starlette):  # its own middleware is part of it
        return None
    return getattr(part, "app", None) or getattr(part, "__wrapped__", None)
