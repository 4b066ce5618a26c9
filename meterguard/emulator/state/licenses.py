"""Licences, entitlements and checkouts: the records of the tables. The rules about them are elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = (
    "FEATURE",
    "Checkout",
    "Entitlement",
    "Item",
    "Kind",
    "License",
    "Wanted",
    "key_fingerprint",
    "license_arn",
)

FEATURE: Final = "None"
"""The unit of an entitlement that is not counted."""

Kind = Literal["PROVISIONAL", "PERPETUAL", "BORROW"]


def key_fingerprint(account: str, name: str) -> str:
    """Return the fingerprint of an issuer."""
    return f"aws:{account}:{name}:issuer-fingerprint"


def license_arn(account: str, identifier: str) -> str:
    """Return the ARN of a licence, without a Region and with a colon before the id."""
    return f"arn:aws:license-manager::{account}:license:l-{identifier}"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A named right in a licence. ``max_count`` None means without limit."""

    name: str
    unit: str
    max_count: int | None = None
    value: str | None = None
    overage: bool | None = None
    allow_check_in: bool | None = None

    @property
    def is_counted(self) -> bool:
        """Return whether it has units, as a feature has not."""
        return self.unit != FEATURE


@dataclass(frozen=True, slots=True)
class License:
    """One version of a licence, as issued. It never changes; a change makes a new version."""

    arn: str = field(repr=False)
    sku: str
    entitlements: tuple[Entitlement, ...]
    issuer_account: str
    issuer_name: str
    beneficiary: str
    home_region: str
    name: str
    product_name: str
    begin: float
    created: float
    end: float | None = None
    ttl: float | None = None
    borrow_ttl: float | None = None
    borrow_early_check_in: bool = False
    renew_type: str | None = None
    sign_key: str | None = field(default=None, repr=False)
    status: str = "AVAILABLE"
    version: int = 1
    available_at: float = -math.inf
    metadata: tuple[tuple[str | None, str | None], ...] = field(default=(), repr=False)
    begin_text: str | None = None
    end_text: str | None = None

    @property
    def key_fingerprint(self) -> str:
        """Return the issuer's fingerprint, which a checkout names to say whom it trusts."""
        return key_fingerprint(self.issuer_account, self.issuer_name)

    @property
    def product_sku(self) -> str:
        """Return the SKU by the name that a guard gives it."""
        return self.sku

    @property
    def lifetime(self) -> int | None:
        """Return the seconds that a provisional checkout lives: whole ones, for the wire has no others."""
        return None if self.ttl is None else max(1, math.floor(self.ttl))

    @property
    def borrow_lifetime(self) -> int | None:
        """Return the seconds that a borrow lives."""
        return None if self.borrow_ttl is None else max(1, math.floor(self.borrow_ttl))

    def entitlement(self, name: str) -> Entitlement | None:
        """Return the entitlement of that name, if the licence has it."""
        return next((held for held in self.entitlements if held.name == name), None)

    def status_at(self, now: float) -> str:
        """Return the status that a reader sees at that moment."""
        if self.status != "AVAILABLE":
            return self.status
        if now < self.available_at:
            return "PENDING_AVAILABLE"
        return "EXPIRED" if self.end is not None and now >= self.end else "AVAILABLE"

    def is_usable_at(self, now: float) -> bool:
        """Return whether the licence may be checked out at that moment."""
        return now >= self.begin and self.status_at(now) == "AVAILABLE"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One item of a request: so much of a name. ``count`` None is a feature."""

    name: str
    unit: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a checkout. ``count`` None is a feature, whose ``value`` is the licence's own."""

    name: str
    unit: str
    count: int | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """The units and features that somebody holds, or has drawn for good."""

    token: str = field(repr=False)
    arn: str = field(repr=False)
    account: str
    kind: Kind
    items: tuple[Item, ...]
    issued: float
    expires: float
    beneficiary: str | None = None
    node_id: str | None = None
    version: int = 1
    region: str | None = None
    is_returned: bool = False

    @property
    def is_counted(self) -> bool:
        """Return whether the checkout took units."""
        return any(item.count is not None for item in self.items)
