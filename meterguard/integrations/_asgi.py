"""What every ASGI application needs: a lifespan that gives leases back, and answers sent without a framework."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from ..default import get_guard
from ..errors import EntitlementUnavailable, MeterGuardError
from ..guard import MeterGuard
from ._gates import Installed
from ._http import Answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013  # WebSocket close codes


INSTALLED = "meterguard"


def installed_for(scope: Mapping[str, Any]) -> Installed | None:
    """Return what was installed in the application that serves a request, or in the nearest one it is mounted in."""
    own: Installed | None = getattr(getattr(scope.get("app"), "state", None), INSTALLED, None)
    return scope.get(INSTALLED) if own is None else own


def guard_of(scope: Mapping[str, Any]) -> MeterGuard:
    """Return the guard of :func:`installed_for`, else the default one."""
    installed = installed_for(scope)
    return get_guard() if installed is None else installed.guard


def start(guard: MeterGuard | None) -> None:
    """An application starts, perhaps anew in the same process."""
    if guard is not None:
        guard.reopen()


async def stop(guard: MeterGuard | None) -> None:
    """An application stops: all leases go back.

    :param guard: None: the default guard, as it is now.
    """
    last = get_guard() if guard is None else guard
    await last.aclose()
    if guard is None:
        last.reopen()  # nobody passed it in, so nobody can make another


def around(inner: Lifespan | None, guard: MeterGuard | None) -> Lifespan:
    """A lifespan that gives all leases back after ``inner`` has ended."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        start(guard)
        try:
            async with nullcontext() if inner is None else inner(app) as state:
                yield state
        finally:
            await stop(guard)

    return lifespan


async def respond(installed: Installed, error: MeterGuardError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer instead of the application."""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": close_code(error)})
        return
    answer = await answer_to(installed, error, scope)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


async def answer_to(installed: Installed, error: MeterGuardError, scope: Scope) -> Answer:
    """What to answer to this request."""
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    refusal = installed.refusal(error)
    return installed.options.answer(refusal, accept=accept.decode("latin-1") or None, instance=scope["path"])


def close_code(error: MeterGuardError) -> int:
    """What a WebSocket is closed with."""
    return TRY_AGAIN_LATER if isinstance(error, EntitlementUnavailable) else POLICY_VIOLATION
