"""Declarations: what a view or a group needs, said before its application has a guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from ..default import CURRENT, requires_entitlement
from ..errors import ConfigurationError
from ..gating.admission import Admission, Entered
from ..gating.barrier import Barrier
from ..gating.declaration import GateOptions, Value
from ..gating.draw import AnyDraw, Meter
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

FAILED = 400  # the first HTTP status of an answer that is an error

Counted = AnyDraw[Any] | Meter
"""What is given in the place of a name, where code is not gated but counted."""
COUNTED = (AnyDraw, Meter)
"""The classes of it."""


class Declaration:
    """A requirement that is checked at once, and becomes a gate of whichever guard is in charge when it is asked.

    Takes what :func:`~meterguard.requires_entitlement` takes; or, in the place of a name, a draw or a meter.

    :raises ConfigurationError: the declaration is wrong.
    """

    def __init__(
        self, name: str | Counted, value: Value = None, unit: Unit | str | None = None, **options: Unpack[Options]
    ) -> None:
        if isinstance(name, COUNTED):
            self._take(name, is_alone=value is None and unit is None and not options)
            return
        refuse_unknown(options.keys() - _ALL_OPTIONS, _ALL_OPTIONS, "a gate", "option")
        check_guard(options.get("guard"))
        self.key = (name, value, unit, *sorted(options.items(), key=lambda item: item[0]))
        """Equal for equal declarations."""
        self._options: dict[str, Any] = {"name": name, "value": value, "unit": unit, **options}
        self._gate: Gate | Counted = requires_entitlement(**self._options)
        self._names_its_guard = options.get("guard") is not None

    def _take(self, counted: Counted, *, is_alone: bool) -> None:
        if not is_alone:
            raise ConfigurationError(f"{counted!r} says all that there is to say: give nothing beside it")
        self.key = (counted,)
        self._gate = counted
        self._names_its_guard = counted.guard is not CURRENT

    @property
    def counts(self) -> bool:
        """True where it is a draw or a meter."""
        return isinstance(self._gate, COUNTED)

    @property
    def is_plain(self) -> bool:
        """False with an option that only a decorator can carry out, but for ``fallback`` and ``default``."""
        return self._gate.keyword is None and not self._gate.is_itemized

    @property
    def degrades(self) -> bool:
        """True with ``fallback`` or ``default``."""
        return self._gate.degrades

    def gate(self, guard: MeterGuard) -> Barrier[Any]:
        """Return the gate of this guard, or of the one that was named in the declaration."""
        gate = self._gate
        if gate.guard is not guard and not self._names_its_guard:
            if isinstance(gate, Gate):
                options: dict[str, Any] = {**self._options, "guard": guard}
                gate = requires_entitlement(**options)
            else:
                gate = gate.of(guard)
            self._gate = gate
        return gate

    def is_open(self, guard: MeterGuard) -> bool:
        """Tell whether the next call may go through without a look; see :meth:`Gate.is_open`."""
        gate = self.gate(guard)
        return isinstance(gate, Gate) and gate.is_open()

    def __repr__(self) -> str:
        return repr(self._gate)


def declared(entitlement: object, options: object, where: str) -> Declaration:
    """Return what an attribute or a setting declares: a name, or name, value and unit; with the options beside it.

    Or a draw or a meter, which has its options itself.

    :param where: the attribute or setting, for the error.
    :raises ConfigurationError: it is wrong.
    """
    if isinstance(entitlement, COUNTED):
        return for_many(_alone(entitlement, options, where), where)
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


def _alone(counted: Counted, options: object, where: str) -> Declaration:
    if options:
        raise ConfigurationError(f"{where} is {counted!r}, which has its options itself: give none beside it")
    return Declaration(counted)


def for_many(declaration: Declaration, where: str) -> Declaration:
    """Return a declaration that stands before many calls, or is no decorator.

    :raises ConfigurationError: it has an option that only a decorator can carry out.
    """
    if declaration.degrades or not declaration.is_plain:
        raise ConfigurationError(
            "fallback=, default=, pass_lease=, pass_charge= and per_item= go with a decorated function; "
            f"{where} has none"
        )
    return declaration


def is_failed(entered: Entered[object], status: int) -> bool:
    """Tell whether a call that is counted failed, where no more is seen of it than the status of its answer."""
    return status >= FAILED and not isinstance(entered, Admission)
