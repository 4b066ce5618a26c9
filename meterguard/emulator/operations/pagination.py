"""Filters of one value, and pages that go on by a token, for lists of every kind."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..protocol.errors import wrong_value
from ..protocol.messages import Parameters

__all__ = ("Filters", "page", "wanted")

T = TypeVar("T")

Filters = Mapping[str, Callable[[T, float], str | None]]
"""The functions that return the value which a filter compares, by the filter's name."""

_PAGING: Final = frozenset({"NextToken", "MaxResults"})


def wanted(known: Filters[T], parameters: Parameters, now: float) -> Callable[[T], bool]:
    """Return the test that passes what all filters of a request let through."""
    tests = [_filter(known, one) for one in parameters.get("Filters", ())]
    return lambda one: all(look(one, now) == value for look, value in tests)


def page(
    operation: str, found: Sequence[T], parameters: Parameters, key: Callable[[T], str], size: int = 100
) -> tuple[Sequence[T], dict[str, str]]:
    """Return one page of a list, and the members of the answer that say how to go on.

    A token names the last item of the page before, so items that are added or removed meanwhile move nothing.
    """
    token, size = parameters.get("NextToken"), parameters.get("MaxResults", size)
    question = [operation, {name: value for name, value in parameters.items() if name not in _PAGING}]
    start = 0
    if token is not None:
        after = _read(token, question)
        start = next((n for n, one in enumerate(found, 1) if key(one) == after), len(found))
    given = found[start : start + size]
    if start + size < len(found):
        return given, {"NextToken": _write(key(given[-1]), question)}
    return given, {}


def _filter(known: Filters[T], asked: Parameters) -> tuple[Callable[[T, float], str | None], str]:
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
