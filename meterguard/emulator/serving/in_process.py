"""The emulator without a socket: it answers where botocore would send.

botocore asks the handlers of ``before-send`` for an answer before it opens a connection. One handler of ours serves
the whole process; it passes the request on to the network while no emulator is active.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST

from ..faults.delays import wait_on_thread
from ..protocol.errors import WrongValue
from ..protocol.messages import RawHeaders, Reply
from ..protocol.redaction import shown
from .dispatch import Dispatcher
from .loopback import unproxied
from .services import SERVICES

__all__ = ("answering", "attach")

_EVENT = "before-send.license-manager"
# A neighbour of License Manager is asked last: where moto answers in the same test, keys and accounts are moto's.
_ANY_EVENT = "before-send"
_AWS = re.compile(r".*\.(amazonaws\.com(\.cn)?|api\.aws)")
_NEIGHBOURS = frozenset(one.service_id for one in SERVICES.values() if one.is_neighbour)
_ENDPOINT = "AWS_ENDPOINT_URL_LICENSE_MANAGER"
# The endpoint of clients that are made meanwhile, so that one which outlives its emulator never reaches AWS.
_NOWHERE = "http://127.0.0.1:9"
_lock = threading.Lock()
_active: list[Dispatcher] = []
_is_registered = False


@contextmanager
def answering(dispatcher: Dispatcher) -> Iterator[None]:
    """Answer every botocore client of this process that is made from now on. The innermost emulator answers."""
    _register()
    with _lock:
        _active.append(dispatcher)
        # A proxy of the environment must not see requests that come too late, either.
        pointers = {_ENDPOINT: os.environ.get(_ENDPOINT, _NOWHERE), **unproxied(os.environ)}
        before = {name: os.environ.get(name) for name in pointers}
        os.environ.update(pointers)
    try:
        yield
    finally:
        with _lock:
            _active.remove(dispatcher)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def attach(dispatcher: Dispatcher, to: object) -> None:
    """Answer one boto3 client, or the clients that a session will make, whatever their endpoint is."""
    events = getattr(getattr(to, "meta", to), "events", None)
    if events is None or not hasattr(events, "register_first"):
        raise WrongValue(f"to: {shown(to)} is neither a boto3 client nor a session")
    events.register_first(_EVENT, lambda request, **_: _answer(dispatcher, request))
    events.register_last(
        _ANY_EVENT, lambda request, event_name, **_: _answer(dispatcher, request) if _is_near(event_name) else None
    )


def _register() -> None:
    global _is_registered
    with _lock:
        if not _is_registered:
            BUILTIN_HANDLERS.append((_EVENT, _answer_if_active, REGISTER_FIRST))
            BUILTIN_HANDLERS.append((_ANY_EVENT, _answer_if_near, REGISTER_LAST))
            _is_registered = True
    # boto3.client() makes clients of this one, which may be older than our handler; looked for each time, because
    # others (moto) put another in its place for a while
    session = getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
    if session is not None:
        # one that is younger has it already, and each handler would answer
        session.events.unregister(_EVENT, _answer_if_active)
        session.events.register_first(_EVENT, _answer_if_active)
        # botocore fails where it is to take a handler out of an event that has none, and others are below it
        session.events.register_last(_ANY_EVENT, _answer_if_near)
        for _ in range(2):
            session.events.unregister(_ANY_EVENT, _answer_if_near)
        session.events.register_last(_ANY_EVENT, _answer_if_near)


def _answer_if_active(request: Any, **_: object) -> AWSResponse | None:
    with _lock:
        dispatcher = _active[-1] if _active else None
    return None if dispatcher is None else _answer(dispatcher, request)


def _answer_if_near(request: Any, event_name: str, **_: object) -> AWSResponse | None:
    # A client that somebody has pointed at another emulator of such a service stays with that one.
    is_for_aws = _AWS.fullmatch(urlsplit(request.url).hostname or "") is not None
    return _answer_if_active(request) if is_for_aws and _is_near(event_name) else None


def _is_near(event_name: str) -> bool:
    return event_name.split(".")[1] in _NEIGHBOURS


def _answer(dispatcher: Dispatcher, sent: Any) -> AWSResponse:
    # Neither body nor headers are kept in a name here: an error page that shows local variables would show tokens.
    request = dispatcher.arrive(_raw(sent), _bytes(sent.body))
    fault = request.fault
    if fault is not None and fault.waits:
        if fault.applied:
            dispatcher.apply(request)
        # As a server would, on the thread that asks. The client's own time-outs are not looked at.
        wait_on_thread(fault)
    reply = dispatcher.answer(request)
    if reply.is_nothing:
        raise ConnectionClosedError(endpoint_url=sent.url)
    headers = HTTPHeaders()
    for name, value in reply.headers:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    headers["content-length"] = str(reply.length)
    return AWSResponse(sent.url, reply.status, headers, _Body(reply))


def _bytes(body: str | bytes | bytearray | None) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _raw(sent: Any) -> RawHeaders:
    # the host, which is signed, would be added by the connection
    return [
        (name.lower().encode("latin-1"), value if isinstance(value, bytes) else str(value).encode("latin-1"))
        for name, value in {"Host": urlsplit(sent.url).netloc, **sent.headers}.items()
    ]


class _Body:
    """The part of a connection that AWSResponse reads."""

    def __init__(self, reply: Reply) -> None:
        self._left = reply.body

    def stream(self, **_: object) -> Iterator[bytes]:
        left, self._left = self._left, b""
        if left:
            yield left

    def read(self, *_: object) -> bytes:
        left, self._left = self._left, b""
        return left
