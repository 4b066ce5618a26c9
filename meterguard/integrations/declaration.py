"""Declarations: what a view or a group needs, said before its application has a guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from ..default import requires_entitlement
from ..errors import ConfigurationError
from ..gating.declaration import GateOptions, Value
from ..gating.gate import Gate
from ..guard import MeterGuard
from ..model import shortened
from ..units import Unit
from .settings import check_guard, refuse_unknown

GATE_OPTIONS = frozenset({"hold", "per", "wait", "on_unknown", "guard"})
"""The options of a gate that stands before many views, or is no decorator."""


class Options(GateOptions, total=False):
    """The options of a declaration, those of :func:`~meterguard.requires_entitlement`."""

    fallback: Callable[..., object]
    default: object
    guard: MeterGuard | None


_ALL_OPTIONS = GATE_OPTIONS | {"fallback", "default", "pass_lease"}


class Declaration:
    """A requirement that is checked at once, and becomes a gate of whichever guard is in charge when it is asked.

    Takes what :func:`~meterguard.requires_entitlement` takes.

    :raises ConfigurationError: the declaration is wrong.
    """

    def __init__(
        self, name: str, value: Value = None, unit: Unit | str | None = None, **options: Unpack[Options]
    ) -> None:
        refuse_unknown(options.keys() - _ALL_OPTIONS, _ALL_OPTIONS, "a gate", "option")
        check_guard(options.get("guard"))
        self.key = (name, value, unit, *sorted(options.items(), key=lambda item: item[0]))
        """Equal for equal declarations."""
        self._options: dict[str, Any] = {"name": name, "value": value, "unit": unit, **options}
        self._gate: Gate = requires_entitlement(**self._options)
        self._names_its_guard = options.get("guard") is not None

    def gate(self, guard: MeterGuard) -> Gate:
        """Return the gate of this guard, or of the one that was named in the declaration."""
        gate = self._gate
        if gate.guard is not guard and not self._names_its_guard:
            options: dict[str, Any] = {**self._options, "guard": guard}
            gate = self._gate = requires_entitlement(**options)
        return gate

    def __repr__(self) -> str:
        return repr(self._gate)


def declared(entitlement: object, options: object, where: str) -> Declaration:
    """Return what an attribute or a setting declares: a name, or name, value and unit; with the options beside it.

    :param where: the attribute or setting, for the error.
    :raises ConfigurationError: it is wrong.
    """
    needs = (entitlement,) if isinstance(entitlement, str) else entitlement
    if not isinstance(needs, tuple | list) or not 1 <= len(needs) <= 3:
        raise ConfigurationError(
            f"{where} must be a name, or a name, a value and a unit, such as ('Seats', 1, 'Count'); "
            f"got {shortened(entitlement)}"
        )
    if not isinstance(options, Mapping) or not options.keys() <= GATE_OPTIONS:
        raise ConfigurationError(
            f"the options of {where} must be a dict with any of {', '.join(sorted(GATE_OPTIONS))}; "
            f"got {shortened(options)}"
        )
    return Declaration(*needs, **options)
