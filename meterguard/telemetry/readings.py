"""Readings: how each event is counted, alike for every system of metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from ..errors import ConfigurationError, EntitlementUnavailable
from ..events import (
    BorrowEnding,
    CheckInFailed,
    EntitlementRefused,
    Event,
    GraceEnded,
    GraceEntered,
    LeaseCheckedIn,
    LeaseCheckedOut,
    LeaseLapsed,
    LeaseLost,
    LeaseRenewed,
    LedgerUnavailable,
    LicenseBorrowed,
    LicenseReturned,
    LowWater,
    ServiceUnavailable,
    UnitsCharged,
    UnitsDrawn,
    UnitsLost,
    UnitsOwed,
    UsageDiffers,
    UsageGivenUp,
    UsagePending,
    UsageRejected,
    UsageReported,
)
from ..guard import MeterGuard
from ..model import Entitlement, shortened

CHECKOUTS, RENEWALS, CHECK_INS, LAPSES, GRACE = "checkouts", "renewals", "check_ins", "lapses", "grace.changes"
BORROWS, LEDGER, METERING = "borrow.changes", "ledger.failures", "metering.records"
DRAWN, CHARGED, LOST, OWED = "units.drawn", "units.charged", "units.lost", "units.borrowed"

COUNTERS = {
    CHECKOUTS: "Checkouts that were answered, or given up",
    RENEWALS: "Renewals that were answered, or given up",
    CHECK_INS: "Leases given back",
    LAPSES: "Leases that ended unrenewed",
    GRACE: "Requirements that entered grace, or left it",
    BORROWS: "Licences that were borrowed or returned, or that end within the hour",
    LEDGER: "Times that the ledger could not be read or written",
    METERING: "Metering records for AWS Marketplace, by what became of them; pending ones at each attempt",
}
UNITS = {
    DRAWN: "Units that were checked out for good",
    CHARGED: "Units that calls have used",
    LOST: "Units in the hands of processes that died",
    OWED: "Units that were used on credit",
}
BALANCES = {
    "left": "Units that are drawn and free to be used",
    "reserved": "Units in the hands of calls and processes",
    "owed": "Units used on credit, to be charged first",
}
"""Gauges, by the member of a balance that they show."""
RUN_OUT = "Time at which the licence runs out of units at the rate of the last seven days, in seconds since the epoch"
DURATION = "Seconds that a checkout took, retries included"
ACTIVE = "Leases that this process holds"

# Up to the ten seconds of a guard's default timeout.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

_NO_CODE = "_OTHER"  # the value that OpenTelemetry has for it


class Reading(NamedTuple):
    """One more on a counter."""

    counter: str
    name: str
    outcome: str
    """Empty where there is only one outcome."""
    error: str = ""
    """The reason of a denial, the code of a failure."""
    duration: float | None = None
    """Seconds, for the histogram of checkouts."""
    amount: int = 1


class Stock(NamedTuple):
    """Units of one entitlement now."""

    gauge: str
    name: str
    units: int


_COUNTS = {
    LeaseCheckedOut: (CHECKOUTS, "ok"),
    EntitlementRefused: (CHECKOUTS, "denied"),
    ServiceUnavailable: (CHECKOUTS, "unknown"),
    LeaseRenewed: (RENEWALS, "ok"),
    LeaseLost: (RENEWALS, "lost"),
    LeaseCheckedIn: (CHECK_INS, "ok"),
    CheckInFailed: (CHECK_INS, "failed"),
    LeaseLapsed: (LAPSES, ""),
    GraceEntered: (GRACE, "entered"),
    GraceEnded: (GRACE, "ran_out"),
    LicenseBorrowed: (BORROWS, "borrowed"),
    LicenseReturned: (BORROWS, "returned"),
    BorrowEnding: (BORROWS, "ending"),
    LedgerUnavailable: (LEDGER, ""),
    UnitsDrawn: (DRAWN, ""),
    UnitsCharged: (CHARGED, ""),
    UnitsLost: (LOST, ""),
    UnitsOwed: (OWED, ""),
    UsageReported: (METERING, "reported"),
    UsageDiffers: (METERING, "differs"),
    UsageRejected: (METERING, "rejected"),
    UsageGivenUp: (METERING, "given_up"),
    UsagePending: (METERING, "pending"),
}


_NO_LEASES = (
    *(UnitsDrawn, UnitsCharged, UnitsLost, UnitsOwed, LowWater, LedgerUnavailable),
    *(LicenseBorrowed, LicenseReturned, BorrowEnding),
    *(UsageReported, UsageDiffers, UsageRejected, UsageGivenUp, UsagePending),
)


def check_guard(guard: object) -> None:
    """Refuse what is neither a guard nor None.

    :raises ConfigurationError: it is something else.
    """
    if guard is not None and not isinstance(guard, MeterGuard):
        raise ConfigurationError(f"guard must be a MeterGuard or None; got {shortened(guard)}")


def reading(event: Event) -> Reading | None:
    """Return the reading for an event; None for a kind that is not counted."""
    if type(event) not in _COUNTS:
        return None
    counter, outcome = _COUNTS[type(event)]
    took: float | None = None
    amount = 1
    match event:
        case EntitlementRefused(renewing=True) | ServiceUnavailable(renewing=True):
            counter = RENEWALS
        case LeaseCheckedOut() | EntitlementRefused() | ServiceUnavailable():
            took = event.duration
        case GraceEnded(recovered=True):
            outcome = "recovered"
        case UnitsDrawn() | UnitsCharged() | UnitsLost() | UnitsOwed():
            amount = event.units
        case UsagePending():
            amount = event.records or 1  # a ledger that cannot be read says no number
    return Reading(counter, named(event.entitlements), outcome, _error(event), took, amount)


def is_of_leases(event: Event) -> bool:
    """Tell whether an event is of something that may be held, and no licence as a whole; units are used up."""
    return not isinstance(event, _NO_LEASES)


def begun(name: str) -> list[Reading]:
    """Return the readings that begin at 0 with a new name: the first alarm must be seen as an increase."""
    return [Reading(GRACE, name, outcome) for outcome in ("entered", "recovered", "ran_out")]


def beside(one: Reading) -> list[Reading]:
    """Return the readings that begin at 0 with this one, for the same reason: what is not billed is rare."""
    if one.counter != METERING:
        return []
    return [Reading(METERING, one.name, outcome) for outcome in ("differs", "rejected", "given_up")]


def _error(event: Event) -> str:
    match event:
        case EntitlementRefused(reason=reason):
            return reason.value
        case ServiceUnavailable(code=code) | LeaseLost(code=code) | CheckInFailed(code=code) | UsagePending(code=code):
            return code or _NO_CODE
    return ""


def named(entitlements: Iterable[Entitlement]) -> str:
    """Return the label of a requirement, the same on everything that is counted of it."""
    return " & ".join(one.name for one in entitlements)


def active(guards: Iterable[MeterGuard]) -> Counter[str]:
    """Count the leases held, by label. No event tells of a fork, or of a lease left to lapse, so they are looked up."""
    return Counter(named(lease.entitlements) for guard in guards for lease in guard.leases())


def stocks(guards: Iterable[MeterGuard]) -> list[Stock]:
    """Return the units that are left, reserved and owed, as the ledgers say.

    A ledger is read only where this process has drawn from it. One that cannot be read now tells nothing.
    """
    sums: Counter[tuple[str, str]] = Counter()
    for one in guards:
        till = one.till_in_use
        if till is None or not till.draws.slices():
            continue
        try:
            found = one.ledger.summary()
        except (ConfigurationError, EntitlementUnavailable):
            continue
        for name, balance in found.items():
            for gauge in BALANCES:
                sums[gauge, name] += getattr(balance, gauge)
    return [Stock(gauge, name, units) for (gauge, name), units in sorted(sums.items())]


def run_outs(guards: Iterable[MeterGuard]) -> dict[str, float]:
    """Return when licences run out of units, by entitlement, as far as it is known; the earliest time counts.

    Nobody is asked for it: it needs what ``GetLicenseUsage`` said last, after a block or a denial.
    """
    found: dict[str, float] = {}
    for one in guards:
        till, engine = one.till_in_use, one.engine_in_use
        known = engine.survey.known() if till is not None and engine is not None else ()
        if not known:
            continue
        try:
            forecasts = one.ledger.forecast(datetime.now(UTC), known)
        except (ConfigurationError, EntitlementUnavailable):
            continue
        for name, forecast in forecasts.items():
            if forecast.runs_out_at is not None:
                found[name] = min(found.get(name, math.inf), forecast.runs_out_at.timestamp())
    return found
