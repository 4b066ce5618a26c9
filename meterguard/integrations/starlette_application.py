"""An application of Starlette or FastAPI: its answers, its life cycle, and the search for guards that never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..extras import needed
from ..guard import MeterGuard
from .audit import Registered, audit
from .connection import answer_to, close_code, installed_for
from .installation import Installation, set_up
from .lifespan import Lifespan, around
from .settings import check, check_guard, in_code
from .starlette_mounts import MountedApplications, add_handler, parts

with needed("starlette", "starlette", by="meterguard.integrations.starlette"):
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.websockets import WebSocket


def install(app: Starlette, guard: MeterGuard | None = None, **settings: object) -> None:
    """Set up a FastAPI or Starlette application: answers, and leases given back at its shutdown.

    Applications that are mounted in it, at any depth, answer in the same way and use the same guard, unless they are
    set up by themselves. Exception handlers that an application has stay as they are. At start-up the routes are
    searched for guards that stand above a route and never run: an error when ``app.debug``, else a warning in the
    log. A WebSocket is closed with 1008 when it is denied, with 1013 when the service could not be asked. Call it on
    the application that is served, before its first request: no server runs the lifespan of a mounted one.

    :param guard: closed at shutdown; None: the default guard, whose leases are given back.
    :param settings: the options of :class:`~meterguard.integrations.HttpOptions`, the arguments of
        :class:`~meterguard.MeterGuard` for a default guard, and ``enabled=False`` to let everything through.
    :raises ConfigurationError: an argument is wrong, a setting is unknown or wrong, or the application has answered
        requests already.
    """
    _check_application(app)
    if app.middleware_stack is not None:
        raise ConfigurationError("the application has answered requests already: call install() before the first one")
    installed = set_up(guard, in_code(settings, "install()", guard))
    app.state.meterguard = installed

    async def answer(connection: HTTPConnection, error: Exception) -> Response | None:
        return await _answer(installed_for(connection.scope) or installed, connection, error)

    for kind in (EntitlementDenied, EntitlementUnavailable, ConfigurationError):
        add_handler(app, kind, answer)
    app.add_middleware(MountedApplications, application=app, installed=installed)
    app.router.lifespan_context = around(_audited(app, app.router.lifespan_context), guard)


def _check_application(app: object) -> None:
    check("app", app, isinstance(app, Starlette), "a Starlette or FastAPI application")


async def _answer(installed: Installation, connection: HTTPConnection, error: Exception) -> Response | None:
    if not isinstance(error, MeterGuardError):
        raise error
    if isinstance(connection, WebSocket):
        await connection.close(close_code(error))
        return None
    answer = answer_to(installed, error, connection.scope)
    return Response(answer.body, answer.status, answer.headers)


def _audited(app: Starlette, inner: Lifespan) -> Lifespan:
    def lifespan(served: Any) -> Any:
        audit(registered(app), strict=app.debug)
        return inner(served)

    return lifespan


def registered(app: Starlette) -> Iterator[Registered]:
    """Yield the paths of an application, also those of mounted applications, and what is run for each."""
    check("app", app, callable(app), "an application")
    for path, part in parts(app):
        endpoint = getattr(part, "endpoint", None)
        if endpoint is not None:
            yield path, endpoint


def meterguard_lifespan(inner: Any = None, *, guard: MeterGuard | None = None) -> Any:
    """Return a lifespan that gives all leases back at shutdown, for an application without :func:`install`.

    ::

        app = FastAPI(lifespan=meterguard_lifespan)
        app = FastAPI(lifespan=meterguard_lifespan(mine))

    :param inner: the lifespan that the application needs besides; it ends first.
    :param guard: closed at shutdown; None: the default guard.
    :raises ConfigurationError: an argument is wrong.
    """
    check("inner", inner, inner is None or callable(inner), "a lifespan or None")
    check_guard(guard)
    if isinstance(inner, Starlette):  # it is called as a lifespan
        return around(None, guard)(inner)
    return around(cast("Lifespan | None", inner), guard)


def logged_in_user(connection: HTTPConnection) -> str:
    """Return the ``identity`` of the user that Starlette's ``AuthenticationMiddleware`` knows; for ``per=``.

    A user without an ``identity``, such as Starlette's ``SimpleUser``, is known by its ``display_name``.

    :raises ConfigurationError: nobody is logged in. Put the check of the login before the gate.
    """
    check("the argument of logged_in_user()", connection, isinstance(connection, HTTPConnection), "a request")
    user = connection.scope.get("user")
    if user is None or not user.is_authenticated:
        raise ConfigurationError("nobody is logged in, so there is no user to hold a seat: check the login first")
    try:
        return str(user.identity)
    except NotImplementedError:  # as BaseUser has it
        return str(user.display_name)
