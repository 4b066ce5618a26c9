"""The portion of a request that can be given, decided from the licence, the units in use and the switches alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..protocol.errors import ServiceError
from .licenses import Entitlement, Item, Kind, License, Wanted
from .switches import Behavior

__all__ = ("Ask", "Limits", "can_be_returned", "portion", "whole")

Limits = Mapping[str, int]
Used = Callable[[str], int]
"""Returns the units of a name that are in use."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to check out. ``limits`` is a fault's: the most that each named item may be given."""

    account: str
    sku: str
    key_fingerprint: str = field(repr=False)
    kind: Kind
    wanted: Sequence[Wanted]
    beneficiary: str | None = None
    node_id: str | None = None
    limits: Limits | None = None
    region: str | None = None


def portion(licence: License, ask: Ask, used: Used, behavior: Behavior) -> tuple[Item, ...]:
    """Return the items that a checkout is given: all that it asks for, or as much as there is."""
    for wanted in ask.wanted:
        _require_fit(licence, ask.kind, wanted, behavior)
    items = [item for item in (_item(licence, wanted, used, behavior) for wanted in ask.wanted) if item is not None]
    if not items or (len(items) < len(ask.wanted) and not behavior.partial_results):
        raise ServiceError("NoEntitlementsAllowedException", "No Entitlements Allowed")
    return tuple(items) if ask.limits is None else _limited(items, ask.limits)


def whole(licence: License, wanted: Sequence[Wanted], used: Used, behavior: Behavior) -> tuple[Item, ...]:
    """Return the items that a borrow asks for, or refuse it: it is given all or none."""
    found = [_item(licence, one, used, behavior) for one in wanted]
    items = tuple(item for item, one in zip(found, wanted, strict=True) if item and item.count == one.count)
    if len(items) < len(wanted):
        code = behavior.borrow_partly_error if items else "NoEntitlementsAllowedException"
        raise ServiceError(code, "Not all of the entitlements are available.")
    return items


def can_be_returned(held: Entitlement, behavior: Behavior) -> bool:
    """Return whether units of an entitlement can be checked in."""
    return behavior.check_in_by_default if held.allow_check_in is None else held.allow_check_in


def _require_fit(licence: License, kind: Kind, wanted: Wanted, behavior: Behavior) -> None:
    """Refuse a type of checkout that is not meant for an entitlement."""
    held = licence.entitlement(wanted.name)
    if held is None or held.unit != wanted.unit:
        return
    if held.is_counted:
        code, fits = behavior.unfit_type_error, can_be_returned(held, behavior) == (kind == "PROVISIONAL")
    else:
        code, fits = behavior.perpetual_feature_error, kind == "PROVISIONAL"
    if code is not None and not fits:
        raise ServiceError(code, f"CheckoutType {kind} is not for {wanted.name}.")


def _item(licence: License, wanted: Wanted, used: Used, behavior: Behavior) -> Item | None:
    held = licence.entitlement(wanted.name)
    if held is None or held.unit != wanted.unit:
        return None
    if not held.is_counted or wanted.count is None:
        return Item(held.name, held.unit, None, held.value)
    count = wanted.count
    if count > 0 and held.max_count is not None and not held.overage:
        left = held.max_count - used(held.name)
        if behavior.reduce_value:
            count = min(count, left)
        if count > left or count <= 0:
            return None
    return Item(held.name, held.unit, count)


def _limited(items: Sequence[Item], limits: Limits) -> tuple[Item, ...]:
    kept = []
    for item in items:
        most = limits.get(item.name)
        if most is None:
            kept.append(item)
        elif most > 0:
            kept.append(item if item.count is None else replace(item, count=min(item.count, most)))
    return tuple(kept)
