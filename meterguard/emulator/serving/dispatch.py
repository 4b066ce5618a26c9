"""One request through the service, from bytes to a reply: recorded, checked, carried out, answered.

It knows no socket and no event loop, so that the same dispatcher serves HTTP and a caller in the same process.
Whoever carries the bytes also waits, where a fault makes a request wait.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from ..admin.journal import Journal, Request
from ..faults.forger import Forger
from ..faults.queue import Faults
from ..operations.call import Call, Handler
from ..protocol import query, wire
from ..protocol.codec import Codec
from ..protocol.errors import ServiceError, StateError
from ..protocol.messages import NOTHING, Answer, RawHeaders, Reply
from ..protocol.model import Operation
from ..state.persistence import Memory
from ..state.pools import State
from ..state.replays import Replays
from ..state.signing_key import SigningKey
from .access import Access
from .idempotency import Idempotency
from .replies import Replies, request_id
from .services import addressed

__all__ = ("Dispatcher",)

_WRONG = ("ValidationException", "InvalidParameterValueException", "InvalidParameterException")
_log = logging.getLogger("meterguard.emulator")


class Dispatcher:
    """Takes requests in and gives replies out.

    Args:
        state: The tables that operations work on.
        kept: The lock, the clock and the file of these tables.
        faults: The faults that requests meet.
        journal: The record of requests.
        access: The checks of callers.
        new_id: Returns 32 new hexadecimal digits.
        signing: Finds or makes the key for signed tokens.
    """

    def __init__(
        self,
        state: State,
        kept: Memory,
        faults: Faults,
        journal: Journal,
        access: Access,
        *,
        new_id: Callable[[], str],
        signing: SigningKey,
    ) -> None:
        self.bugs: list[BaseException] = []
        forger = Forger(lambda arn: signing.of(state.current(arn).sign_key))
        self.replies = Replies(state.behavior, new_id, forger)
        self._lock = kept.lock
        self._state = state
        self._clock = kept.clock
        self._faults = faults
        self._journal = journal
        self._access = access
        self._new_id = new_id
        self._signing = signing
        self._idempotency = Idempotency(Replays(state.behavior, kept.table("replays")))

    def arrive(self, headers: RawHeaders, body: bytes) -> Request:
        """Record a request, and find the fault that it meets. The names of headers are in lower case."""
        target, authorization, kind = _known_headers(headers)
        target = target or query.target_of(kind, body)
        service, operation = addressed(target)
        caller, now = self._access.caller(authorization), self._clock.now()
        parameters, refused = {}, None
        try:
            if service is None:
                raise _unknown()
            self._access.check_current(caller, now)
            self._access.check_signature(service, operation, headers, body, now)
            service.codec.check_content_type(kind)
            parameters = service.codec.decode(body, service.describe(operation))
        except ServiceError as error:
            refused = error if service is None else service.codec.renamed(error)
        request = Request(
            operation, parameters, caller, now, request_id(self._new_id()), headers, refused=refused, target=target
        )
        self._meet(request)
        self._journal.note_arrival(request)
        return request

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
        """Carry a request out if that is still to be done, and return the reply to it."""
        self.apply(request)
        try:
            reply = self.replies.reply(request)
        except Exception as error:  # noqa: BLE001 - as above
            self._confess(request, error)
            reply = self.replies.refuse(request, request.refused or ServiceError("InternalFailure", ""))
        if reply.is_nothing:
            return self.abandon(request)
        request.status = reply.status
        self._journal.note_end(request)
        return reply

    def abandon(self, request: Request) -> Reply:
        """Give a request no answer."""
        request.dropped = True
        self._journal.note_end(request)
        return NOTHING

    def note_bug(self, what: str, error: Exception) -> None:
        """Log a failure of the emulator's own, and keep it for whoever stops it."""
        _log.error("%s: the emulator failed", what, exc_info=error)
        _forget_locals(error)
        self.bugs.append(error)

    def _meet(self, request: Request) -> None:
        try:
            request.fault = self._faults.match(request.operation, request.parameters)
        except Exception as error:  # noqa: BLE001 - a fault's own `when` may fail
            self._confess(request, error)

    def _confess(self, request: Request, error: Exception) -> None:
        self.note_bug(request.operation, error)
        request.fault = None
        request.refused = ServiceError("InternalFailure", "The emulator failed; its log says how.")

    def _carry_out(self, request: Request) -> None:
        service, name = addressed(request.target)
        operation = None if service is None else service.describe(name)
        if service is None or operation is None:
            raise _unknown() if service is None else service.codec.renamed(_unknown())
        try:
            self._access.check_permission(service, request)
            wire.check(operation, request.parameters)
            answer = self._handle(service.handlers[name], request)
        except ServiceError as error:
            raise _listed(operation, service.codec, error) from None
        wire.check_answer(operation, answer)
        request.answer = answer

    def _handle(self, handler: Handler, request: Request) -> Answer:
        with self._lock:
            now = request.moment = self._clock.now()
            known = self._idempotency.first_answer(request, now)
            if known is not None:
                request.replayed = True
                return known
            limits = request.fault.limits if request.fault is not None else None
            call = Call(self._state, request.caller, now, self._new_id, self._signing, limits)
            answer = handler(call, request.parameters)
            self._idempotency.remember(request, answer, now)
            return answer


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


def _listed(operation: Operation, codec: Codec, error: ServiceError) -> ServiceError:
    """Return an error that the operation lists: most have only one of the errors for a wrong request."""
    if error.code in operation.errors:
        return error
    others = [code for code in _WRONG if code in operation.errors and error.code in _WRONG]
    return ServiceError(others[0], error.message) if others else codec.renamed(error)


def _forget_locals(error: BaseException | None) -> None:
    """Empty the frames of an error, for they hold tokens, and test runners show local variables."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _unknown() -> ServiceError:
    return ServiceError("UnknownOperationException", "The operation is not known.")
