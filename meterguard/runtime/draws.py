"""Draws: how a call gets units to use, and how what it used is charged.

``seek`` is one generator for all callers, as the engine's: it yields what has to be waited for. Units that are free in
this process are reserved at once. When there are none, one flight for all who want them takes the next slice
from the ledger, and, where the ledger has none, draws the next block from the licence.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Generator
from typing import Any

from ..core import messages
from ..core.causes import gravest
from ..core.exhaustion import may_be_exhaustion, not_left, prove_used_up
from ..core.requirements import Requirement, Wish
from ..errors import EntitlementDenied, EntitlementUnavailable, MeterGuardError
from ..events import UnitsCharged
from ..model import Entitlement
from ..ports import Clock
from ..reasons import OnUnknown
from .clock import stopwatch
from .refills import Limits, Refills
from .slices import Reservation, Slice
from .teller import units_of
from .usage import UsageSurvey
from .waits import Wait

LOOKS = 16  # how often a call tries again to reserve units that others were faster to take
LENDING = 2.0  # seconds that a call waits for the overdraft when its time is up

Reservations = tuple[Reservation, ...]
Drawn = tuple[Requirement, Reservations]
"""The alternative that a call was let through with, and its units: none where policy lets it go on without."""
Seek = Generator[Wait, Any, Drawn]
Single = Generator[Wait, Any, "Reservation | Exception"]
Attempt = Generator[Wait, Any, "Reservations | Exception"]


class Draws:
    """The draws of one guard."""

    def __init__(
        self,
        refills: Refills,
        clock: Clock,
        limits: Limits,
        survey: UsageSurvey,
    ) -> None:
        self.refills = refills
        self._publisher = refills.teller.publisher
        self.clock = clock
        self.limits = limits
        self._survey = survey
        self.flush_soon: Callable[[Slice], None] = lambda _: None
        """Has what a slice has used written down."""
        self._lock = threading.Lock()
        self._slices: dict[tuple[str, str], Slice] = {}

    def slices(self) -> list[Slice]:
        """Return the slices of this process, a snapshot."""
        with self._lock:
            return list(self._slices.values())

    def slice(self, entitlement: Entitlement) -> Slice:
        """Return the slice of an entitlement's account, made when it is asked for first."""
        name, unit = key = (entitlement.name, entitlement.unit)
        part = self._slices.get(key)
        if part is None:
            with self._lock:
                part = self._slices.setdefault(key, Slice(self.limits.scope, name, unit.value, self.clock))
        return part

    def at_once(self, wish: Wish) -> Reservation | None:
        """Reserve what is free in this process already; None where it has to be sought."""
        requirement = wish.alternatives[0]
        if len(requirement) != 1:
            return None
        [entitlement] = requirement
        part = self._slices.get((entitlement.name, entitlement.unit)) or self.slice(entitlement)
        reservation = part.reserve(entitlement.value, wish.per_unit)  # type: ignore[arg-type] # it is counted
        if reservation is not None and part.free < part.low:
            self.refills.fetch_ahead(part, wish.block or part.size)
        return reservation

    # -- reserving -------------------------------------------------------------------------------

    def seek(self, wish: Wish) -> Seek:
        """Reserve what a call wishes; end with it, or with the error that says why not."""
        errors: list[Exception] = []
        for requirement in wish.alternatives:
            outcome = yield from self._reserve_all(requirement, wish)
            if not isinstance(outcome, Exception):
                return requirement, outcome
            errors.append(outcome)
        settled = self._without(errors, wish)
        if settled is None:
            return wish.alternatives[0], ()
        if isinstance(settled, EntitlementDenied) and may_be_exhaustion(settled):
            settled = copy.copy(settled)  # the one that is remembered is for other calls too, which may want less
            asked_at = max(self.slice(one).asked_at for one in settled.entitlements)
            prove_used_up(settled, (yield from self._survey.explaining(settled, asked_at)))
        raise copy.copy(settled) if isinstance(settled, MeterGuardError) else settled

    def probe(self, wish: Wish) -> Generator[Wait, Any, None]:
        """Raise the denial that :meth:`seek` would raise, as far as usage tells. Draws nothing."""
        denied: Exception | None = None
        for requirement in wish.alternatives:
            missing: list[Entitlement] = []
            for one in requirement:
                is_here = yield from self._is_here(one, wish)
                missing += [] if is_here else [self._in_units(one, wish)]
            usages = (yield self._survey.wait()) if missing else ()
            denied = None if usages is None else not_left(tuple(missing), usages)
            if denied is None:
                return
        if denied is not None:
            raise denied

    def _is_here(self, entitlement: Entitlement, wish: Wish) -> Generator[Wait, Any, bool]:
        """Find out whether this process, or its ledger, has units enough."""
        part, amount = self.slice(entitlement), int(entitlement.value or 0)
        units = part.needed(amount, wish.per_unit)
        if part.free < units:
            flight = self.refills.look(part, units - part.free, wish)
            yield Wait(flight.future, self.limits.policy.timeout)
        return part.free >= part.needed(amount, wish.per_unit)

    def _in_units(self, entitlement: Entitlement, wish: Wish) -> Entitlement:
        """Return what is missing, for people; a wish in parts would name a number that the licence does not know."""
        if wish.per_unit == 1:
            return entitlement
        part = self.slice(entitlement)
        return units_of(part, max(part.needed(int(entitlement.value or 0), wish.per_unit), 1))

    def _without(self, errors: list[Exception], wish: Wish) -> Exception | None:
        """Return the error when no alternative was granted; None where policy lets the call go on without units."""
        unknown = next((one for one in errors if isinstance(one, EntitlementUnavailable)), None)
        # a mistake of ours, or a no of IAM: the buyer controls IAM and the network alike
        grave = [one for one in errors if type(one) not in (EntitlementUnavailable, EntitlementDenied)]
        if unknown is None or grave:
            return gravest(grave or errors)
        if (wish.on_unknown or self.limits.policy.on_unknown) is OnUnknown.ALLOW:
            return None
        return unknown

    def _reserve_all(self, requirement: Requirement, wish: Wish) -> Attempt:
        reserved: list[Reservation] = []
        is_complete = False
        try:
            for entitlement in requirement:
                outcome = yield from self._reserve(entitlement, wish)
                if isinstance(outcome, Exception):
                    return outcome
                reserved.append(outcome)
            is_complete = True
            return tuple(reserved)
        finally:
            if not is_complete:
                for one in reserved:
                    self.settle(one, 0, None)

    def _reserve(self, entitlement: Entitlement, wish: Wish) -> Single:
        part, amount = self.slice(entitlement), int(entitlement.value or 0)
        reservation = part.reserve(amount, wish.per_unit)
        if reservation is not None:
            if part.free < part.low:
                self.refills.fetch_ahead(part, wish.block or part.size)
            return reservation
        patience = self.limits.policy.timeout
        deadline = stopwatch() + patience
        error: Exception | None = None
        wanted = self._in_units(entitlement, wish)
        for _ in range(LOOKS):
            denial = part.denied(part.needed(amount, wish.per_unit) - part.free)
            if denial is not None:
                return messages.denied_call(wanted, denial)
            flight, is_leader = self.refills.refill(part, amount, wish)
            landing = yield Wait(flight.future, deadline - stopwatch())
            reservation = part.reserve(amount, wish.per_unit)
            if reservation is not None:
                return reservation
            if landing is None:
                return (yield from self._late(part, amount, wish)) or messages.timed_out(
                    (wanted,), patience, part.fault
                )
            error = landing.error
            if error is not None and (is_leader or not isinstance(error, EntitlementDenied)):
                return messages.denied_call(wanted, error)
        return error or messages.timed_out((wanted,), patience, part.fault)

    def _late(self, part: Slice, amount: int, wish: Wish) -> Generator[Wait, Any, Reservation | None]:
        """Use the overdraft for a call whose time is up while the service is still being asked."""
        if not self.limits.overdraft.get(part.name):
            return None
        yield Wait(self.refills.lend(part, amount, wish).future, LENDING)
        return part.reserve(amount, wish.per_unit)

    # -- settling --------------------------------------------------------------------------------

    def settle(self, reservation: Reservation, used: int, subject: str | None) -> None:
        """Charge what a call used of its reservation; the rest is free again."""
        part = reservation.slice
        charged = part.settle(reservation, used, subject)
        self.flush_soon(part)
        if self._publisher.has_subscribers and charged:
            self._publisher.tell(UnitsCharged((units_of(part, charged),), charged, subject))
