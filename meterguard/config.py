"""Arguments and environment turned into settings: the only place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .arguments import CHECKS
from .core.policy import Policy
from .errors import ConfigurationError
from .reasons import OnUnknown


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
    loopback_only: bool = False
    """Whether a client of our own may only talk to this machine, as in tests."""


_FROM_ENVIRONMENT = ("product_sku", "key_fingerprint", "beneficiary", "node_id", "store", "on_unknown", "grace")
LOOPBACK_ONLY = "METERGUARD_LOOPBACK_ONLY"
_REQUIRED = ("product_sku", "key_fingerprint")
_DEFAULTS: dict[str, Any] = {"store": "memory://", "on_unknown": OnUnknown.GRACE, "grace": 1800.0}


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
    return Settings(policy=policy, loopback_only=bool(environ.get(LOOPBACK_ONLY)), **values)


def variable(name: str) -> str:
    """The environment variable that stands in for an argument."""
    return f"METERGUARD_{name.upper()}"


def _from_environment(name: str, environ: Mapping[str, str]) -> Any:
    text = environ.get(variable(name), "").strip()
    if not text:
        return None
    try:
        return CHECKS[name](name, float(text) if name == "grace" else text)
    except ValueError:
        raise ConfigurationError(f"{variable(name)} must be a number of seconds; got {text!r}") from None
    except ConfigurationError as problem:
        raise ConfigurationError(f"{variable(name)}: {problem}") from None


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
