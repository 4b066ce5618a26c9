"""Settings of an application, checked: the arguments of a guard, the options of its answers, and an off switch."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping

from ..errors import ConfigurationError
from ..guard import MeterGuard
from ..model import shortened
from .http import HttpOptions, options_among

Settings = Mapping[str, object]


def in_upper_case(settings: Settings, where: str, *, more: Collection[str] = frozenset()) -> dict[str, object]:
    """Return the settings of a framework, whose names are in upper case, as arguments.

    :param where: the place of the settings, for the error.
    :param more: settings that the framework's integration knows besides.
    :raises ConfigurationError: one is unknown, which is a mistake and not a thing to ignore.
    """
    known = {name.upper() for name in (*known_settings(), *more)}
    refuse_unknown(settings.keys() - known, known, where)
    return {name.lower(): value for name, value in settings.items()}


def in_code(given: Settings, where: str, guard: object) -> dict[str, object]:
    """Return settings that were given as arguments.

    :param where: the function that took them, for the error.
    :raises ConfigurationError: the guard is none, a setting is unknown, or one says how to make a guard where a guard
        is given.
    """
    check_guard(guard)
    refuse_unknown(given.keys() - known_settings(), known_settings(), where)
    unused = sorted(given.keys() & _arguments_of_a_guard()) if guard is not None else []
    if unused:
        raise ConfigurationError(f"{where} got a guard, and {', '.join(unused)} to make another: give one of the two")
    return dict(given)


def known_settings() -> frozenset[str]:
    """Return the names of all settings that every integration has."""
    return HttpOptions.names() | _arguments_of_a_guard() | {"enabled"}


def _arguments_of_a_guard() -> frozenset[str]:
    return frozenset(inspect.signature(MeterGuard).parameters)


def sorted_out(settings: Settings) -> tuple[bool, dict[str, object], HttpOptions]:
    """Return whether licences are asked for at all, the arguments of a guard, and the options of answers.

    :raises ConfigurationError: a setting is wrong.
    """
    settings = dict(settings)
    enabled = settings.pop("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigurationError(f"enabled must be True or False; got {shortened(enabled)}")
    return enabled, *options_among(settings)


# -- checks ------------------------------------------------------------------------------------------


def check(name: str, value: object, is_right: bool, wanted: str) -> None:
    """Refuse a wrong argument of an integration.

    :raises ConfigurationError: ``is_right`` is False.
    """
    if not is_right:
        raise ConfigurationError(f"{name} must be {wanted}; got {shortened(value)}")


def check_guard(guard: object) -> None:
    """Refuse what is neither a guard nor None.

    :raises ConfigurationError: it is something else.
    """
    check("guard", guard, guard is None or isinstance(guard, MeterGuard), "a MeterGuard or None")


def refuse_unknown(unknown: Collection[object], known: Collection[str], where: str, what: str = "setting") -> None:
    """Refuse names that nobody knows.

    :raises ConfigurationError: there are any.
    """
    if unknown:
        raise ConfigurationError(
            f"{where} has no {what} {', '.join(sorted(map(str, unknown)))}; there are {', '.join(sorted(known))}"
        )
