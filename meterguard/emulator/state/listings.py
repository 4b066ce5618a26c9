"""Products of AWS Marketplace, and the customers who agreed to buy them.

A product that nobody listed is one of the licences with its code as their SKU. As long as nothing is listed, any code
and any dimension may be metered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from ..protocol.errors import ServiceError
from .licenses import Entitlement, License
from .mappings import MakeTable

__all__ = ("FLUSH", "VALUE_KINDS", "Agreement", "Contract", "Listing", "Listings", "Registration")

FLUSH: Final = 3600
"""The seconds after its end for which the last usage of an agreement is taken."""

_MOST: Final = 2**31 - 1

Kind = Literal["IntegerValue", "DoubleValue", "BooleanValue", "StringValue"]
VALUE_KINDS: Final[Mapping[Kind, type]] = {
    "IntegerValue": int,
    "DoubleValue": float,
    "BooleanValue": bool,
    "StringValue": str,
}
"""The type of each kind of value."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A product, as its seller listed it."""

    code: str
    dimensions: tuple[str, ...]
    seller: str
    created: float
    agentcore: bool = False
    has_identifiers: bool = False
    public_key_version: int = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """One customer of one product. ``account`` None is a customer whose account is not known."""

    license_arn: str = field(repr=False)
    product: str
    account: str | None
    identifier: str | None = None
    begin: float | None = None
    end: float | None = None
    agreement_id: str = ""

    def covers(self, hour: float) -> bool:
        """Return whether some of an hour is within the agreement."""
        begins = self.begin is None or hour + 3600 > self.begin
        return begins and (self.end is None or hour < self.end)

    def is_active_at(self, now: float) -> bool:
        """Return whether the customer is subscribed at that moment."""
        return self.end is None or now < self.end


@dataclass(frozen=True, slots=True)
class Contract:
    """The amount of one dimension that a customer has bought."""

    dimension: str
    kind: Kind
    value: Any
    end: float | None = None

    def __post_init__(self) -> None:
        if type(self.value) is not VALUE_KINDS[self.kind]:
            raise ValueError(f"the value of {self.kind} has another type")


@dataclass(frozen=True, slots=True)
class Registration:
    """The token that a customer's browser brings to the seller."""

    token: str = field(repr=False)
    license_arn: str = field(repr=False)
    issued: float


class Listings:
    """All products and their customers.

    Args:
        table: Returns the table of a name.
        licenses: Returns all licences.
    """

    def __init__(self, table: MakeTable, licenses: Callable[[], list[License]]) -> None:
        self._licenses = licenses
        self._listings: MutableMapping[str, Listing] = table("listings")
        self._agreements: MutableMapping[str, Agreement] = table("agreements")
        self._contracts: MutableMapping[str, dict[str, Contract]] = table("contracts")
        self._registrations: MutableMapping[str, Registration] = table("registrations")
        self._started: MutableMapping[tuple[str, str], float] = table("started")

    def __iter__(self) -> Iterator[Listing]:
        """Return every product that was listed."""
        return iter(self._listings.values())

    @property
    def is_strict(self) -> bool:
        """Return whether codes that are not known are refused, for some product is listed."""
        return bool(self._listings)

    def add(self, listing: Listing) -> None:
        """List a product, or list it anew."""
        self._listings[listing.code] = listing

    def agree(self, agreement: Agreement) -> None:
        """Add a customer of a listed product."""
        self._agreements[agreement.license_arn] = agreement

    def end(self, license_arn: str, now: float) -> None:
        """End an agreement, unless it has ended."""
        agreement = self._agreements[license_arn]
        if agreement.is_active_at(now):
            self._agreements[license_arn] = replace(agreement, end=now)

    def entitle(self, license_arn: str, contract: Contract) -> None:
        """Set what a customer has bought of one dimension."""
        self._contracts[license_arn] = {**self._contracts.get(license_arn, {}), contract.dimension: contract}

    def register(self, registration: Registration) -> None:
        """Keep a registration token."""
        self._registrations[registration.token] = registration

    def registration(self, token: str) -> Registration | None:
        """Return what a registration token is for."""
        return self._registrations.get(token)

    def start(self, task: str, code: str, now: float) -> None:
        """Note that a task or pod runs a product, which was asked for at its start."""
        self._started[task, code] = now

    def has_started(self, task: str, code: str) -> bool:
        """Return whether a task or pod asked for a product before, and was not refused."""
        return (task, code) in self._started

    def newest_token(self, license_arn: str) -> str:
        """Return the registration token that a customer got last."""
        return next(one.token for one in reversed(list(self._registrations.values())) if one.license_arn == license_arn)

    def has_agreed(self, license_arn: str) -> bool:
        """Return whether a licence is of a customer of a listed product."""
        return license_arn in self._agreements

    def agreed(self, license_arn: str) -> Agreement:
        """Return the agreement of a customer of a listed product."""
        return self._agreements[license_arn]

    def find(self, code: str) -> Listing | None:
        """Return a product that was listed."""
        return self._listings.get(code)

    def require(self, code: str, dimension: str | None = None) -> None:
        """Refuse a product that is not known, while some product is listed, and a dimension that is not its own."""
        listing = self._listings.get(code)
        if listing is None and self._listings and not self.agreements(code):
            raise ServiceError("InvalidProductCodeException", "The product code is not one that was published.")
        if listing is not None and dimension is not None and dimension not in listing.dimensions:
            raise ServiceError("InvalidUsageDimensionException", "The usage dimension is not one of the product's.")

    def agreement(self, license_arn: str) -> Agreement | None:
        """Return the agreement of a licence."""
        known = self._agreements.get(license_arn)
        licence = None if known is not None else self._license(license_arn)
        if licence is None or licence.sku in self._listings:
            return known
        return _agreement(licence)

    def agreements(self, code: str) -> list[Agreement]:
        """Return all agreements on a product, also those that have ended."""
        if code in self._listings:
            return [one for one in self._agreements.values() if one.product == code]
        return [_agreement(one) for one in self._licenses() if one.sku == code]

    def contracts(self, agreement: Agreement, now: float) -> list[Contract]:
        """Return what a customer has bought, as far as it is not over at a moment."""
        if not agreement.is_active_at(now):
            return []
        own = self._contracts.get(agreement.license_arn)
        licence = self._license(agreement.license_arn)
        if own is None and licence is not None:
            return [_contract(one, licence.end) for one in licence.entitlements]
        return [one for one in (own or {}).values() if one.end is None or now < one.end]

    def _license(self, arn: str) -> License | None:
        return next((one for one in self._licenses() if one.arn == arn), None)


def _agreement(licence: License) -> Agreement:
    """Return the agreement that a licence stands for. One that is suspended or deleted has ended."""
    is_account = licence.beneficiary.isdecimal() and licence.beneficiary.isascii()
    end = licence.end if licence.status == "AVAILABLE" else 0.0
    account = licence.beneficiary if is_account else None
    return Agreement(licence.arn, licence.sku, account, begin=licence.begin, end=end)


def _contract(held: Entitlement, end: float | None) -> Contract:
    if held.is_counted:
        most = _MOST if held.max_count is None else min(held.max_count, _MOST)
        return Contract(held.name, "IntegerValue", most, end)
    if held.value is None:
        return Contract(held.name, "BooleanValue", True, end)
    return Contract(held.name, "StringValue", held.value, end)
