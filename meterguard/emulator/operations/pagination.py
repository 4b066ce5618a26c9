"""Lists of every kind: filters of one value, and pages that go on by a token."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..protocol.errors import wrong_value

__all__ = ("Filters", "page", "wanted")

T = TypeVar("T")

Filters = Mapping[str, Callable[[T, float], str | None]]
"""By a filter's name: what it looks at, now."""

_PAGING: Final = frozenset({"NextToken", "MaxResults"})


def wanted(known: Filters[T], parameters: Mapping[str, Any], now: float) -> Callable[[T], bool]:
    """Return True when an item passes all filters of a request."""
    tests = [_filter(known, one) for one in parameters.get("Filters", ())]
    return lambda one: all(look(one, now) == value for look, value in tests)


def page(
    operation: str, found: Sequence[T], parameters: Mapping[str, Any], key: Callable[[T], str]
) -> tuple[Sequence[T], dict[str, str]]:
    """Return the part of a list that one answer holds, and the members that lead to the next part.

    A token names the last one that was given, so what is added or removed meanwhile moves nothing.
    """
    token, size = parameters.get("NextToken"), parameters.get("MaxResults", 100)
    question = [operation, {name: value for name, value in parameters.items() if name not in _PAGING}]
    start = 0
    if token is not None:
        after = _read(token, question)
        start = next((n for n, one in enumerate(found, 1) if key(one) == after), len(found))
    given = found[start : start + size]
    if start + size < len(found):
        return given, {"NextToken": _write(key(given[-1]), question)}
    return given, {}


def _filter(known: Filters[T], asked: Mapping[str, Any]) -> tuple[Callable[[T, float], str | None], str]:
    name, values = asked.get("Name", ""), asked.get("Values", ())
    if name not in known:
        raise wrong_value(f"Unknown filter {name}. Known filters are {', '.join(sorted(known))}.")
    if len(values) != 1:
        raise wrong_value(f"Filter {name} takes exactly one value.")
    return known[name], values[0]


def _write(last: str, question: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([last, question]).encode()).decode()


def _read(token: str, question: Any) -> str:
    try:
        last, asked = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        last, asked = None, None
    if not isinstance(last, str) or asked != question:
        raise wrong_value("NextToken is not valid for this request.")
    return last
