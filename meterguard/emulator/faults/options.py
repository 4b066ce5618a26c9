"""The options of a fault: their types, and the rules that they are checked by."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, TypedDict

from ..protocol.errors import WrongValue
from ..protocol.forgeries import TAMPERS, Tamper
from ..protocol.messages import Parameters
from ..protocol.model import is_operation
from ..protocol.moments import Duration, seconds_of
from ..protocol.redaction import shown
from ..protocol.validation import (
    Rules,
    are_texts,
    check,
    is_duration,
    is_flag,
    is_line,
    is_number,
    is_whole,
    one_of,
    optional,
)

__all__ = ("Body", "FaultDetails", "FaultOptions", "Partial", "check_options")

Partial = Mapping[str, int | None] | Collection[str]
"""The names of what is left out, or names with the most that is given (None or 0: leave out)."""

Body = Literal["garbled", "cut", "empty"] | bytes


class FaultDetails(TypedDict, total=False):
    """The options of a fault besides its error; `Faults.add` says what each does."""

    message: str | None
    status: int | None
    location: str | None
    headers: Mapping[str, str]
    latency: float
    hold: bool
    drop: Literal["before", "after"] | None
    body: Body | None
    partial: Partial | None
    strip: Collection[str]
    skew: float
    lifetime: float | str | None
    tamper: Tamper | None
    claims: Mapping[str, object]
    applied: bool
    times: int | None
    skip: int
    probability: float
    seed: int | None
    after: Duration
    until: Duration | None
    when: Callable[[Parameters], bool] | None


class FaultOptions(FaultDetails, total=False):
    """The options of a fault."""

    error: str | None


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse an option that makes no sense with a ConfigurationError that names it. All options are given."""
    check(_RULES, options)
    after, until = options["after"], options["until"]
    if until is not None and seconds_of(until) <= seconds_of(after):
        raise WrongValue(f"until: {shown(until)} is not later than after, {shown(after)}")
    if options["tamper"] == "replay" and options["claims"]:
        raise WrongValue("claims: a replay says what it said before; leave claims or tamper out")


def _is_operation(value: object) -> bool:
    return isinstance(value, str) and (value == "*" or is_operation(value))


def _is_header(name: object, value: object) -> bool:
    is_name = isinstance(name, str) and bool(_HEADER_NAME.fullmatch(name))
    return is_name and is_line(value) and all(ord(character) < 256 for character in value)


def _are_headers(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_header(*one) for one in value.items())


def _are_claims(value: object) -> bool:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _are_limits(value: object) -> bool:
    if not isinstance(value, Mapping):
        return are_texts(value)
    return all(isinstance(name, str) and optional(is_whole(0))(most) for name, most in value.items())


_RULES: Final[Rules] = {
    "operation": (_is_operation, "an operation of License Manager, KMS, STS or AWS Marketplace, nor '*'"),
    "error": (optional(lambda value: is_line(value) and bool(value)), "the code of an error"),
    "message": (optional(lambda value: isinstance(value, str)), "a text"),
    "status": (optional(is_whole(200, 599)), "an HTTP status from 200 to 599"),
    "location": (optional(is_line), "a text of one line"),
    "headers": (_are_headers, "a mapping of names of headers to texts of one line"),
    "latency": (lambda value: is_number(value) and value >= 0, "a number of seconds, at least 0"),
    "hold": (is_flag, "true or false"),
    "drop": (one_of(None, "before", "after"), "'before' or 'after'"),
    "body": (
        lambda value: isinstance(value, bytes) or one_of(None, "garbled", "cut", "empty")(value),
        "'garbled', 'cut' or 'empty', nor bytes",
    ),
    "partial": (optional(_are_limits), "a list of names, nor a mapping of names to whole numbers"),
    "strip": (are_texts, "a list of names of members"),
    "skew": (is_number, "a number of seconds"),
    "lifetime": (optional(lambda value: isinstance(value, str) or is_number(value)), "a number of seconds, nor a text"),
    "tamper": (one_of(None, *TAMPERS), f"one of {', '.join(TAMPERS)}"),
    "claims": (_are_claims, "a mapping of names of claims to values of JSON"),
    "applied": (is_flag, "true or false"),
    "times": (optional(is_whole(1)), "a positive whole number, nor None"),
    "skip": (is_whole(0), "a whole number of at least 0"),
    "probability": (lambda value: is_number(value) and 0 < value <= 1, "a probability: above 0, at most 1"),
    "seed": (optional(is_whole(-float("inf"))), "a whole number"),
    "after": (is_duration, "a duration: seconds or a timedelta, at least 0"),
    "until": (optional(is_duration), "a duration: seconds or a timedelta, at least 0"),
    "when": (optional(callable), "a function of the request's parameters"),
}
