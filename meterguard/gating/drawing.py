"""Drawings: calls that were let through with units to use, until they are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ..core.requirements import Requirement, Wish, in_units
from ..errors import ConfigurationError
from ..interruption import passing
from ..model import MAX_VALUE, Entitlement, shortened
from ..runtime import drivers
from ..runtime.waits import Wait
from .admission import Entered
from .charge import Charge, Charges, Quantity, Tally

if TYPE_CHECKING:
    from ..runtime.draws import Drawn, Seek
    from ..runtime.slices import Reservation
    from ..runtime.till import Till

PLACES = 6  # of a metered quantity
WRITTEN_WITHIN = 30.0  # seconds; a ledger gives up earlier


class DrawTally(Tally):
    """The units that a call has of one entitlement, in one till."""

    __slots__ = ("_entitlement", "_reservations", "_till", "_wish")

    def __init__(self, till: Till, entitlement: Entitlement, reservation: Reservation | None, wish: Wish) -> None:
        self._till = till
        self._entitlement = entitlement
        self._reservations = [] if reservation is None else [reservation]
        """Empty where the call was let through without units, as ``on_unknown="allow"`` says."""
        self._wish = wish

    def checked(self, quantity: object, by: str = "settle()", least: int = 0) -> Quantity:
        """Return the whole number, or raise a ConfigurationError."""
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not least <= quantity <= MAX_VALUE:
            unit = self._entitlement.unit.value
            what = unit if self._wish.per_unit == 1 else f"parts, of which {self._wish.per_unit} make one {unit}"
            raise ConfigurationError(f"{by} takes a whole number of {what}, from {least}; got {shortened(quantity)}")
        return quantity

    def extend(self, more: Quantity) -> Quantity:
        """Reserve so many more, and return how many that were: none where policy lets a call go on without units."""
        seek = self._seek(more)
        return self._added(() if seek is None else passing(drivers.blocking, seek)[1])

    async def aextend(self, more: Quantity) -> Quantity:
        """:meth:`extend` without blocking the loop."""
        seek = self._seek(more)
        return self._added(() if seek is None else (await drivers.awaiting(seek))[1])

    def settle(self, actual: Quantity) -> None:
        """Charge so many units; draw those that were not reserved."""
        try:
            if self._lacking(actual) > 0:
                self.extend(self._lacking(actual))
        finally:
            self.charge(actual)

    async def asettle(self, actual: Quantity) -> None:
        """:meth:`settle` without blocking the loop."""
        try:
            if self._lacking(actual) > 0:
                await self.aextend(self._lacking(actual))
        finally:
            self.charge(actual)

    def charge(self, quantity: Quantity) -> Wait | None:
        """Charge no more than was reserved."""
        left = int(quantity)
        while self._reservations:
            reservation = self._reservations.pop()
            reservation.used_if_lost = used = min(left, reservation.units)
            left -= used
            self._till.settle(reservation, used, self._wish.subject)
        return None

    def _lacking(self, actual: Quantity) -> int:
        """Return how many units more than are reserved were used; none of a call that has none."""
        held = sum(one.units for one in self._reservations)
        return int(actual) - held if held else 0

    def _seek(self, more: Quantity) -> Seek | None:
        if not self._till.is_of_this_process():
            return None
        wanted = Entitlement(self._entitlement.name, int(more), self._entitlement.unit)
        return self._till.seek(self._wish._replace(alternatives=((wanted,),)))

    def _added(self, reservations: tuple[Reservation, ...]) -> int:
        for one in reservations:
            one.subject, one.used_if_lost = self._wish.subject, one.units
            self._reservations.append(one)
        return sum(one.units for one in reservations)


class MeterTally(Tally):
    """A meter, in one till."""

    __slots__ = ("_entitlement", "_subject", "_till")

    def __init__(self, till: Till, entitlement: Entitlement, subject: str | None) -> None:
        self._till = till
        self._entitlement = entitlement
        self._subject = subject

    def checked(self, quantity: object, by: str = "settle()", least: int = 0) -> Quantity:
        """Return the number, or raise a ConfigurationError."""
        return metered(by, quantity, least)

    def settle(self, actual: Quantity) -> None:
        """Write the usage down."""
        wait = self.charge(actual)
        if wait is not None:
            drivers.block(wait)

    async def asettle(self, actual: Quantity) -> None:
        """:meth:`settle` without blocking the loop."""
        wait = self.charge(actual)
        if wait is not None:
            await drivers.pause(wait)

    def charge(self, quantity: Quantity) -> Wait | None:
        """Write the usage down. The return value can be waited for."""
        if not quantity:
            return None
        written = self._till.meter(self._entitlement, Decimal(quantity), self._subject)
        return None if written is None else Wait(written, WRITTEN_WITHIN)


class NoTally(Tally):
    """Counts nothing, for a guard that is switched off."""

    def checked(self, quantity: object, by: str = "settle()", least: int = 0) -> Quantity:
        """Return the number, or raise a ConfigurationError."""
        return metered(by, quantity, least)

    def settle(self, actual: Quantity) -> None:
        """Do nothing."""

    async def asettle(self, actual: Quantity) -> None:
        """Do nothing."""

    def charge(self, quantity: Quantity) -> None:
        """Do nothing."""


def uncounted(requirement: Requirement, *, charge_on_error: bool, is_joined: bool = False) -> Drawing:
    """Return a call that is let through and counted nowhere."""
    charges = {one.name: Charge(one, 0, NoTally()) for one in requirement}
    return Drawing(None, charge_on_error, is_joined, charges)


def metered(name: str, value: object, least: int = 1) -> Quantity:
    """Check a metered quantity: a whole number, or a ``Decimal`` with few places."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    number = Decimal(value) if is_number and isinstance(value, int | Decimal) else Decimal("NaN")
    is_fine = number.is_finite() and 0 <= number <= MAX_VALUE and number == round(number, PLACES)
    if not is_fine or (least and not number):
        raise ConfigurationError(
            f"{name} takes {'a positive' if least else 'no negative'} number, an int or a Decimal of at most {PLACES} "
            f"places; got {shortened(value)}"
        )
    return int(number) if number == number.to_integral_value() else number


