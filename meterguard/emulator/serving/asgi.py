"""The ASGI application, for requests that are not plain, and for the actions of `admin`."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..admin.http import AdminHttp
from ..admin.target import Target
from ..faults.delays import Delays
from ..protocol.errors import ServiceError
from ..protocol.messages import Reply
from .delivery import answer_later, deliver
from .dispatch import Dispatcher
from .http1 import whole_body

__all__ = ("application",)


def application(dispatcher: Dispatcher, delays: Delays, emulator: Target) -> Starlette:
    """Return the application: the service at ``/``, and the actions below ``/_meterguard``."""
    admin = _Admin(AdminHttp(emulator, dispatcher.note_bug))
    app = Starlette(routes=[Route("/_meterguard{path:path}", admin), Route("/", _Endpoint(dispatcher, delays))])
    app.router.default = _Elsewhere(dispatcher)
    return app


class _Admin:
    """The ASGI application of the actions."""

    def __init__(self, http: AdminHttp) -> None:
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = Request(scope, receive)
        body = await whole_body(http.stream())
        reply = self._http.answer(http.method, http.path_params["path"], scope["headers"], body)
        await _response(reply)(scope, receive, send)


_TOO_LARGE = ServiceError("RequestEntityTooLargeException", "The request body is too large.")
_NOT_POST = ServiceError("UnknownOperationException", "Operations are asked for by POST.")
_NOWHERE = ServiceError("UnknownOperationException", "Operations are asked for at /.", status=404)


class _Elsewhere:
    """The ASGI application for every path that is not there."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _response(self._dispatcher.replies.refuse_unread(_NOWHERE))(scope, receive, send)


class _Endpoint:
    """The ASGI application: requests that did not come by the fast lane."""

    def __init__(self, dispatcher: Dispatcher, delays: Delays) -> None:
        self._dispatcher = dispatcher
        self._delays = delays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = Request(scope, receive)
        body = await whole_body(http.stream())
        if body is None or http.method != "POST":
            refused = self._dispatcher.replies.refuse_unread(_TOO_LARGE if body is None else _NOT_POST)
            await _response(refused)(scope, receive, send)
            return
        request = self._dispatcher.arrive(scope["headers"], body)
        reply = await answer_later(self._dispatcher, self._delays, request)
        if reply.is_whole and not reply.is_nothing:
            await _response(reply)(scope, receive, send)
            return
        deliver(reply, scope["state"]["transport"])
        while (await receive())["type"] != "http.disconnect":
            pass


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers = [*reply.headers, (b"content-length", b"%d" % reply.length)]
    return response
