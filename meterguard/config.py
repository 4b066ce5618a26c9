"""Arguments and environment turned into settings: the only place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .core.policy import OnUnknown, Policy
from .errors import ConfigurationError
from .model import shortened

Duration = float | int | timedelta
"""Seconds, or a ``timedelta``."""

LONGEST = 100 * 366 * 86_400  # seconds; what is infinite to people would overflow a clock or a socket


@dataclass(frozen=True, slots=True)
class Settings:
    """What a guard needs to know once it is used."""

    product_sku: str
    key_fingerprint: str
    beneficiary: str | None
    node_id: str | None
    region_name: str | None
    endpoint_url: str | None
    session: Any
    client: Any
    store: str
    policy: Policy


_FROM_ENVIRONMENT = ("product_sku", "key_fingerprint", "beneficiary", "node_id", "store", "on_unknown", "grace")
_REQUIRED = ("product_sku", "key_fingerprint")
_DEFAULTS: dict[str, Any] = {"store": "memory://", "on_unknown": OnUnknown.GRACE, "grace": 1800.0}


def check(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a guard, each checked as soon as it is given; None means not given."""
    checked = {name: _CHECKS[name](name, value) for name, value in arguments.items() if value is not None}
    return {name: checked.get(name) for name in arguments}


def settle(checked: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """An argument beats its variable, which beats the default. What is still missing is an error."""
    environ = os.environ if environ is None else environ
    values = dict(checked)
    for name in _FROM_ENVIRONMENT:
        if values[name] is None:
            values[name] = _from_environment(name, environ)
        if values[name] is None:
            values[name] = _DEFAULTS.get(name)
    for name in _REQUIRED:
        if values[name] is None:
            raise ConfigurationError(
                f"{name} is missing: pass {name}= to MeterGuard or configure(), or set {variable(name)}"
            )
    policy = Policy(
        inline="AWS_LAMBDA_FUNCTION_NAME" in environ,
        **{name: values.pop(name) for name in _POLICY},
    )
    del values["ledger"]
    return Settings(policy=policy, **values)


def variable(name: str) -> str:
    """The environment variable that stands in for an argument."""
    return f"METERGUARD_{name.upper()}"


def _from_environment(name: str, environ: Mapping[str, str]) -> Any:
    text = environ.get(variable(name), "").strip()
    if not text:
        return None
    try:
        return _CHECKS[name](name, float(text) if name == "grace" else text)
    except ValueError:
        raise ConfigurationError(f"{variable(name)} must be a number of seconds; got {text!r}") from None
    except ConfigurationError as problem:
        raise ConfigurationError(f"{variable(name)}: {problem}") from None


# -- checks, one a kind of argument ----------------------------------------------------------------


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


_CHECKS: dict[str, Any] = {
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
_POLICY = (
    "on_unknown",
    "grace",
    "denial_ttl",
    "linger",
    "refresh_ahead",
    "timeout",
    "max_leases",
    "check_in_on_exit",
)