Taken = tuple["Till", Wish, Requirement, tuple["Reservation | None", ...]]
"""Units that were taken for a call, and the till in which they are settled: a plain tuple, for each call makes one.

There is a reservation for each entitlement; None for those without which it was let through (``on_unknown="allow"``).
"""
_NONE_YET: Mapping[str, Charge] = MappingProxyType({})


class Drawing(Entered["Charge | Charges"]):
    """One call that was let through with units, until it is over.

    One that is thrown away without an end is charged as reserved, since nobody can say that it used nothing.
    """

    __slots__ = ("_charges", "_is_charged_on_error", "_is_joined", "_taken")

    hold: Literal["shared", "call"] = "call"

    def __init__(
        self,
        taken: Taken | None,
        charge_on_error: bool,
        is_joined: bool = False,
        charges: Mapping[str, Charge] = _NONE_YET,
    ) -> None:
        self._taken = taken
        self._charges = charges
        self._is_joined = is_joined
        self._is_charged_on_error = charge_on_error
        if taken is None:
            self.__class__ = _Outstanding  # pyright: ignore[reportAttributeAccessIssue] - it has the same slots
            return
        for one in taken[3]:  # which see to their own end, and from here on may be used
            if one is not None:
                one.subject, one.used_if_lost = taken[1].subject, one.units

    @property
    def charge(self) -> Charge | Charges:
        """The charge of the call; one for each entitlement, by its name, where the draw joins several."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self._charges = _charges(*taken)
        return Charges(self._charges) if self._is_joined else next(iter(self._charges.values()))

    @property
    def passed(self) -> Charge | Charges:
        """The same."""
        return self.charge

    @property
    def is_over(self) -> bool:
        """True once all is settled."""
        return self._taken is None and all(one.is_settled for one in self._charges.values())

    def release(self) -> None:
        """End the call, which succeeded: what was not settled is charged as reserved. Idempotent."""
        for wait in self._end(charged=True):
            drivers.block(wait)

    async def arelease(self) -> None:
        """:meth:`release` without blocking the loop."""
        for wait in self._end(charged=True):
            await drivers.pause(wait)

    def fail(self) -> None:
        """End the call, which raised: what was not settled is not charged, unless ``charge_on_error`` says so."""
        for wait in self._end(charged=self._is_charged_on_error):
            drivers.block(wait)

    async def afail(self) -> None:
        """:meth:`fail` without blocking the loop."""
        for wait in self._end(charged=self._is_charged_on_error):
            await drivers.pause(wait)

    def cancel(self) -> None:
        """End the call, which did not take place."""
        self._end(charged=False)

    def drop(self, *, failed: bool = True) -> None:
        """End the call without waiting until it is written down."""
        self._end(charged=self._is_charged_on_error or not failed)

    def finish(self) -> None:
        """End a call whose work was closed, which is a success, without waiting until it is written down."""
        self._end(charged=True)

    def _end(self, *, charged: bool) -> Sequence[Wait]:
        taken, self._taken = self._taken, None
        if taken is not None:  # nobody has asked for a charge, as in most calls
            till, wish, _, reservations = taken
            for one in reservations:
                if one is not None:
                    one.used_if_lost = used = one.units if charged else 0
                    till.settle(one, used, wish.subject)
            return ()
        waits = [one.end(charged=charged) for one in self._charges.values()]
        self.__class__ = Drawing  # pyright: ignore[reportAttributeAccessIssue]
        return [wait for wait in waits if wait is not None]


class _Outstanding(Drawing):
    """One that is not over. The others have no finalizer, in which a signal handler's exception would be lost."""

    __slots__ = ()

    def __del__(self) -> None:
        self._end(charged=True)


