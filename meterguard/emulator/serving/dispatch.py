"""One request through the service, from bytes to bytes: recorded, checked, carried out, answered.

Knows no socket and no event loop, so that the same desk can serve HTTP and a caller in the same process.
A fault that makes a request wait is waited for by whoever carries the bytes.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping

from ..admin.journal import Request
from ..faults import effects as damage
from ..faults.queue import Faults
from ..operations.call import Call, Handler, Sign
from ..operations.table import OPERATIONS
from ..protocol import wire
from ..protocol.errors import ServiceError, StateError, malformed, status_of, wrong_value
from ..protocol.messages import NOTHING, Answer, Caller, RawHeaders, Reply
from ..protocol.model import Operation, describe
from ..protocol.policies import Authorize
from ..protocol.sigv4 import Verify
from ..state.clock import elapsed
from ..state.persistence import Memory
from ..state.pools import State
from ..state.replays import Replays

__all__ = ("Desk",)

_PREFIX = "AWSLicenseManager."
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/[^/,\s]*/([^/,\s]+)/")
_NOT_PRINTED = re.compile("[^ -~]")
_log = logging.getLogger("meterguard.emulator")


class Desk:
    """Takes requests in and gives replies out."""

    def __init__(
        self,
        state: State,
        kept: Memory,
        faults: Faults,
        *,
        account_of: Callable[[str | None], str],
        region: str,
        new_id: Callable[[], str],
        signer: Callable[[], Sign],
        verify: Verify | None = None,
        authorize: Authorize | None = None,
        most_requests: int | None = None,
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        self.lock = kept.lock
        self.state = state
        self.requests: list[Request] = []
        self.bugs: list[BaseException] = []
        self._clock = kept.clock
        self._faults = faults
        self._account_of = account_of
        self._region = region
        self._new_id = new_id
        self._signer = signer
        self._verify = verify
        self._authorize = authorize
        self._replays = Replays(state.behavior, kept.table("replays"))
        self._in_flight: Counter[str] = Counter()
        self._arrival = threading.Condition()
        self._most_requests = most_requests
        self._on_request = on_request

    def arrive(self, headers: RawHeaders, body: bytes) -> Request:
        """Record a request, and find the fault that it meets. The names of headers are in lower case."""
        target, authorization, kind = _known_headers(headers)
        operation, refused = target.removeprefix(_PREFIX), None
        try:
            if operation == target:
                raise _unknown()
            if self._verify is not None:
                self._verify(operation, headers, body, self._clock.now())
            wire.check_content_type(kind)
            parameters = wire.decode(body)
        except ServiceError as error:
            parameters, refused = {}, error
        request = Request(
            operation,
            parameters,
            self._caller(authorization),
            self._clock.now(),
            _request_id(self._new_id()),
            headers,
            refused=refused,
        )
        self._meet(request)
        with self._arrival:
            self._in_flight[operation] += 1
            request.in_flight = self._in_flight[operation]
            self.requests.append(request)
            if self._most_requests is not None:
                del self.requests[: -self._most_requests]
            self._arrival.notify_all()
        return request

    def wait_for(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Wait until something holds that can only change when a request arrives or is done."""
        deadline = elapsed() + timeout
        with self._arrival:
            while not ready():
                left = deadline - elapsed()
                if left <= 0:
                    return False
                self._arrival.wait(left)
        return True

    def apply(self, request: Request) -> None:
        """Carry a request out, unless that has been done or its fault forbids it."""
        if request.moment is not None:
            return
        request.moment = self._clock.now()
        if request.refused is not None or (request.fault is not None and not request.fault.is_applied):
            return
        try:
            self._carry_out(request)
        except ServiceError as error:
            request.refused = error
        except StateError as error:
            _log.error("%s: %s", request.operation, error)
            request.refused = ServiceError("ServerInternalException", "The state could not be written.")
        except Exception as error:  # noqa: BLE001 - a bug of ours is answered with a 500, as a service does
            self._confess(request, error)

    def answer(self, request: Request) -> Reply:
        """Carry a request out if that is still to be done, and say what goes back."""
        self.apply(request)
        try:
            reply = self._reply(request)
        except Exception as error:  # noqa: BLE001 - as above
            self._confess(request, error)
            reply = self._refuse(request, request.refused or ServiceError("InternalFailure", ""))
        if reply.is_nothing:
            return self.abandon(request)
        request.status = reply.status
        self._finish(request)
        return reply

    def abandon(self, request: Request) -> Reply:
        """Give a request no answer."""
        request.dropped = True
        self._finish(request)
        return NOTHING

    def note_bug(self, what: str, error: Exception) -> None:
        """Log a failure of the emulator's own, and keep it for whoever stops it."""
        _log.error("%s: the emulator failed", what, exc_info=error)
        _forget_locals(error)
        self.bugs.append(error)

    def refuse_unread(self, error: ServiceError) -> Reply:
        """The reply to what is no request of this protocol at all, and is not recorded as one."""
        body = wire.encode_error(error)
        headers = [
            (b"content-type", wire.CONTENT_TYPE.encode()),
            (b"x-amzn-requestid", _request_id(self._new_id()).encode()),
            (b"x-amzn-errortype", error.code.encode()),
            (b"connection", b"close"),
        ]
        return Reply(error.status or status_of(error.code), headers, body, len(body))

    def _caller(self, authorization: str) -> Caller:
        found = _CREDENTIAL.search(authorization)
        if found is None:
            return Caller(self._account_of(None), self._region)
        return Caller(self._account_of(found[1]), found[2], found[1])

    def _meet(self, request: Request) -> None:
        try:
            request.fault = self._faults.match(request.operation, request.parameters)
        except Exception as error:  # noqa: BLE001 - a fault's own `when` may fail
            self._confess(request, error)

    def _confess(self, request: Request, error: Exception) -> None:
        self.note_bug(request.operation, error)
        request.fault = None
        request.refused = ServiceError("InternalFailure", "The emulator failed; its log says how.")

    def _finish(self, request: Request) -> None:
        with self._arrival:
            request.done = True
            self._in_flight[request.operation] -= 1
            self._arrival.notify_all()
        if self._on_request is not None:
            self._on_request(request)

    def _carry_out(self, request: Request) -> None:
        handler = OPERATIONS.get(request.operation)
        if handler is None:
            raise _unknown()
        operation = describe(request.operation)
        try:
            if self._authorize is not None:
                self._authorize(request.caller, request.operation, request.parameters)
            wire.check(operation, request.parameters)
            answer = self._handle(handler, request)
        except ServiceError as error:
            raise _listed(operation, error) from None
        wire.check_answer(operation, answer)
        request.answer = answer

    def _handle(self, handler: Handler, request: Request) -> Answer:
        with self.lock:
            now = request.moment = self._clock.now()
            known = self._replay(request, now)
            if known is not None:
                request.replayed = True
                return known
            limits = request.fault.limits if request.fault is not None else None
            call = Call(self.state, request.caller, now, self._new_id, self._signer, limits)
            answer = handler(call, request.parameters)
            self._remember(request, answer, now)
            return answer

    def _replay(self, request: Request, now: float) -> Answer | None:
        token = request.client_token
        if token is None:
            return None
        return self._replays.find((request.account, request.operation, token), request.parameters, now)

    def _remember(self, request: Request, answer: Answer, now: float) -> None:
        token = request.client_token
        if token is not None:
            self._replays.remember((request.account, request.operation, token), request.parameters, answer, now)

    def _reply(self, request: Request) -> Reply:
        fault = request.fault
        if fault is not None:
            if fault.drop is not None:
                return NOTHING
            ordered = damage.refusal(fault)
            if ordered is not None:
                return self._refuse(request, ordered)
            if fault.status is not None:
                return self._finished(request, fault.status, damage.html_page(fault.status), b"text/html")
        if request.refused is not None:
            return self._refuse(request, request.refused)
        return self._succeed(request)

    def _refuse(self, request: Request, error: ServiceError) -> Reply:
        request.error = error.code
        status = error.status or status_of(error.code, smithy=self.state.behavior.smithy_statuses)
        more = [(b"x-amzn-errortype", _header(error.code))]
        if error.location is not None and status == 308:
            more.append((b"location", _header(error.location)))
        return self._finished(request, status, wire.encode_error(error), more=more)

    def _succeed(self, request: Request) -> Reply:
        answer: Answer = request.answer or {}
        if request.fault is not None:
            answer = damage.spoil_answer(request.fault, answer, request.moment or 0)
        body = wire.encode(describe(request.operation), answer)
        return self._finished(request, 200, body)

    def _finished(
        self,
        request: Request,
        status: int,
        body: bytes,
        kind: bytes = wire.CONTENT_TYPE.encode(),
        more: list[tuple[bytes, bytes]] | None = None,
    ) -> Reply:
        now, extra, length = request.moment or 0.0, more or [], len(body)
        fault = request.fault
        if fault is not None:
            now += fault.skew
            body, length = damage.spoil_body(fault, body)
            extra = [*extra, *_raw(fault.headers)]
        headers = [
            (b"content-type", kind),
            (b"x-amzn-requestid", request.request_id.encode()),
            (b"date", wire.date_header(int(now // 1)).encode()),
            *extra,
        ]
        return Reply(status, headers, body, length)


def _forget_locals(error: BaseException | None) -> None:
    """Empty the frames of an error, for they hold tokens, and test runners show local variables."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _known_headers(headers: RawHeaders) -> tuple[str, str, str | None]:
    target, authorization, kind = b"", b"", None
    for name, value in headers:
        if name == b"x-amz-target":
            target = value
        elif name == b"authorization":
            authorization = value
        elif name == b"content-type":
            kind = value.decode("latin-1")
    return target.decode("latin-1"), authorization.decode("latin-1"), kind


def _listed(operation: Operation, error: ServiceError) -> ServiceError:
    """Some operations have only one of the two errors for a wrong request."""
    if error.code in operation.errors:
        return error
    other = {"InvalidParameterValueException": malformed, "ValidationException": wrong_value}.get(error.code)
    return error if other is None else other(error.message)


def _unknown() -> ServiceError:
    return ServiceError("UnknownOperationException", "The operation is not known.")


def _header(text: str) -> bytes:
    """A text that a caller may have chosen, as one line of a header."""
    return _NOT_PRINTED.sub("?", text).encode("ascii")


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _request_id(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
