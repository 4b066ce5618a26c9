"""Arguments checked, each by a rule that its name says. Imported at decoration, so it imports little."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .errors import ConfigurationError
from .model import shortened
from .reasons import OnUnknown

Duration = float | int | timedelta
"""Seconds, or a ``timedelta``."""

LONGEST = 100 * 366 * 86_400  # seconds; what is infinite to people would overflow a clock or a socket


def check(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a guard, each checked as soon as it is given; None means not given."""
    checked = {name: CHECKS[name](name, value) for name, value in arguments.items() if value is not None}
    return {name: checked.get(name) for name in arguments}


def seconds(name: str, value: Any) -> float:
    """A duration in seconds, zero or more."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= LONGEST:
        raise ConfigurationError(
            f"{name} must be seconds or a timedelta, from zero to a hundred years; got {shortened(value)}"
        )
    return float(number)


def on_unknown(name: str, value: Any) -> OnUnknown:
    """One of the three policies."""
    try:
        return OnUnknown(value)
    except ValueError:
        raise ConfigurationError(f"{name} must be 'grace', 'deny' or 'allow'; got {shortened(value)}") from None


def _positive_seconds(name: str, value: Any) -> float:
    number = seconds(name, value)
    if number <= 0:
        raise ConfigurationError(f"{name} must be more than zero seconds; got {shortened(value)}")
    return number


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} must be a non-empty string; got {type(value).__name__}")
    return value


def _fraction(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigurationError(f"{name} must lie between 0 and 1, both excluded; got {shortened(value)}")
    return float(value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number from 1; got {shortened(value)}")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False; got {shortened(value)}")
    return value


def _anything(_name: str, value: Any) -> Any:
    return value


def _memory_url(name: str, value: Any) -> str:
    if value != "memory://":
        scheme, colon, _ = _text(name, value).partition("://")
        # nothing but the scheme is shown, since what follows it may be a password
        got = f"{scheme}://..." if colon else "no URL"
        raise ConfigurationError(f"{name} must be 'memory://', the only one that this version knows; got {got}")
    return str(value)


CHECKS: dict[str, Any] = {
    "product_sku": _text,
    "key_fingerprint": _text,
    "beneficiary": _text,
    "node_id": _text,
    "region_name": _text,
    "endpoint_url": _text,
    "session": _anything,
    "client": _anything,
    "store": _memory_url,
    "ledger": _memory_url,
    "on_unknown": on_unknown,
    "grace": seconds,
    "denial_ttl": seconds,
    "linger": seconds,
    "refresh_ahead": _fraction,
    "timeout": _positive_seconds,
    "max_leases": _count,
    "check_in_on_exit": _flag,
}
