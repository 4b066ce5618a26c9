"""The ASGI application: what does not come as a plain request, and what is asked of the emulator itself."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .dispatch import Desk, refuse_unread
from .plain_http import LONGEST_BODY, deliver
from .record import Reply
from .waits import Waits

__all__ = ("application",)


def application(desk: Desk, waits: Waits) -> Starlette:
    """The service at ``/``, and whether it lives at ``/_meterguard/health``."""
    return Starlette(routes=[Route("/_meterguard/health", _health), Route("/", _Endpoint(desk, waits))])


class _Endpoint:
    """The ASGI application: requests that did not come by the fast lane."""

    def __init__(self, desk: Desk, waits: Waits) -> None:
        self._desk = desk
        self._waits = waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = Request(scope, receive)
        body = await _body(http)
        if body is None or http.method != "POST":
            await _response(refuse_unread(too_large=body is None))(scope, receive, send)
            return
        request = self._desk.arrive(scope["headers"], body)
        reply = await self._waits.answer(self._desk, request)
        if reply.is_whole and not reply.is_nothing:
            await _response(reply)(scope, receive, send)
            return
        deliver(reply, scope["state"]["transport"])
        while (await receive())["type"] != "http.disconnect":
            pass


async def _body(request: Request) -> bytes | None:
    """The whole body; None if it is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers = [*reply.headers, (b"content-length", b"%d" % reply.length)]
    return response


async def _health(_request: object) -> Response:
    return PlainTextResponse("ok\n")
