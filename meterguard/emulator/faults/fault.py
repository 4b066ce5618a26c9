"""A fault: which requests go wrong, how, and how often."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from ..protocol.forgeries import Tamper
from ..protocol.messages import Parameters
from ..protocol.moments import Duration, seconds_of
from .options import Body, Partial, check_options

__all__ = ("OPTIONS", "Fault")


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
    tamper: Tamper | None = None
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)
    applied: bool = False
    times: int | None = 1
    skip: int = 0
    probability: float = 1
    seed: int | None = None
    after: Duration = 0
    until: Duration | None = None
    when: Callable[[Parameters], bool] | None = None

    used: int = field(default=0, init=False)
    """The number of requests that have met it."""
    id: int = field(default=0, init=False)
    """Its number among those of its emulator."""
    _added: float = field(default=0, init=False, repr=False)
    _released: bool = field(default=False, init=False, repr=False)
    _waiting: list[Callable[[], None]] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        check_options({one.name: getattr(self, one.name) for one in fields(self) if one.init})
        self.strip = (self.strip,) if isinstance(self.strip, str) else tuple(self.strip)
        self.limits = _limits(self.partial)
        if self.seed is None and self.probability < 1:
            # The seed can be read, so that a run can be repeated.
            self.seed = random.SystemRandom().randrange(2**32)
        self._random = random.Random(self.seed)

    def begin(self, number: int, now: float) -> None:
        """Set the fault's number, and count its schedule from this moment of the emulator's clock."""
        self.id = number
        self._added = now

    def options(self) -> dict[str, object]:
        """Return the options that differ from their defaults."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return {name: value for name, value in told.items() if value != getattr(_PLAIN, name)}

    def release(self) -> None:
        """Release the requests that ``hold`` holds, and all that still come."""
        with self._lock:
            self._released = True
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def call_when_released(self, wake: Callable[[], None]) -> None:
        """Call a function once the fault is released; at once if it was."""
        with self._lock:
            if not self._released:
                self._waiting.append(wake)
                return
        wake()

    @property
    def waits(self) -> bool:
        """Return whether a request that meets the fault has to wait."""
        return self.latency > 0 or (self.hold and not self._released)

    @property
    def refuses(self) -> bool:
        """Return whether the fault answers in place of the service."""
        return self.error is not None or self.status is not None

    @property
    def is_applied(self) -> bool:
        """Return whether the request takes effect all the same."""
        if self.drop is not None:
            return self.drop == "after"
        return self.applied if self.refuses else True

    @property
    def is_spent(self) -> bool:
        """Return whether the fault has no times left."""
        return self.times is not None and self.used >= self.times

    def meets(self, operation: str, parameters: Parameters, now: float) -> bool:
        """Return whether a request meets the fault. The request is counted, so ask once for each."""
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


OPTIONS: Final = frozenset(one.name for one in fields(Fault) if one.init) - {"operation"}
"""The names of the options of :meth:`Faults.add`."""
_PLAIN: Final = Fault(operation="*")
