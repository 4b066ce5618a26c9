"""Gates declared before their application has a guard, and what integrations do with guards."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..default import get_guard, install_guard, requires_entitlement
from ..errors import ConfigurationError, MeterGuardError
from ..gating.gate import Gate
from ..gating.registration import is_bypassed
from ..guard import MeterGuard
from ..model import shortened
from ..open_guard import OpenGuard
from ._http import HttpOptions, Refusal, split

_log = logging.getLogger("meterguard.integrations")

GATE_OPTIONS = frozenset({"hold", "per", "wait", "on_unknown", "guard"})
"""The options of a gate that stands before many views, or is no decorator."""
_OPTIONS = GATE_OPTIONS | {"fallback", "default", "pass_lease"}


class LateGate:
    """A declaration that is checked at once, and becomes a gate of whichever guard is in charge when it is asked."""

    def __init__(self, name: str, value: Any = None, unit: Any = None, **options: Any) -> None:
        _refuse_unknown(options.keys() - _OPTIONS, _OPTIONS, "a gate", "option")
        check_guard(options.get("guard"))
        self.key = (name, value, unit, *sorted(options.items(), key=lambda item: item[0]))
        self._gate: Gate = requires_entitlement(name, value, unit, **options)
        self._options = {"name": name, "value": value, "unit": unit, **options}
        self._is_of_a_guard = options.get("guard") is not None

    def of(self, guard: MeterGuard) -> Gate:
        """The gate of this guard, or of the one that was named in the declaration."""
        gate = self._gate
        if gate.guard is not guard and not self._is_of_a_guard:
            options: dict[str, Any] = self._options | {"guard": guard}
            gate = self._gate = requires_entitlement(**options)
        return gate

    def __repr__(self) -> str:
        return repr(self._gate)


def declared(entitlement: Any, options: Any, where: str) -> LateGate:
    """Return the gate that an attribute or a setting declares: a name, or name, value and unit; with its options.

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
    return LateGate(*needs, **options)


class Installed:
    """The guard of one application, and how that application answers.

    :param guard: the guard given; None: the default one, as it is when it is needed.
    """

    def __init__(self, guard: MeterGuard | None, options: HttpOptions) -> None:
        self._guard = guard
        self.options = options

    @property
    def guard(self) -> MeterGuard:
        """The guard in charge now."""
        return get_guard() if self._guard is None else self._guard

    def refusal(self, error: MeterGuardError) -> Refusal:
        """What to tell a client that ran into this error."""
        return self.options.refusal(error)


def settings_in_upper_case(
    settings: Mapping[str, Any], where: str, *, more: Collection[str] = frozenset()
) -> dict[str, Any]:
    """Settings of a framework as arguments.

    :param more: what the framework's integration knows besides.
    :raises ConfigurationError: one is unknown, which is a mistake and not a thing to ignore.
    """
    known = {name.upper() for name in (*_known(), *more)}
    _refuse_unknown(settings.keys() - known, known, where)
    return {name.lower(): value for name, value in settings.items()}


def arguments(given: Mapping[str, Any], where: str, guard: MeterGuard | None) -> dict[str, Any]:
    """Settings that stand in the code.

    :raises ConfigurationError: the guard is none, a setting is unknown, or one says how to make a guard where a guard
        is given.
    """
    check_guard(guard)
    _refuse_unknown(given.keys() - _known(), _known(), where)
    unused = sorted(given.keys() & _guards_own()) if guard is not None else []
    if unused:
        raise ConfigurationError(f"{where} got a guard, and {', '.join(unused)} to make another: give one of the two")
    return dict(given)


def _refuse_unknown(unknown: Collection[str], known: Collection[str], where: str, what: str = "setting") -> None:
    if unknown:
        raise ConfigurationError(
            f"{where} has no {what} {', '.join(sorted(map(str, unknown)))}; there are {', '.join(sorted(known))}"
        )


def check(name: str, value: object, is_right: bool, wanted: str) -> None:
    """Refuse an argument of an integration.

    :raises ConfigurationError: ``is_right`` is False.
    """
    if not is_right:
        raise ConfigurationError(f"{name} must be {wanted}; got {shortened(value)}")


def check_guard(guard: object) -> None:
    """Refuse what is neither a guard nor None."""
    check("guard", guard, guard is None or isinstance(guard, MeterGuard), "a MeterGuard or None")


def _guards_own() -> frozenset[str]:
    return frozenset(inspect.signature(MeterGuard).parameters)


def _known() -> frozenset[str]:
    return HttpOptions.names() | _guards_own() | {"enabled"}


def set_up(guard: MeterGuard | None, settings: Mapping[str, Any]) -> Installed:
    """Settings carried out: the guard given, else a default guard made from the settings, where they name any.

    :raises ConfigurationError: a setting is wrong.
    """
    is_enabled, guard_arguments, options = sorted_out(settings)
    if not is_enabled:
        guard = install_guard(OpenGuard())
    elif guard is None and guard_arguments:
        install_guard(MeterGuard(**guard_arguments))
    return Installed(guard, options)


def sorted_out(settings: Mapping[str, Any]) -> tuple[bool, dict[str, Any], HttpOptions]:
    """Whether licences are asked for at all, the arguments of a guard, and how to answer.

    :raises ConfigurationError: a setting is wrong.
    """
    settings = dict(settings)
    enabled = settings.pop("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigurationError(f"enabled must be True or False; got {enabled!r}")
    return enabled, *split(settings)


def audit(registered: Iterable[tuple[str, Any]], *, strict: bool) -> list[str]:
    """Find what is registered without the guard that stands above the registration, and so never runs.

    :param registered: routes (or tasks, or commands) as people know them, with what is run for them.
    :param strict: raise what was found, as in development; else log it as a warning.
    """
    bypassed = [name for name, function in registered if is_bypassed(function)]
    if bypassed:
        text = (
            f"Registered without the guard that stands above the registration: {', '.join(bypassed)}. "
            "They run unguarded. Put @requires_entitlement(...) below the decorator that registers."
        )
        if strict:
            raise ConfigurationError(text)
        _log.warning("%s", text)
    return bypassed
