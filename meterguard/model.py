"""Entitlements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .units import Unit

if TYPE_CHECKING:
    from decimal import Decimal

MAX_VALUE = 2**63 - 1  # the service's Long


class Entitlement:
    """A named right in a licence: frozen, equal and hashed by its parts.

    ``value`` is a positive whole number of ``unit``s, or, for ``Unit.NONE`` (a feature), None or
    the string that the licence must carry (AWS Marketplace uses ``"Enabled"``).
    """

    # Not a dataclass: the first use of that module and one class cost 2 ms, more than the rest of importing meterguard.
    __slots__ = ("_hash", "name", "unit", "value")
    __match_args__ = ("name", "value", "unit")

    name: str
    value: int | str | None
    unit: Unit
    _hash: int

    def __init__(self, name: str, value: int | str | Decimal | None = None, unit: Unit | str | None = None) -> None:
        """Check and normalise; ``ValueError`` names the argument that is wrong."""
        put = object.__setattr__
        put(self, "name", _checked_name(name))
        put(self, "unit", _checked_unit(unit, value))
        put(self, "value", _checked_value(value, self.unit))
        put(self, "_hash", hash((self.name, self.value, self.unit)))

    @property
    def is_counted(self) -> bool:
        """False for a feature, which any number of callers may hold."""
        return self.unit.is_counted

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entitlement):
            return NotImplemented
        return (self.name, self.value, self.unit) == (other.name, other.value, other.unit)

    def __hash__(self) -> int:
        return self._hash

    def __setattr__(self, part: str, value: object) -> None:
        raise AttributeError(f"an Entitlement is frozen: {part!r} cannot be set")

    def __delattr__(self, part: str) -> None:
        raise AttributeError(f"an Entitlement is frozen: {part!r} cannot be deleted")

    def __reduce__(self) -> tuple[type[Entitlement], tuple[Any, ...]]:
        return Entitlement, (self.name, self.value, self.unit)

    def __repr__(self) -> str:
        return f"Entitlement(name={self.name!r}, value={self.value!r}, unit={self.unit!r})"

    def __str__(self) -> str:
        if self.is_counted:
            return f"{self.name} ({self.value} {self.unit.value})"
        return self.name if self.value is None else f"{self.name} ({self.value})"


def shortened(value: object) -> str:
    """Return the repr of a value, short enough for an error text."""
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
