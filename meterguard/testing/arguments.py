"""Checks of the arguments that a test gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ..errors import ConfigurationError
from ..model import shortened

__all__ = ("Granted", "require_names", "require_units", "table_of_names", "terms_of")

T = TypeVar("T")

Granted = int | str | tuple[int | str, str] | None
"""Units, units and their unit, True for a feature, a text that a feature carries, or False for what is denied."""


def require_units(value: object) -> None:
    """Refuse a value that is neither a number of units nor None."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ConfigurationError(f"value: {shortened(value)} is not a number of units")


def table_of_names(argument: str, given: Mapping[str, T] | None) -> Mapping[str, T]:
    """Return a mapping by names as it is, and an empty one for None; refuse all else."""
    if not _is_table(given):
        raise ConfigurationError(f"{argument}: {shortened(given)} is not a mapping of names")
    return {} if given is None else given


def _is_table(given: object) -> bool:
    return given is None or (isinstance(given, Mapping) and all(isinstance(name, str) for name in given))


def require_names(argument: str, *names: object) -> None:
    """Refuse a value that is no name of an entitlement."""
    for name in names:
        if not isinstance(name, str):
            raise ConfigurationError(f"{argument}: {shortened(name)} is not the name of an entitlement")


def terms_of(terms: object) -> tuple[int | str | None, str]:
    """Return the value and the unit that are granted."""
    if terms is None or terms is True:
        return None, "None"
    if isinstance(terms, tuple) and len(terms) == 2:
        return terms[0], str(terms[1])
    if isinstance(terms, int):
        return terms, "Count"
    if isinstance(terms, str):
        return terms, "None"
    raise ConfigurationError(
        "what is granted must be a number of units, (number, unit), True for a feature, or a text that a feature "
        f"carries; got {shortened(terms)}"
    )
