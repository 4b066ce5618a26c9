"""Faults to order: which requests go wrong, how, and how often. What a fault does to a reply is in `damage`.

Strictly first in, first out: one request meets at most one fault, the oldest that matches and has times left.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any, Final, Literal

from .clock import Clock
from .errors import UnknownArgument
from .fault_terms import check_fault
from .moments import Duration, seconds_of
from .rules import Rule, check

__all__ = ("OPTIONS", "Fault", "Faults", "Partial")

Partial = Mapping[str, int | None] | Collection[str]
"""What to leave out: names, or names with the most that may be given (None or 0: leave out)."""

Body = Literal["garbled", "cut", "empty"] | bytes


@dataclass(eq=False, kw_only=True)
class Fault:
    """One fault. See :meth:`Faults.add` for what each field does."""

    operation: str
    error: str | None = None
    message: str | None = None
    status: int | None = None
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0
    hold: bool = False
    drop: Literal["before", "after"] | None = None
    body: Body | None = None
    partial: Partial | None = None
    strip: Collection[str] = ()
    skew: float = 0
    lifetime: float | str | None = None
    applied: bool = False
    times: int | None = 1
    skip: int = 0
    probability: float = 1
    seed: int | None = None
    after: Duration = 0
    until: Duration | None = None
    when: Callable[[Mapping[str, Any]], bool] | None = None

    used: int = field(default=0, init=False)
    """How many requests have met it."""
    id: int = field(default=0, init=False)
    """Its number among those of its emulator."""
    _added: float = field(default=0, init=False, repr=False)
    _released: bool = field(default=False, init=False, repr=False)
    _waiting: list[Callable[[], None]] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        check_fault(self)
        self.strip = (self.strip,) if isinstance(self.strip, str) else tuple(self.strip)
        self.limits = _limits(self.partial)
        if self.seed is None and self.probability < 1:
            # A seed that can be read, so that what happened can be had again.
            self.seed = random.SystemRandom().randrange(2**32)
        self._random = random.Random(self.seed)

    def begin(self, number: int, now: float) -> None:
        """Give it its number, and count its schedule from this moment of the emulator's clock."""
        self.id = number
        self._added = now

    def options(self) -> dict[str, Any]:
        """What it was told, without what is so by default."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return {name: value for name, value in told.items() if value != getattr(_PLAIN, name)}

    def release(self) -> None:
        """Let go of the requests that ``hold`` holds, and of all that still come."""
        with self._lock:
            self._released = True
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def call_when_released(self, wake: Callable[[], None]) -> None:
        """Call something once the fault is released; at once if it is."""
        with self._lock:
            if not self._released:
                self._waiting.append(wake)
                return
        wake()

    @property
    def waits(self) -> bool:
        """Whether a request that meets it has to wait."""
        return self.latency > 0 or (self.hold and not self._released)

    @property
    def refuses(self) -> bool:
        """Whether it answers in the service's stead."""
        return self.error is not None or self.status is not None

    @property
    def is_applied(self) -> bool:
        """Whether the request takes effect all the same."""
        if self.drop is not None:
            return self.drop == "after"
        return self.applied if self.refuses else True

    @property
    def is_spent(self) -> bool:
        """Whether it has no times left."""
        return self.times is not None and self.used >= self.times

    def meets(self, operation: str, parameters: Mapping[str, Any], now: float) -> bool:
        """Whether this request is one of its own. Counts, so ask once for each request."""
        if self.is_spent or self.operation not in ("*", operation) or not self._is_due(now):
            return False
        if self.when is not None and not self.when(parameters):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self._random.random() >= self.probability:
            return False
        self.used += 1
        return True

    def _is_due(self, now: float) -> bool:
        passed = now - self._added
        return seconds_of(self.after) <= passed and (self.until is None or passed < seconds_of(self.until))


def _limits(partial: Partial | None) -> Mapping[str, int] | None:
    if partial is None:
        return None
    if isinstance(partial, str):
        return {partial: 0}
    if isinstance(partial, Mapping):
        return {name: most or 0 for name, most in partial.items()}
    return dict.fromkeys(partial, 0)


OPTIONS = frozenset(one.name for one in fields(Fault) if one.init) - {"operation"}
"""What :meth:`Faults.add` may be told."""
_PLAIN = Fault(operation="*")
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

    def add(self, operation: str, **options: Any) -> Fault:
        """Let requests of an operation (``"*"``: of any) go wrong.

        Args:
            operation: The operation's name, or ``"*"``.
            options: How, and how often, as listed.

        - ``error``: the code of the error to answer, modelled or not, with the status that belongs to it
        - ``message``: the text of that error
        - ``status``: the HTTP status to answer; without ``error`` the body is a proxy's HTML page
        - ``location``: the ``Location`` of a ``RedirectException``
        - ``headers``: further headers of the answer
        - ``latency``: seconds to wait before anything else happens
        - ``hold``: wait until `Fault.release` is called on what this method returns
        - ``drop``: close the connection ``"before"`` the request takes effect, or ``"after"`` it did
        - ``body``: spoil the body: ``"garbled"``, ``"cut"`` (ends too soon), ``"empty"``, or these bytes
        - ``partial``: allow less than asked: the names to leave out, or a mapping of name to the most given
        - ``strip``: members to leave out of the answer
        - ``skew``: seconds by which the service's clock is wrong in its times and its ``Date``
        - ``lifetime``: let ``Expiration`` be this many seconds after ``IssuedAt``, or be this text
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
        """Take back a fault; what it holds is released."""
        check({"fault": _FAULT}, {"fault": fault})
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)
        fault.release()

    def clear(self) -> None:
        """Take back all faults, an outage too."""
        for fault in self:
            self.remove(fault)
        self.end_outage()

    @contextmanager
    def active(self, operation: str, **options: Any) -> Iterator[Fault]:
        """Add a fault for the length of a ``with`` block; ``times`` is None unless given."""
        fault = self.add(operation, **{"times": None, **options})
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
        """The fault that stands before all others, if there is one."""
        return self._outage

    def begin_outage(self, **options: Any) -> AbstractContextManager[Fault]:
        """Let a fault of all operations stand before all others, from now on; the end of a block ends it."""
        fault = self._begun("*", {"times": None, **options})
        self._replace_outage(fault)
        return self._ending_outage(fault)

    def end_outage(self) -> None:
        """Take back the fault that stands before all others, if there is one."""
        self._replace_outage(None)

    def match(self, operation: str, parameters: Mapping[str, Any]) -> Fault | None:
        """The fault that this request meets, if any."""
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

    def _begun(self, operation: str, options: Mapping[str, Any]) -> Fault:
        unknown = options.keys() - OPTIONS
        if unknown:
            raise UnknownArgument(
                f"unknown option: {', '.join(sorted(unknown))}; known are {', '.join(sorted(OPTIONS))}"
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
