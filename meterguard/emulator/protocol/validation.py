"""Rules for the values that come from outside: from Python, from seed files, from state files and over HTTP.

A rule never raises, whatever it is given. `check` tells a wrong kind as plainly as a wrong value.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeGuard

from .errors import WrongValue
from .moments import LATEST, moment_of
from .redaction import shown

__all__ = (
    "FLAG",
    "MOMENT",
    "SPAN",
    "TEXT",
    "TEXTS",
    "Rule",
    "Rules",
    "Test",
    "are_texts",
    "check",
    "is_duration",
    "is_flag",
    "is_line",
    "is_list_of_texts",
    "is_moment",
    "is_number",
    "is_path",
    "is_table_of",
    "is_text",
    "is_whole",
    "maybe",
    "one_of",
    "optional",
)

Test = Callable[[object], bool]
Rule = tuple[Test, str]
"""A test of a value, and the words for a value that passes it."""

Rules = Mapping[str, Rule]
"""The rules of some values, by the names of the values."""

_LONGEST: Final = 3_000_000_000


def check(rules: Rules, values: Mapping[str, object]) -> None:
    """Refuse a value that breaks its rule with a ConfigurationError that names it. Each value must have a rule."""
    for name, value in values.items():
        passes, meaning = rules[name]
        if not passes(value):
            raise WrongValue(f"{name}: {shown(value)} is not {meaning}")


def is_number(value: object) -> TypeGuard[float]:
    """Accept a number that is small enough for a duration."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LONGEST <= value <= _LONGEST


def is_duration(value: object) -> bool:
    """Accept seconds or a timedelta that are not negative."""
    return value.total_seconds() >= 0 if isinstance(value, timedelta) else is_number(value) and value >= 0


def is_moment(value: object) -> bool:
    """Accept seconds since 1970, an ISO 8601 text or a datetime, up to the year 2200."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, datetime)):
        return False
    try:
        return 0 <= moment_of(value) <= LATEST
    except (ValueError, OverflowError):
        return False


def is_whole(least: float, most: float = math.inf) -> Test:
    """Accept a whole number in a range."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_flag(value: object) -> bool:
    """Accept true or false."""
    return isinstance(value, bool)


def is_text(value: object) -> bool:
    """Accept a text that is not empty."""
    return isinstance(value, str) and value != ""


def is_line(value: object) -> TypeGuard[str]:
    """Accept a text without line breaks and other control characters."""
    return isinstance(value, str) and not re.search(r"[\x00-\x1f\x7f]", value)


def is_path(value: object) -> bool:
    """Accept the path of a file, as a text or a path object."""
    return is_text(value) or isinstance(value, os.PathLike)


def are_texts(value: object) -> TypeGuard[Collection[str]]:
    """Accept one text, or several."""
    if not isinstance(value, Collection) or isinstance(value, Mapping):
        return False
    return all(isinstance(one, str) for one in value)


def is_list_of_texts(value: object) -> bool:
    """Accept several texts, but no single one: its letters would be taken for the texts."""
    return are_texts(value) and not isinstance(value, str)


def is_table_of(test: Test) -> Test:
    """Accept a mapping of texts to what passes a test."""
    return lambda value: (
        isinstance(value, Mapping) and all(isinstance(name, str) and test(one) for name, one in value.items())
    )


def one_of(*words: str | None) -> Test:
    """Accept one of these words; None may be one."""
    return lambda value: isinstance(value, (str, type(None))) and value in words


def optional(test: Test) -> Test:
    """Accept None, or what passes the test."""
    return lambda value: value is None or test(value)


def maybe(rule: Rule) -> Rule:
    """Return the rule that accepts None besides."""
    return optional(rule[0]), rule[1]


TEXT: Final[Rule] = (is_text, "a text")
TEXTS: Final[Rule] = (is_list_of_texts, "a list of texts")
FLAG: Final[Rule] = (is_flag, "true or false")
MOMENT: Final[Rule] = (is_moment, "a time from 1970 to 2200: ISO 8601, or seconds since 1970")
SPAN: Final[Rule] = (
    lambda value: isinstance(value, timedelta) or is_number(value),
    "a duration: seconds or a timedelta",
)
