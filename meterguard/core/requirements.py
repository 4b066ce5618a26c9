"""Requirements of a call: entitlements, taken together or one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, cast

from ..errors import ConfigurationError
from ..model import Entitlement
from ..reasons import OnUnknown

Requirement = tuple[Entitlement, ...]
"""Entitlements that are checked out together, atomically."""


class Question:
    """One call's question, with every callable already answered. ``single`` is a seat of its own (``hold="call"``).

    ``per`` is empty for the guard's own scope, else it has the one value that tells seats apart.
    ``patience`` is how many seconds its caller waits for an answer, where that is less than the guard's ``timeout``.
    ``proves`` says whether a denial has to find out if all units are in use.
    """

    __slots__ = ("alternatives", "on_unknown", "patience", "per", "proves", "single", "wait")

    def __init__(
        self,
        alternatives: tuple[Requirement, ...],
        per: tuple[Hashable, ...] = (),
        single: bool = False,
        wait: float = 0.0,
        on_unknown: OnUnknown | None = None,
        patience: float = math.inf,
        proves: bool = True,
    ) -> None:
        self.alternatives = alternatives
        self.per = per
        self.single = single
        self.wait = wait
        self.on_unknown = on_unknown
        self.patience = patience
        self.proves = proves


class Wish(NamedTuple):
    """The units that one call wants to draw, with every callable already answered."""

    alternatives: tuple[Requirement, ...]
    block: int | None = None
    """How many units are checked out at once; None adapts to the rate."""
    on_unknown: OnUnknown | None = None
    subject: str | None = None
    is_joined: bool = False
    """True where the call settles what it used by the entitlement's name."""
    per_unit: int = 1
    """How many of what the values count make one unit."""


def entitlement(name: object, value: object = None, unit: object = None) -> Entitlement:
    """Return an entitlement, or raise a ConfigurationError that names the wrong argument."""
    make = cast("Callable[..., Entitlement]", Entitlement)  # checks the types itself
    try:
        return make(name, value, unit)
    except ValueError as problem:
        raise ConfigurationError(str(problem)) from None


def in_units(parts: Entitlement, per_unit: int) -> Entitlement:
    """Return a number of parts in whole units of the licence, rounded up."""
    return Entitlement(parts.name, -(-int(parts.value or 0) // per_unit), parts.unit)


def together(entitlements: Iterable[Entitlement]) -> Requirement:
    """Join entitlements to one requirement. The service refuses a name twice, so equal names are added up."""
    merged: dict[str, Entitlement] = {}
    for one in entitlements:
        seen = merged.get(one.name)
        merged[one.name] = one if seen is None else _added(seen, one)
    return tuple(merged.values())


def _added(a: Entitlement, b: Entitlement) -> Entitlement:
    if a.unit is not b.unit:
        raise ConfigurationError(
            f"{a.name!r} is asked for in {a.unit.value!r} and in {b.unit.value!r} at once; "
            "a licence counts it in one unit"
        )
    if a.is_counted and isinstance(a.value, int) and isinstance(b.value, int):
        return entitlement(a.name, a.value + b.value, a.unit)
    if a.value is not None and b.value is not None and a.value != b.value:
        raise ConfigurationError(f"{a.name!r} is asked for as {a.value!r} and as {b.value!r} at once")
    return b if a.value is None else a


def shown(requirement: Requirement) -> str:
    """Return a requirement for people: ``Seats (1 Count) and Export``."""
    return " and ".join(str(one) for one in requirement)
