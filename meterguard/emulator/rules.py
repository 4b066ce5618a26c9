"""What a value may be, for what comes from Python, from seed files and over HTTP alike.

A rule says whether a value keeps to it, and never raises. A wrong kind is told as plainly as a wrong value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from .clock import moment_of

__all__ = (
    "LATEST",
    "Rule",
    "Rules",
    "are_texts",
    "check",
    "is_duration",
    "is_flag",
    "is_line",
    "is_moment",
    "is_number",
    "is_text",
    "is_whole",
    "one_of",
    "optional",
)

Rule = Callable[[Any], bool]
Rules = Mapping[str, tuple[Rule, str]]
"""By the name of a value: its rule, and what a value is that keeps to it."""

# More would leave the years that a timestamp can have: the year 2200 and 95 years on are still inside.
LATEST: Final = 7_258_118_400
_LONGEST: Final = 3_000_000_000


def check(rules: Rules, values: Mapping[str, Any]) -> None:
    """Refuse with a ValueError, which names it, a value that breaks its rule. All values have one."""
    for name, value in values.items():
        keeps, meaning = rules[name]
        if not keeps(value):
            raise ValueError(f"{name}: {value!r} is not {meaning}")


def is_number(value: Any) -> bool:
    """A number that is small enough for durations."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LONGEST <= value <= _LONGEST


def is_duration(value: Any) -> bool:
    """Seconds or a timedelta, not negative."""
    return value.total_seconds() >= 0 if isinstance(value, timedelta) else is_number(value) and value >= 0


def is_moment(value: Any) -> bool:
    """Seconds since 1970, an ISO 8601 text or a datetime, up to the year 2200."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, datetime)):
        return False
    try:
        return 0 <= moment_of(value) <= LATEST
    except (ValueError, OverflowError):
        return False


def is_whole(least: float, most: float = math.inf) -> Rule:
    """A whole number in a range."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """A text with something in it."""
    return isinstance(value, str) and value != ""


def is_line(value: Any) -> bool:
    """A text without line breaks and other control characters."""
    return isinstance(value, str) and not re.search(r"[\x00-\x1f\x7f]", value)


def are_texts(value: Any) -> bool:
    """A text, or several."""
    is_several = isinstance(value, Collection) and not isinstance(value, Mapping)
    return is_several and all(isinstance(one, str) for one in value)


def one_of(*words: Any) -> Rule:
    """One of these words; None may be one."""
    return lambda value: isinstance(value, (str, type(None))) and value in words


def optional(rule: Rule) -> Rule:
    """None, or what keeps to the rule."""
    return lambda value: value is None or rule(value)
