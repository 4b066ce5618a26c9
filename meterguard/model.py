"""The nouns: what is asked for, and what is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .units import Unit

MAX_VALUE = 2**63 - 1  # the service's Long


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A named right in a licence.

    ``value`` is a positive whole number of ``unit``s, or, for ``Unit.NONE`` (a feature), None or
    the string that the licence must carry (AWS Marketplace uses ``"Enabled"``).
    """

    name: str
    value: int | str | None
    unit: Unit

    def __init__(self, name: str, value: Any = None, unit: Unit | str | None = None) -> None:
        """Check and normalise; ``ValueError`` names the argument that is wrong."""
        put = object.__setattr__
        put(self, "name", _checked_name(name))
        put(self, "unit", _checked_unit(unit, value))
        put(self, "value", _checked_value(value, self.unit))

    @property
    def is_counted(self) -> bool:
        """False for a feature, which any number of callers may hold."""
        return self.unit.is_counted

    def __str__(self) -> str:
        if self.is_counted:
            return f"{self.name} ({self.value} {self.unit.value})"
        return self.name if self.value is None else f"{self.name} ({self.value})"


def shortened(value: object) -> str:
    """What was given, for an error text."""
    if isinstance(value, int) and value.bit_length() > 256:  # Python refuses to write out very long ones
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(
            f"name must be a non-empty string, the entitlement's name in the licence; got {shortened(name)}"
        )
    return name


def _checked_unit(unit: Any, value: object) -> Unit:
    if unit is None:
        return Unit.NONE if value is None else Unit.COUNT
    try:
        return Unit(unit)
    except ValueError:
        known = ", ".join(member.value for member in Unit)
        raise ValueError(
            f"unit {shortened(unit)} is not one that License Manager counts in; it knows: {known}"
        ) from None


def _checked_value(value: object, unit: Unit) -> int | str | None:
    if unit is Unit.NONE:
        if value is None or (isinstance(value, str) and value):
            return value
        raise ValueError(
            f"value {shortened(value)} does not go with unit 'None', which is not counted: "
            "leave the value out, or name the unit"
        )
    if value is None:
        raise ValueError(f"value is missing: unit {unit.value!r} is counted, so say how many")
    number = _whole(value)
    if number is None or not 0 < number <= MAX_VALUE:
        raise ValueError(
            f"value must be a positive whole number (int, or a Decimal or string that is one) below 2**63; "
            f"got {shortened(value)}"
        )
    return number


def _whole(value: object) -> int | None:
    if isinstance(value, bool | float):
        return None
    if isinstance(value, int):
        return int(value)
    from decimal import Decimal, InvalidOperation  # 4 ms that most programs never need

    if not isinstance(value, str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    # compared before int(): 1e999999999 is finite and whole
    if not number.is_finite() or not 0 < number <= MAX_VALUE or number != number.to_integral_value():
        return None
    return int(number)


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """What the service said of one checkout. The secrets are kept out of the repr."""

    entitlements: tuple[Entitlement, ...]
    license_arn: str | None = field(default=None, repr=False)
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    node_id: str | None = None
    checkout_type: str = "PROVISIONAL"
    token: str | None = field(default=None, repr=False)
    signed_token: str | None = field(default=None, repr=False)


class Lease:
    """One provisional checkout, as its holder sees it.

    It follows the checkout through renewals, so :attr:`expires_at` moves while work goes on under
    it. Applications get leases from gates; they do not make them.
    """

    __slots__ = ("__weakref__", "_facts", "_remaining")

    def __init__(self, facts: LeaseFacts, remaining: Callable[[], float]) -> None:
        self._facts = facts
        self._remaining = remaining

    @property
    def entitlements(self) -> tuple[Entitlement, ...]:
        """What it covers, as asked for."""
        return self._facts.entitlements

    @property
    def is_live(self) -> bool:
        """Whether it covers its entitlements now, and was not ended by either clock, returned or lost."""
        return self._remaining() > 0

    @property
    def license_arn(self) -> str | None:
        """The licence it was taken from. Do not show it to users."""
        return self._facts.license_arn

    @property
    def issued_at(self) -> datetime | None:
        """When the service issued it (aware, UTC); None for a lease that was never checked out."""
        return self._facts.issued_at

    @property
    def expires_at(self) -> datetime | None:
        """When it ends by the service's clock (aware, UTC). Not the end of the contract."""
        return self._facts.expires_at

    @property
    def expires_in(self) -> float:
        """Seconds it still lives by the local clocks; 0.0 once it has ended."""
        return max(0.0, self._remaining())

    @property
    def node_id(self) -> str | None:
        """The ``NodeId`` that was sent with the checkout."""
        return self._facts.node_id

    @property
    def checkout_type(self) -> str:
        """``"PROVISIONAL"`` for every gate."""
        return self._facts.checkout_type

    @property
    def token(self) -> str | None:
        """The consumption token, a secret; None when nothing was checked out."""
        return self._facts.token

    @property
    def signed_token(self) -> str | None:
        """The signed token, where the service sent one; a secret."""
        return self._facts.signed_token

    def __repr__(self) -> str:
        what = ", ".join(str(entitlement) for entitlement in self.entitlements)
        left = self.expires_in
        return f"<Lease {what}: {f'live for {left:.0f} s' if left else 'ended'}>"
