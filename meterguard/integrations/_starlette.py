"""Starlette, and FastAPI as far as it is Starlette: answers, life cycle, the search for guards that never run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..extras import needed
from ..guard import MeterGuard, get_guard
from ._asgi import Lifespan, answer_to, around, close_code
from ._gates import Installed, arguments, audit, set_up

with needed("starlette", "starlette", by="meterguard.integrations.starlette"):
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.routing import BaseRoute, Mount
    from starlette.websockets import WebSocket


def guard_of(scope: Mapping[str, Any]) -> MeterGuard:
    """The guard that was installed in the application which serves this, else the default one."""
    installed = getattr(getattr(scope.get("app"), "state", None), "meterguard", None)
    return get_guard() if installed is None else installed.guard


def install(app: Starlette, guard: MeterGuard | None = None, **settings: Any) -> None:
    """Set up a FastAPI or Starlette application: answers, and leases given back at its shutdown.

    Handlers that the application has stay as they are. At start-up it looks for guards that stand above a route
    and never run: an error when ``app.debug``, else a warning in the log. WebSockets are closed with 1008 when
    denied, with 1013 when the service could not be asked. Call it on the application that is served, not on one
    that is mounted, whose lifespan nobody runs.

    :param guard: closed at shutdown; None: the default guard, whose leases are given back.
    :param settings: the options of :class:`~meterguard.integrations.HttpOptions`, the arguments of
        :class:`~meterguard.MeterGuard` for a default guard, and ``enabled=False`` to let everything through.
    :raises ConfigurationError: a setting is unknown or wrong.
    """
    installed = set_up(guard, arguments(settings, "install()", guard))
    app.state.meterguard = installed

    async def answer(connection: HTTPConnection, error: Exception) -> Response | None:
        return await _answer(installed, connection, error)

    theirs = app.exception_handlers
    for kind in (EntitlementDenied, EntitlementUnavailable, ConfigurationError):
        if kind not in theirs and MeterGuardError not in theirs:
            app.add_exception_handler(kind, answer)  # type: ignore[arg-type] # a WebSocket's handler answers nothing
    app.router.lifespan_context = around(_audited(app, app.router.lifespan_context), installed._guard)


async def _answer(installed: Installed, connection: HTTPConnection, error: Exception) -> Response | None:
    if not isinstance(error, MeterGuardError):
        raise error
    if isinstance(connection, WebSocket):
        await connection.close(close_code(error))
        return None
    answer = await answer_to(installed, error, connection.scope)
    return Response(answer.body, answer.status, answer.headers)


def _audited(app: Starlette, inner: Lifespan) -> Lifespan:
    def lifespan(served: Any) -> Any:
        audit(registered(app), strict=app.debug)
        return inner(served)

    return lifespan


def registered(app: Starlette) -> Iterable[tuple[str, Any]]:
    """Paths, also those of mounted applications, and what is run for them."""
    return _endpoints(app.routes)


def _endpoints(routes: Iterable[BaseRoute], above: str = "") -> Iterable[tuple[str, Any]]:
    for route in routes:
        path = above + getattr(route, "path", "")
        if isinstance(route, Mount):
            yield from _endpoints(route.routes, path)
        else:
            yield path, getattr(route, "endpoint", None)


def meterguard_lifespan(inner: Any = None, *, guard: MeterGuard | None = None) -> Any:
    """A lifespan that gives all leases back at shutdown, for an application without :func:`install`.

    ::

        app = FastAPI(lifespan=meterguard_lifespan)
        app = FastAPI(lifespan=meterguard_lifespan(mine))

    :param inner: the lifespan that the application needs besides; it ends first.
    :param guard: closed at shutdown; None: the default guard.
    """
    if isinstance(inner, Starlette):  # it is called as a lifespan
        return around(None, guard)(inner)
    return around(inner, guard)


def logged_in_user(connection: HTTPConnection) -> str:
    """For ``per=``: one seat for each ``identity`` of a user that Starlette's ``AuthenticationMiddleware`` knows.

    A user without an ``identity``, such as Starlette's ``SimpleUser``, is known by its ``display_name``.

    :raises ConfigurationError: nobody is logged in. Put the check of the login before the gate.
    """
    user = connection.scope.get("user")
    if user is None or not user.is_authenticated:
        raise ConfigurationError("nobody is logged in, so there is no user to hold a seat: check the login first")
    try:
        return str(user.identity)
    except NotImplementedError:  # as BaseUser has it
        return str(user.display_name)
