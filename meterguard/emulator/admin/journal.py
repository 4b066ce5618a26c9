"""The journal of requests: each request with its outcome, for tests to look at and wait for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..faults.fault import Fault
from ..protocol.errors import ServiceError
from ..protocol.messages import Answer, Caller, RawHeaders
from ..protocol.redaction import hidden, shown
from ..state.clock import elapsed

__all__ = ("Journal", "Request")


@dataclass(slots=True, eq=False)
class Request:
    """One request that arrived, with its outcome."""

    operation: str
    """The name of the operation that was asked for, also if the service has no such operation."""
    parameters: dict[str, Any]
    """The members of the body, as sent; empty if it could not be read. The repr leaves out its tokens and ARNs."""
    caller: Caller
    at: float
    """The moment when it arrived, by the emulator's clock."""
    request_id: str
    raw_headers: RawHeaders = field(default=(), repr=False)
    in_flight: int = 1
    """The number of requests of the operation that were in the air when it had arrived, itself included."""
    status: int | None = None
    """The HTTP status of the answer; None while it is under way, and if none was sent."""
    error: str | None = None
    """The code of the error answered."""
    dropped: bool = False
    """True if the connection was closed instead of an answer."""
    replayed: bool = False
    """True if its ``ClientToken`` was known, so that it got the first answer again."""
    fault: Fault | None = None
    """The fault that it met."""
    done: bool = False
    """True once it has been answered or dropped."""
    refused: ServiceError | None = field(default=None, repr=False)
    """The reason why it was not carried out."""
    answer: Answer | None = field(default=None, repr=False)
    """The answer, before a fault spoiled it."""
    target: str = field(default="", repr=False)
    """The service and the operation, as its header named them."""
    moment: float | None = field(default=None, repr=False)
    """The moment when it took effect or was refused, by the emulator's clock."""

    def __repr__(self) -> str:
        outcome = "dropped" if self.dropped else self.error or self.status or "under way"
        replayed = ", replayed" if self.replayed else ""
        return f"<Request {shown(self.operation)} {hidden(self.parameters)}: {outcome}{replayed}>"

    @property
    def waits(self) -> bool:
        """Return whether the request meets a fault that makes it wait."""
        return self.fault is not None and self.fault.waits

    @property
    def account(self) -> str:
        """The account that called."""
        return self.caller.account

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with their names in lower case."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}

    @property
    def client_token(self) -> str | None:
        """The ``ClientToken`` sent."""
        token = self.parameters.get("ClientToken")
        return token if isinstance(token, str) else None


class Journal:
    """The requests that an emulator remembers.

    Args:
        most: How many of the latest requests are remembered; None: all.
        on_request: Called with each request once it is answered or dropped.
    """

    def __init__(self, most: int | None = None, on_request: Callable[[Request], None] | None = None) -> None:
        self.requests: list[Request] = []
        self._most = most
        self._on_request = on_request
        self._in_flight: Counter[str] = Counter()
        self._change = threading.Condition()

    def note_arrival(self, request: Request) -> None:
        """Remember a request that has arrived."""
        with self._change:
            self._in_flight[request.operation] += 1
            request.in_flight = self._in_flight[request.operation]
            self.requests.append(request)
            if self._most is not None:
                del self.requests[: -self._most]
            self._change.notify_all()

    def note_end(self, request: Request) -> None:
        """Note that a request has been answered or dropped."""
        with self._change:
            request.done = True
            self._in_flight[request.operation] -= 1
            self._change.notify_all()
        if self._on_request is not None:
            self._on_request(request)

    def count(self, operation: str | None = None, *, done: bool = False) -> int:
        """Return how many requests arrived, of one operation or of all; with ``done``, how many have ended."""
        return sum(operation in (None, one.operation) and one.done >= done for one in tuple(self.requests))

    def wait_for(self, operation: str, count: int, timeout: float, *, done: bool = False) -> bool:
        """Wait until so many requests have arrived or ended. Return False if that takes longer than the timeout."""
        deadline = elapsed() + timeout
        with self._change:
            while self.count(operation, done=done) < count:
                left = deadline - elapsed()
                if left <= 0:
                    return False
                self._change.wait(left)
        return True
