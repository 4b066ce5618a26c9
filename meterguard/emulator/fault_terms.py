"""What a fault may be told, and what is wrong with what it was told.

Faults come from Python, from seed files and over HTTP, so a wrong kind is told as plainly as a wrong value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from .clock import seconds_of
from .service import operations

if TYPE_CHECKING:
    from .faults import Fault

__all__ = ("check_fault",)

# More would leave the years that a timestamp can have.
_LONGEST: Final = 3_000_000_000
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_fault(fault: Fault) -> None:
    """Refuse with a ValueError, which names the field, a fault that makes no sense."""
    for name, (is_right, meaning) in _RULES.items():
        value = getattr(fault, name)
        if not is_right(value):
            raise ValueError(f"{name}: {value!r} is not {meaning}")
    if fault.until is not None and seconds_of(fault.until) <= seconds_of(fault.after):
        raise ValueError(f"until: {fault.until!r} is not later than after, {fault.after!r}")


def _is_operation(value: Any) -> bool:
    return isinstance(value, str) and (value == "*" or value in operations())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LONGEST <= value <= _LONGEST


def _is_duration(value: Any) -> bool:
    return value.total_seconds() >= 0 if isinstance(value, timedelta) else _is_number(value) and value >= 0


def _is_whole(least: float, most: float = math.inf) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and not re.search(r"[\x00-\x1f\x7f]", value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_header(name: Any, value: Any) -> bool:
    return isinstance(name, str) and bool(_HEADER_NAME.fullmatch(name)) and _is_line(value) and _is_latin(value)


def _is_latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


def _are_headers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_header(*one) for one in value.items())


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, Collection) and not isinstance(value, Mapping) and all(isinstance(one, str) for one in value)
    )


def _are_limits(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return _are_names(value)
    return all(isinstance(name, str) and _optional(_is_whole(0))(most) for name, most in value.items())


def _one_of(*words: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (str, type(None))) and value in words


def _optional(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or rule(value)


_RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "operation": (_is_operation, "an operation of this service, nor '*'"),
    "error": (_optional(lambda value: _is_line(value) and value), "the code of an error"),
    "message": (_optional(lambda value: isinstance(value, str)), "a text"),
    "status": (_optional(_is_whole(200, 599)), "an HTTP status from 200 to 599"),
    "location": (_optional(_is_line), "a text of one line"),
    "headers": (_are_headers, "a mapping of names of headers to texts of one line"),
    "latency": (lambda value: _is_number(value) and value >= 0, "a number of seconds, at least 0"),
    "hold": (_is_flag, "true or false"),
    "drop": (_one_of(None, "before", "after"), "'before' or 'after'"),
    "body": (
        lambda value: isinstance(value, bytes) or _one_of(None, "garbled", "cut", "empty")(value),
        "'garbled', 'cut' or 'empty', nor bytes",
    ),
    "partial": (_optional(_are_limits), "a list of names, nor a mapping of names to whole numbers"),
    "strip": (_are_names, "a list of names of members"),
    "skew": (_is_number, "a number of seconds"),
    "lifetime": (
        _optional(lambda value: isinstance(value, str) or _is_number(value)),
        "a number of seconds, nor a text",
    ),
    "applied": (_is_flag, "true or false"),
    "times": (_optional(_is_whole(1)), "a positive whole number, nor None"),
    "skip": (_is_whole(0), "a whole number of at least 0"),
    "probability": (lambda value: _is_number(value) and 0 < value <= 1, "a probability: above 0, at most 1"),
    "seed": (_optional(_is_whole(-math.inf)), "a whole number"),
    "after": (_is_duration, "a duration: seconds or a timedelta, at least 0"),
    "until": (_optional(_is_duration), "a duration: seconds or a timedelta, at least 0"),
    "when": (_optional(callable), "a function of the request's parameters"),
}
