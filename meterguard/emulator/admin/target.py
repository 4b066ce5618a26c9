"""The part of an emulator that tests see and steer from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Protocol, Unpack

from ..faults.fault import Fault
from ..faults.options import FaultOptions
from ..faults.queue import Faults
from ..state.clock import Clock
from ..state.licenses import Checkout, License
from ..state.metering import MeteringRecord
from .journal import Request

__all__ = ("Sold", "Target")


class Subscriber(Protocol):
    """The customer of a product."""

    @property
    def account_id(self) -> str:
        """Return the account."""
        ...

    @property
    def license_arn(self) -> str:
        """Return the ARN of the licence."""
        ...

    @property
    def agreement_id(self) -> str:
        """Return the id of the agreement."""
        ...

    @property
    def is_subscribed(self) -> bool:
        """Return whether the agreement lasts."""
        ...

    def unsubscribe(self) -> None:
        """End the agreement."""


class Sold(Protocol):
    """A product that was listed."""

    @property
    def code(self) -> str:
        """Return the product code."""
        ...

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return the names of the dimensions."""
        ...

    @property
    def customers(self) -> Sequence[Subscriber]:
        """Return all customers, also those who left."""
        ...


class Target(Protocol):
    """The attributes and methods of an `Emulator` that actions and seeds use."""

    account_id: str
    region: str
    clock: Clock
    faults: Faults

    @property
    def url(self) -> str:
        """Return the address that it serves on."""
        ...

    @property
    def public_key_pem(self) -> str:
        """Return the key that verifies its signed tokens."""
        ...

    @property
    def requests(self) -> list[Request]:
        """Return the requests that it remembers."""
        ...

    @property
    def add_license(self) -> Callable[..., License]:
        """Return the method that issues a licence on the terms that it is given."""
        ...

    def licenses(self) -> Sequence[License]:
        """Return the newest version of every licence."""
        ...

    def usage(self, licence: License | str) -> dict[str, int]:
        """Return the units in use of each counted entitlement."""
        ...

    def checkouts(self) -> list[Checkout]:
        """Return what is held now."""
        ...

    @property
    def add_product(self) -> Callable[..., Sold]:
        """Return the method that lists a product on the terms that it is given."""
        ...

    def products(self) -> Sequence[Sold]:
        """Return every product that was listed."""
        ...

    def metering_records(self) -> list[MeteringRecord]:
        """Return the records of usage that were accepted."""
        ...

    def bill(self) -> dict[str, Decimal]:
        """Return what is charged for, by dimension."""
        ...

    def down(self, **options: Unpack[FaultOptions]) -> AbstractContextManager[Fault]:
        """Begin an outage."""
        ...

    def up(self) -> None:
        """End the outage."""
