"""Charges: the units that one call may use, and how many of them it used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Never

from ..errors import ConfigurationError
from ..model import Entitlement

if TYPE_CHECKING:
    from ..runtime.waits import Wait

Quantity = int | Decimal


class Tally(ABC):
    """The place where a charge is settled: a draw's reservation, or a meter."""

    @abstractmethod
    def checked(self, quantity: object, by: str = "settle()", least: int = 0) -> Quantity:
        """Return the quantity, or raise a ConfigurationError that names the method that was given it."""

    def extend(self, more: Quantity) -> Quantity:
        """Reserve so many more, and return how many that were."""
        return more

    async def aextend(self, more: Quantity) -> Quantity:
        """:meth:`extend` without blocking the loop."""
        return more

    @abstractmethod
    def settle(self, actual: Quantity) -> None:
        """Charge so many units; draw those that were not reserved."""

    @abstractmethod
    async def asettle(self, actual: Quantity) -> None:
        """:meth:`settle` without blocking the loop."""

    @abstractmethod
    def charge(self, quantity: Quantity) -> Wait | None:
        """Charge no more than was reserved. The return value can be waited for."""


class Charge:
    """The units that a call has reserved, until they are settled. Safe to use from any thread.

    They are settled once: by :meth:`settle`, else as reserved when the call succeeds; when it raises they are given
    back, unless ``charge_on_error=True`` says otherwise. Work that may take more than was reserved asks by
    :meth:`extend` before it goes on.
    """

    __slots__ = ("_open", "_outcome", "_reserved", "_tally", "entitlement")

    def __init__(self, entitlement: Entitlement, reserved: Quantity, tally: Tally) -> None:
        self.entitlement = entitlement
        """The entitlement that is charged."""
        # appended to and not added up, so that of two threads that extend at once neither is lost
        self._reserved = [reserved]
        self._tally = tally
        # taken out by whoever settles: of two threads that try, one finds it gone
        self._open = [True]
        self._outcome = ""

    @property
    def is_settled(self) -> bool:
        """True once it was charged or cancelled."""
        return not self._open

    @property
    def reserved(self) -> Quantity:
        """The units that were reserved; for a meter those that are written down unless it is settled."""
        return sum(self._reserved)

    def extend(self, more: Quantity) -> None:
        """Reserve more units, for work that turns out to take more than was reserved; before they are used.

        :param more: a positive whole number, on top of what is reserved; for a meter also a ``Decimal``.
        :raises EntitlementDenied: there are not so many units; what was reserved stays reserved.
        :raises EntitlementUnavailable: the same, where the service could not be asked.
        :raises ConfigurationError: it was settled before, the call is over, or the number is wrong.
        """
        self._extended(self._tally.extend(self._extension(more)))

    async def aextend(self, more: Quantity) -> None:
        """:meth:`extend` without blocking the loop."""
        self._extended(await self._tally.aextend(self._extension(more)))

    def settle(self, actual: Quantity) -> None:
        """Charge what was used in fact, once: fewer units than were reserved go back, more are drawn.

        :param actual: a whole number from 0; for a meter also a ``Decimal`` of at most 6 places.
        :raises EntitlementDenied: there are not so many units; what was reserved is charged.
        :raises EntitlementUnavailable: the same, where the service could not be asked.
        :raises ConfigurationError: it was settled before, the call is over, or the number is wrong.
        """
        self._tally.settle(self._claimed(actual))

    async def asettle(self, actual: Quantity) -> None:
        """:meth:`settle` without blocking the loop."""
        await self._tally.asettle(self._claimed(actual))

    def cancel(self) -> None:
        """Charge nothing: what was reserved goes back. Idempotent.

        :raises ConfigurationError: it was charged before.
        """
        if self._claim("cancelled"):
            self._tally.charge(0)
        elif self._outcome != "cancelled":
            raise self._settled_before("cancelled")

    def end(self, *, charged: bool) -> Wait | None:
        """Settle as reserved or cancel, where nobody did before. The return value can be waited for."""
        if not self._claim(
            "charged as reserved, for its call is over" if charged else "cancelled, for its call raised"
        ):
            return None
        return self._tally.charge(self.reserved if charged else 0)

    def _extension(self, more: object) -> Quantity:
        quantity = self._tally.checked(more, "extend()", least=1)
        if self.is_settled:
            raise self._settled_before("extended")
        return quantity

    def _extended(self, more: Quantity) -> None:
        self._reserved.append(more)
        if self.is_settled:  # by another thread or task, while this one waited
            self._tally.charge(0)
            raise self._settled_before("extended")

    def _claim(self, outcome: str) -> bool:
        try:
            self._open.pop()
        except IndexError:
            return False
        self._outcome = outcome
        return True

    def _claimed(self, actual: object) -> Quantity:
        quantity = self._tally.checked(actual)
        if not self._claim(f"settled as {quantity}"):
            raise self._settled_before("settled")
        return quantity

    def _settled_before(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"this charge for {self.entitlement.name} cannot be {what}: it was {self._outcome}. A charge is settled "
            "once, before its call is over."
        )

    def __repr__(self) -> str:
        return f"<Charge of {self.entitlement}{'' if self._open else f', {self._outcome}'}>"


class Charges(Mapping[str, Charge]):
    """The charges of a call that draws several entitlements at once, by entitlement name."""

    def __init__(self, charges: Mapping[str, Charge]) -> None:
        self._charges = charges

    def __getitem__(self, name: str) -> Charge:
        return self._charges[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._charges)

    def __len__(self) -> int:
        return len(self._charges)

    def settle(self, actual: object) -> Never:  # noqa: ARG002 - as that of a charge
        """Refuse: a number says nothing of which entitlement it is for."""
        names = " and ".join(self._charges)
        raise ConfigurationError(
            f"this call draws {names}: settle each by its name, as in charge[{next(iter(self))!r}].settle(...)"
        )

    def cancel(self) -> None:
        """Cancel all of them."""
        for charge in self._charges.values():
            charge.cancel()

    def __repr__(self) -> str:
        return f"<Charges of {', '.join(self._charges)}>"
