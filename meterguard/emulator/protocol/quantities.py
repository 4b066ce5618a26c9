"""Quantities of usage: whole numbers or decimal texts, and their allocations to tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from .errors import ServiceError, malformed
from .messages import Parameters

__all__ = ("Allocation", "Usage", "by_value", "read_usage")

_SUFFIX: Final = "AsDecimal"
_ALLOCATED: Final = "AllocatedUsageQuantity"
_MOST_TAGS: Final = 5
_KEY: Final = re.compile(r"[a-zA-Z0-9+ -=._:/@]{1,100}")
_VALUE: Final = re.compile(r"[a-zA-Z0-9+ -=._:/@]{1,256}")


@dataclass(frozen=True, slots=True)
class Allocation:
    """The part of a quantity that has these tags."""

    quantity: Decimal
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """The quantity of one record, and how it is allocated."""

    quantity: Decimal
    allocations: tuple[Allocation, ...] = ()


def read_usage(record: Parameters, member: str) -> Usage:
    """Return the usage in a record whose quantity is in ``member``, or in the member with ``AsDecimal`` behind it.

    Raises:
        ServiceError: There are both members, or tags or allocations break the service's rules.
    """
    if member in record and member + _SUFFIX in record:
        raise malformed(f"You can't specify both {member} and {member}{_SUFFIX}.")
    quantity = Decimal(record.get(member, record.get(member + _SUFFIX, 0)))
    suffix = _SUFFIX if member + _SUFFIX in record else ""
    given = record.get("UsageAllocations")
    if given is None:
        return Usage(quantity)
    allocations = tuple(_allocation(one, _ALLOCATED + suffix) for one in given)
    if sum(one.quantity for one in allocations) != quantity:
        raise _wrong_allocations("The sum of allocated usage quantities is not equal to the usage quantity.")
    if len({frozenset(one.tags.items()) for one in allocations}) < len(allocations):
        raise _wrong_allocations("Each allocation must have a unique set of tags.")
    return Usage(quantity, allocations)


def by_value(parameters: Parameters) -> Parameters:
    """Return the parameters of ``MeterUsage`` so that two are equal if their quantities are, in whatever member."""
    rest = {name: value for name, value in parameters.items() if not name.startswith("UsageQuantity")}
    usage = {name: value for name, value in parameters.items() if name not in rest}
    plain = [Decimal(value).normalize() for value in usage.values()] or [Decimal(0)]
    return {**rest, "UsageQuantity": [str(one) for one in plain]}


def _allocation(given: Parameters, member: str) -> Allocation:
    quantities = {name for name in given if name.startswith(_ALLOCATED)}
    if quantities != {member}:
        raise _wrong_allocations("An allocation must have one quantity, of the same type as the usage quantity.")
    return Allocation(Decimal(given[member]), _tags(given.get("Tags", ())))


def _tags(given: list[dict[str, str]] | tuple[()]) -> dict[str, str]:
    tags = {one["Key"]: one["Value"] for one in given}
    if len(given) > _MOST_TAGS or len(tags) < len(given):
        raise ServiceError("InvalidTagException", f"An allocation can have {_MOST_TAGS} tags, with different keys.")
    if not all(_KEY.fullmatch(key) and _VALUE.fullmatch(value) for key, value in tags.items()):
        raise ServiceError("InvalidTagException", "The key or the value of a tag is not valid.")
    return tags


def _wrong_allocations(why: str) -> ServiceError:
    return ServiceError("InvalidUsageAllocationsException", why)