def _charges(
    till: Till, wish: Wish, requirement: Requirement, reservations: Sequence[Reservation | None]
) -> dict[str, Charge]:
    """Return a charge for each entitlement, by its name."""
    per_unit = wish.per_unit
    return {
        one.name: Charge(
            one if per_unit == 1 else in_units(one, per_unit),
            int(one.value or 0) if reserved else 0,
            DrawTally(till, one, reserved, wish),
        )
        for one, reserved in zip(requirement, reservations, strict=True)
    }


def draw(till: Till, wish: Wish, charge_on_error: bool) -> Drawing:
    """Reserve units for a call, or raise why there are none."""
    reservation = till.at_once(wish)
    if reservation is None:
        taken = _sought(till, wish, drivers.blocking(till.seek(wish)))
        return Drawing(taken, charge_on_error, wish.is_joined)
    return Drawing((till, wish, wish.alternatives[0], (reservation,)), charge_on_error, wish.is_joined)


async def adraw(till: Till, wish: Wish, charge_on_error: bool) -> Drawing:
    """:func:`draw` without blocking the loop."""
    reservation = till.at_once(wish)
    if reservation is None:
        taken = _sought(till, wish, await drivers.awaiting(till.seek(wish)))
        return Drawing(taken, charge_on_error, wish.is_joined)
    return Drawing((till, wish, wish.alternatives[0], (reservation,)), charge_on_error, wish.is_joined)


def _sought(till: Till, wish: Wish, drawn: Drawn) -> Taken:
    requirement, reservations = drawn
    return till, wish, requirement, reservations or (None,) * len(requirement)


def meter(
    till: Till, entitlement: Entitlement, quantity: Quantity, subject: str | None, charge_on_error: bool
) -> Drawing:
    """Begin a call whose usage is written down."""
    charge = Charge(entitlement, quantity, MeterTally(till, entitlement, subject))
    return Drawing(None, charge_on_error, charges={entitlement.name: charge})
