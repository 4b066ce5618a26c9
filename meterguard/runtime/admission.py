"""An admission: one call that was let in, and what it holds while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.requirements import Requirement
from ..errors import EntitlementUnavailable
from ..lease import Lease, LeaseFacts
from ..reasons import Reason
from .records import Record
from .seats import Seats


@dataclass(slots=True)
class Admission:
    """Why a call was let in, and under which lease."""

    reason: Reason
    requirement: Requirement
    age: float = 0.0
    """Seconds since the service last gave the answer that this one rests on."""
    record: Record | None = None
    """Where its lease is, or was; None under ``"allow"``."""
    is_pinned: bool = False
    """True while the call holds its lease: not in grace."""
    fault: EntitlementUnavailable | None = None
    """What kept the service from answering, when it did not."""
    seats: Seats | None = None
    """Where a call with a seat of its own is counted while it runs."""
    is_unpinned: bool = False
    """True once the call holds its lease no longer."""
    take_back: Callable[[Admission], object] | None = None
    """Releases what an interrupted caller never got, or never released; None once it was released."""

    def __post_init__(self) -> None:
        if self.take_back is not None:
            self.__class__ = _Outstanding  # pyright: ignore[reportAttributeAccessIssue] - it has the same slots

    def end(self) -> None:
        """Hold nothing any more."""
        self.take_back = None
        self.__class__ = Admission  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def lease(self) -> Lease:
        """The lease that the call runs under; in grace the one that ended, without any one that was never live."""
        lease = None if self.record is None else self.record.lease()
        return lease or Lease(LeaseFacts(self.requirement), _nothing)


class _Outstanding(Admission):
    """One that is not released yet.

    The others have no finalizer: a signal handler's exception, raised while one runs, would be lost.
    """

    __slots__ = ()

    def __del__(self) -> None:
        if self.take_back is not None:
            self.take_back(self)


def _nothing() -> float:
    return 0.0
