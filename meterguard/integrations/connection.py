"""An ASGI connection: which installation serves it, and how it is answered without a framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from ..default import get_guard
from ..errors import EntitlementUnavailable, MeterGuardError
from ..guard import MeterGuard
from .http import Answer
from .installation import Installation

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

INSTALLED = "meterguard"
"""The key of an installation in a scope, and its attribute in the state of an application."""

POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013  # WebSocket close codes


def installed_for(scope: Mapping[str, object]) -> Installation | None:
    """Return what was installed in the application that serves a request, or in the nearest one it is mounted in."""
    own = getattr(getattr(scope.get("app"), "state", None), INSTALLED, None)
    found = scope.get(INSTALLED) if own is None else own
    return found if isinstance(found, Installation) else None


def guard_of(scope: Mapping[str, object]) -> MeterGuard:
    """Return the guard of :func:`installed_for`, else the default one."""
    installed = installed_for(scope)
    return get_guard() if installed is None else installed.guard


def answer_to(installed: Installation, error: MeterGuardError, scope: Scope) -> Answer:
    """Return the answer to a request that ran into this error."""
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return installed.options.answer(
        installed.refusal(error), accept=accept.decode("latin-1") or None, instance=scope["path"]
    )


async def respond(installed: Installation, error: MeterGuardError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer instead of the application."""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": close_code(error)})
        return
    answer = answer_to(installed, error, scope)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


def close_code(error: MeterGuardError) -> int:
    """Return the code with which a WebSocket is closed."""
    return TRY_AGAIN_LATER if isinstance(error, EntitlementUnavailable) else POLICY_VIOLATION
