"""Events for subscribers, as frozen records. None of them carries a token, ARN or fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from .model import Entitlement
from .reasons import Reason


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a requirement."""

    entitlements: tuple[Entitlement, ...]
    """The requirement that it concerns."""

    def __str__(self) -> str:
        what = " and ".join(str(one) for one in self.entitlements)
        rest = (f"{one.name}={_shown(getattr(self, one.name))}" for one in fields(self)[1:])
        return " ".join([f"{type(self).__name__}: {what}", *rest])


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class LicenseBorrowed(Event):
    """A licence was borrowed: it covers these entitlements without a network."""

    remaining: float
    """Seconds until it ends."""


@dataclass(frozen=True, slots=True)
class LicenseReturned(Event):
    """A borrowed licence was given back before its end."""


@dataclass(frozen=True, slots=True)
class BorrowEnding(Event):
    """A borrowed licence ends in an hour or less. Told once for each licence, by each process that uses it."""

    remaining: float
    """Seconds until it ends."""


@dataclass(frozen=True, slots=True)
class UnitsDrawn(Event):
    """Units were checked out for good."""

    units: int
    duration: float
    """Seconds the checkout took, retries included."""


@dataclass(frozen=True, slots=True)
class UnitsCharged(Event):
    """Units were used. Told to subscribers and not to the log, for there may be many."""

    units: int
    subject: str | None


@dataclass(frozen=True, slots=True)
class UnitsLost(Event):
    """A process died with units in its hands. Whether they were used nobody can say, so they are not used again."""

    units: int


@dataclass(frozen=True, slots=True)
class UnitsOwed(Event):
    """Units are used on credit, for the service cannot be asked; they are charged first when it answers again."""

    units: int


@dataclass(frozen=True, slots=True)
class LowWater(Event):
    """So much of the licence's units has been drawn. Told once for each mark, by one of a ledger's processes."""

    percent: int
    """The mark that was reached: 80, 95 or 100."""
    consumed: int
    """Units drawn by all who use the licence, as ``GetLicenseUsage`` says; more than the maximum under overage."""
    maximum: int


@dataclass(frozen=True, slots=True)
class LedgerUnavailable(Event):
    """The ledger could not be read or written. What is not written yet is kept, and tried again."""

    problem: str


@dataclass(frozen=True, slots=True)
class UsageReported(Event):
    """AWS Marketplace has taken a metering record."""

    dimension: str | None
    quantity: Decimal
    start: datetime
    """The start of its hour."""


@dataclass(frozen=True, slots=True)
class UsageDiffers(Event):
    """AWS Marketplace has another quantity for this hour already, and bills that one."""

    dimension: str | None
    quantity: Decimal
    """The one that was reported here, and that is not billed."""
    start: datetime
    code: str | None


@dataclass(frozen=True, slots=True)
class UsageRejected(Event):
    """AWS Marketplace has refused a metering record, and would again. It is not billed."""

    dimension: str | None
    quantity: Decimal
    start: datetime
    code: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class UsageGivenUp(Event):
    """Usage is so old that AWS Marketplace takes no record of it any more."""

    dimension: str | None
    """None where nobody knew for whom it was."""
    quantity: Decimal
    start: datetime
    was_never_sent: bool
    """True where it is surely not billed; False where an answer was lost, or none came."""


@dataclass(frozen=True, slots=True)
class UsagePending(Event):
    """Usage could not be reported now. It is tried again."""

    records: int
    """How many metering records wait; 0 where that is not known."""
    code: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class LeaseCheckedOut(Event):
    """A lease was checked out."""

    lifetime: float
    """Seconds the lease lives unless it is renewed."""
    duration: float
    """Seconds the checkout took, retries included."""


@dataclass(frozen=True, slots=True)
class LeaseJoined(Event):
    """A lease that another process of the store has checked out, or a borrowed licence, is used here. Takes no unit."""

    lifetime: float
    """Seconds the lease lives unless it is renewed."""
    duration: float
    """Seconds that it took."""


@dataclass(frozen=True, slots=True)
class LeaseLeft(Event):
    """A lease is no longer used here. Others use it or have given it back already, or it is of a borrowed licence."""


@dataclass(frozen=True, slots=True)
class LeaseRenewed(Event):
    """A lease was renewed before its end, or confirmed after the clocks disagreed."""

    lifetime: float
    """Seconds it lives from this renewal on."""
    duration: float
    """Seconds the renewal took, retries included."""


@dataclass(frozen=True, slots=True)
class LeaseCheckedIn(Event):
    """A lease was checked in."""


@dataclass(frozen=True, slots=True)
class CheckInFailed(Event):
    """A lease could not be checked in. It is tried again until it goes back or lapses; this is told once."""

    code: str | None


@dataclass(frozen=True, slots=True)
class LeaseLapsed(Event):
    """A lease ended unrenewed."""


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    """The service no longer knows a lease that should have been live."""

    code: str | None


@dataclass(frozen=True, slots=True)
class EntitlementRefused(Event):
    """The service said no."""

    reason: Reason
    code: str | None
    request_id: str | None
    duration: float
    """Seconds that it took, retries included."""
    renewing: bool
    """True when it was a renewal, False when it was a checkout."""


@dataclass(frozen=True, slots=True)
class ServiceUnavailable(Event):
    """The service could not be asked, all retries included."""

    code: str | None
    request_id: str | None
    duration: float
    """Seconds that it took, retries included."""
    renewing: bool
    """True when it was a renewal, False when it was a checkout."""


@dataclass(frozen=True, slots=True)
class GraceEntered(Event):
    """Calls go on without a live lease, since the last good answer is recent enough."""

    remaining: float
    """Seconds until grace ends, unless the service answers."""


@dataclass(frozen=True, slots=True)
class GraceEnded(Event):
    """Grace is over."""

    recovered: bool
    """True when the service answered again, False when time ran out."""
