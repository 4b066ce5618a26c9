"""The faults that wait for requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Final, Unpack

from ..protocol.errors import UnknownArgument
from ..protocol.messages import Parameters
from ..protocol.validation import Rule, check
from ..state.clock import Clock
from .fault import OPTIONS, Fault
from .options import FaultOptions

__all__ = ("Faults",)

_FAULT: Final[Rule] = (lambda value: isinstance(value, Fault), "a fault that was added")


class Faults:
    """The faults that wait for requests, in the order in which they were added."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = count(1)
        self._lock = threading.RLock()
        self._faults: list[Fault] = []
        self._outage: Fault | None = None
        self._paused = 0

    def __len__(self) -> int:
        return len(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults))

    def add(self, operation: str, **options: Unpack[FaultOptions]) -> Fault:
        """Let requests of an operation go wrong.

        Args:
            operation: The operation's name, or ``"*"``.
            options: The options listed below say how, and how often.

        - ``error``: the code of the error to answer, modelled or not, with the status that belongs to it
        - ``message``: the text of that error
        - ``status``: the HTTP status to answer; without ``error`` the body is a proxy's HTML page
        - ``location``: the ``Location`` of a ``RedirectException``
        - ``headers``: further headers of the answer
        - ``latency``: seconds to wait before anything else happens
        - ``hold``: wait until `Fault.release` is called on what this method returns
        - ``drop``: close the connection ``"before"`` the request takes effect, or ``"after"`` it did
        - ``body``: spoil the body: ``"garbled"``, ``"cut"`` (ends too soon), ``"empty"``, or these bytes
        - ``partial``: allow less than asked: the names to leave out, or a mapping of name to the most given; of
          ``BatchMeterUsage`` the dimensions whose records are left unprocessed, ``"*"`` for all others, or the most
          records of each that are processed
        - ``strip``: members to leave out of the answer
        - ``skew``: seconds by which the service's clock is wrong in its times and its ``Date``
        - ``lifetime``: let ``Expiration`` be this many seconds after ``IssuedAt``, or be this text
        - ``tamper``: spoil the ``SignedToken`` of the answer: its ``"signature"`` or its ``"payload"`` is changed,
          another ``"key"`` has signed it, its algorithm is ``"none"``, or ``"hs256"`` with the public key for a secret,
          or it is a ``"replay"`` of an earlier answer to the same operation
        - ``claims``: claims that the token says otherwise, signed with the right key unless ``tamper`` is given too;
          None leaves a claim out
        - ``applied``: let the request take effect although ``error`` or ``status`` is answered; with
          ``latency`` or ``hold`` let it take effect before the wait instead of after it
        - ``times``: for how many requests; by default 1, None for all
        - ``skip``: how many matching requests to spare first
        - ``probability``: how likely a matching request is to meet it; by default 1, which is always
        - ``seed``: a number that makes ``probability`` choose the same requests of a sequence in every run; by
          default a new one, which stands in ``Fault.seed``
        - ``after``, ``until``: when it begins and when it is over, as durations from now on the emulator's clock;
          by default at once and never
        - ``when``: a function of the request's parameters that says whether it is meant
        """
        fault = self._begun(operation, options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Remove a fault, and release the requests that it holds."""
        check({"fault": _FAULT}, {"fault": fault})
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)
        fault.release()

    def clear(self) -> None:
        """Remove all faults, an outage too."""
        for fault in self:
            self.remove(fault)
        self.end_outage()

    @contextmanager
    def active(self, operation: str, **options: Unpack[FaultOptions]) -> Iterator[Fault]:
        """Add a fault for the length of a ``with`` block; ``times`` is None unless given."""
        options.setdefault("times", None)
        fault = self.add(operation, **options)
        try:
            yield fault
        finally:
            self.remove(fault)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no fault strike for the length of a ``with`` block."""
        with self._lock:
            self._paused += 1
        try:
            yield
        finally:
            with self._lock:
                self._paused -= 1

    @property
    def outage(self) -> Fault | None:
        """Return the fault that stands before all others, if there is one."""
        return self._outage

    def begin_outage(self, **options: Unpack[FaultOptions]) -> AbstractContextManager[Fault]:
        """Begin an outage: a fault of all operations that stands before all others.

        The end of a ``with`` block, or `end_outage`, ends it.
        """
        options.setdefault("times", None)
        fault = self._begun("*", options)
        self._replace_outage(fault)
        return self._ending_outage(fault)

    def end_outage(self) -> None:
        """End the outage, if there is one."""
        self._replace_outage(None)

    def match(self, operation: str, parameters: Parameters) -> Fault | None:
        """Return the fault that a request meets, if there is one."""
        if self._outage is None and not self._faults:
            return None
        now = self._clock.now()
        with self._lock:
            if self._paused:
                return None
            for fault in (self._outage, *self._faults):
                if fault is not None and fault.meets(operation, parameters, now):
                    return fault
        return None

    def _begun(self, operation: str, options: FaultOptions) -> Fault:
        unknown = options.keys() - OPTIONS
        if unknown:
            raise UnknownArgument(
                f"a fault has no option {', '.join(sorted(unknown))}; it may have {', '.join(sorted(OPTIONS))}"
            )
        fault = Fault(operation=operation, **options)
        fault.begin(next(self._ids), self._clock.now())
        return fault

    @contextmanager
    def _ending_outage(self, fault: Fault) -> Iterator[Fault]:
        try:
            yield fault
        finally:
            self.end_outage()

    def _replace_outage(self, fault: Fault | None) -> None:
        with self._lock:
            before, self._outage = self._outage, fault
        if before is not None:
            before.release()
