"""Replies: an answer, an error or a fault as an HTTP response."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ..admin.journal import Request
from ..faults import effects
from ..faults.forger import Forger
from ..protocol import wire
from ..protocol.codec import Codec
from ..protocol.errors import ServiceError, status_of
from ..protocol.messages import NOTHING, Answer, Headers, Reply
from ..protocol.model import Operation
from ..state.switches import Behavior
from .services import addressed

__all__ = ("Replies", "request_id")

_NOT_PRINTED: Final = re.compile("[^ -~]")


class Replies:
    """Makes the replies of an emulator."""

    def __init__(self, behavior: Behavior, new_id: Callable[[], str], forger: Forger) -> None:
        self._behavior = behavior
        self._new_id = new_id
        self._forger = forger

    def reply(self, request: Request) -> Reply:
        """Return the reply to a request that was carried out or refused, as its fault spoils it."""
        fault = request.fault
        if fault is not None:
            if fault.drop is not None:
                return NOTHING
            ordered = effects.refusal(fault)
            if ordered is not None:
                return self.refuse(request, ordered)
            if fault.status is not None:
                return _finished(request, fault.status, effects.html_page(fault.status), b"text/html")
        service, name = addressed(request.target)
        operation = None if service is None else service.describe(name)
        if request.refused is not None or service is None or operation is None:
            return self.refuse(request, request.refused or ServiceError("InternalFailure", ""))
        return self._succeed(request, service.codec, operation)

    def refuse(self, request: Request, error: ServiceError) -> Reply:
        """Return an error as the reply to a request, and note its code."""
        request.error = error.code
        status = error.status or status_of(error.code, smithy=self._behavior.smithy_statuses)
        more = [(b"x-amzn-errortype", _header(error.code))]
        if error.location is not None and status == 308:
            more.append((b"location", _header(error.location)))
        codec = _codec_of(request)
        body = codec.encode_error(error, status, request.request_id)
        return _finished(request, status, body, codec.answer_type, more)

    def _succeed(self, request: Request, codec: Codec, operation: Operation) -> Reply:
        true: Answer = request.answer or {}
        answer = true
        if request.fault is not None:
            answer = effects.spoil_answer(request.fault, true, request.moment or 0)
        answer = self._forger.spoil(request.fault, operation.name, true, answer)
        return _finished(request, 200, codec.encode(operation, answer, request.request_id), codec.answer_type)

    def refuse_unread(self, error: ServiceError) -> Reply:
        """Return the reply to what is no request of this protocol at all, and is not recorded as one."""
        status, known = error.status or status_of(error.code), request_id(self._new_id())
        body = wire.JSON.encode_error(error, status, known)
        headers = [
            (b"content-type", wire.JSON.answer_type),
            (b"x-amzn-requestid", known.encode()),
            (b"x-amzn-errortype", error.code.encode()),
            (b"connection", b"close"),
        ]
        return Reply(status, headers, body, len(body))


def request_id(digits: str) -> str:
    """Return 32 digits as AWS writes the id of a request."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _codec_of(request: Request) -> Codec:
    service, _ = addressed(request.target)
    return wire.JSON if service is None else service.codec


def _finished(request: Request, status: int, body: bytes, kind: bytes, more: Headers | None = None) -> Reply:
    now, extra, length = request.moment or 0.0, more or [], len(body)
    fault = request.fault
    if fault is not None:
        now += fault.skew
        body, length = effects.spoil_body(fault, body)
        extra = [*extra, *_raw(fault.headers)]
    headers = [
        (b"content-type", kind),
        (b"x-amzn-requestid", request.request_id.encode()),
        (b"date", wire.date_header(int(now // 1)).encode()),
        *extra,
    ]
    return Reply(status, headers, body, length)


def _header(text: str) -> bytes:
    """Return a text that a caller may have chosen as one line of a header."""
    return _NOT_PRINTED.sub("?", text).encode("ascii")


def _raw(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
