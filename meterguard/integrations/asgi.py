"""Any ASGI application: a lifespan for those that have none, and a guard for all of its routes. Needs no framework."""

from __future__ import annotations

from typing import Any

from ..errors import EntitlementDenied, EntitlementUnavailable
from ..gating.admission import Entered
from ..gating.declaration import Value
from ..gating.streams import is_departure
from ..guard import MeterGuard
from ..units import Unit
from .connection import App, Message, Receive, Scope, Send, guard_of, respond
from .declaration import GATE_OPTIONS, Counted, Declaration, for_many, is_failed
from .http import HttpOptions
from .installation import set_up
from .lifespan import start, stop
from .settings import check, check_guard, in_code

__all__ = ("EntitlementMiddleware", "with_lifespan")


def with_lifespan(app: App, guard: MeterGuard | None = None) -> App:
    """Return ``app`` with a lifespan that gives all leases back: for Django, and whatever else has none.

    ::

        application = with_lifespan(get_asgi_application())

    Servers such as uvicorn end by a signal, and run no exit hooks. An application that has a lifespan of its own
    keeps it; its leases go back after that has ended.

    :param guard: None: the default guard.
    :raises ConfigurationError: an argument is wrong.
    """
    _check_application(app)
    check_guard(guard)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _serve_lifespan(app, guard, scope, receive, send)
        else:
            await app(scope, receive, send)

    application.__wrapped__ = app  # type: ignore[attr-defined] # for who looks at the application's routes
    return application


def _check_application(app: object) -> None:
    check("app", app, callable(app) and not isinstance(app, type), "an ASGI application")


async def _serve_lifespan(app: App, guard: MeterGuard | None, scope: Scope, receive: Receive, send: Send) -> None:
    async def saying(message: Message) -> None:
        # the server may end its loop as soon as it has heard that the shutdown is complete
        if message["type"].startswith("lifespan.shutdown."):
            await stop(guard)
        await send(message)

    start(guard)
    unanswered = await _run_lifespan_of(app, scope, receive, saying)
    if unanswered is not None:
        await _answer_lifespan(unanswered, receive, saying)


async def _run_lifespan_of(app: App, scope: Scope, receive: Receive, send: Send) -> list[Message] | None:
    """Run the application's own lifespan; return None. Where it has none, return what it took and did not answer."""
    heard: list[Message] = []
    said = False

    async def listening() -> Message:
        heard.append(await receive())
        return heard[-1]

    async def saying(message: Message) -> None:
        nonlocal said
        said = True
        await send(message)

    try:
        await app(scope, listening, saying)
    except Exception:  # by raising it says that it knows no lifespans (ASGI specification, lifespan protocol)
        if said:
            raise
    return None if said else heard


async def _answer_lifespan(unanswered: list[Message], receive: Receive, send: Send) -> None:
    while True:
        message = unanswered.pop(0) if unanswered else await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class EntitlementMiddleware:
    """A guard before every route of an ASGI application.

    ::

        app.add_middleware(EntitlementMiddleware, name="Seats", value=1, unit="Count")

    Paths in ``exempt`` and ``OPTIONS`` are let through. It uses the guard of its options, else the one that
    ``install()`` gave to the application or to one around it, else the default guard. With ``hold="call"`` a seat is
    held from before the application is called until it has sent the last byte or the client is gone. Callables among
    the options get the scope.

    In the place of a name it takes a draw or a meter: ``EntitlementMiddleware(app, consumes_entitlement("Calls", 1))``.
    It is charged unless the application raises, or answers with an error (400 and above).

    :param app: the application.
    :param options: those of :func:`~meterguard.requires_entitlement` (``hold``, ``per``, ``wait``, ``on_unknown``,
        ``guard``) and of :class:`~meterguard.integrations.HttpOptions`.
    :raises ConfigurationError: the declaration is wrong.
    """

    def __init__(
        self, app: App, name: str | Counted, value: Value = None, unit: Unit | str | None = None, **options: object
    ) -> None:
        _check_application(app)
        gate_options: dict[str, Any] = {key: options.pop(key) for key in GATE_OPTIONS & options.keys()}
        self.app = app
        self._declaration = for_many(Declaration(name, value, unit, **gate_options), "EntitlementMiddleware")
        guard = gate_options.get("guard")
        self._installed = set_up(guard, in_code(options, "EntitlementMiddleware", guard))
        self._is_set_up_here = guard is not None or not options.keys() <= HttpOptions.names()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_exempt(scope):
            await self.app(scope, receive, send)
            return
        guard = self._installed.guard if self._is_set_up_here else guard_of(scope)
        if self._declaration.is_open(guard):
            await self.app(scope, receive, send)
            return
        try:
            held = await self._declaration.gate(guard).aenter(scope)
        except (EntitlementDenied, EntitlementUnavailable) as error:
            await respond(self._installed, error, scope, receive, send)
            return
        await self._served(held, scope, receive, send)

    async def _served(self, held: Entered[object], scope: Scope, receive: Receive, send: Send) -> None:
        status = 0  # none yet

        async def sending(message: Message) -> None:
            nonlocal status
            await send(message)
            status = message.get("status", status)

        try:
            await self.app(scope, receive, sending)
        except GeneratorExit:  # the coroutine is thrown away, and must not await
            held.drop()
            raise
        except BaseException as raised:
            has_left = status and not is_failed(held, status) and is_departure(raised)
            await (held.arelease() if has_left else held.afail())
            raise
        await (held.afail() if is_failed(held, status) else held.arelease())

    def _is_exempt(self, scope: Scope) -> bool:
        return scope.get("method") == "OPTIONS" or self._installed.options.is_exempt(scope["path"])
