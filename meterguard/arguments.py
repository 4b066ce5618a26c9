"""Checks of arguments, each named after its rule. Imported at decoration, so it imports little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypeVar

from .errors import ConfigurationError
from .model import shortened
from .reasons import OnUnknown
from .secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

Duration = float | int | timedelta
"""Seconds, or a ``timedelta``."""

T = TypeVar("T")

OnUnknownName = Literal["grace", "deny", "allow"]

VerifySignature = Literal["if-present", "required"]

Authority = Literal["license-manager", "marketplace-entitlement"]

Customer = str | tuple[str, str]
"""An AWS account, or an account and the ARN of one of its licences."""

PublicKeys = str | bytes | PathLike[str] | Sequence[str | bytes | PathLike[str]]
"""Public keys: PEM as text or bytes, paths to files of it, or several of these."""

LONGEST = 100 * 366 * 86_400  # seconds; what is infinite to people would overflow a clock or a socket


def seconds(name: str, value: object) -> float:
    """Check a duration in seconds, zero or more."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= LONGEST:
        raise ConfigurationError(
            f"{name} must be seconds or a timedelta, from zero to a hundred years; got {shortened(value)}"
        )
    return float(number)


def on_unknown(name: str, value: object) -> OnUnknown:
    """Check one of the three policies."""
    for policy in OnUnknown:
        if value == policy:
            return policy
    raise ConfigurationError(f"{name} must be 'grace', 'deny' or 'allow'; got {shortened(value)}")


def positive_seconds(name: str, value: object) -> float:
    """Check a duration in seconds, more than zero."""
    number = seconds(name, value)
    if number <= 0:
        raise ConfigurationError(f"{name} must be more than zero seconds; got {shortened(value)}")
    return number


def text(name: str, value: object) -> str:
    """Check a text, which must not be empty and is not repeated in the message."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} must be a non-empty string; got {type(value).__name__}")
    return value


def fraction(name: str, value: object) -> float:
    """Check a number between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigurationError(f"{name} must lie between 0 and 1, both excluded; got {shortened(value)}")
    return float(value)


def count(name: str, value: object, least: int = 1) -> int:
    """Check a whole number, from 1 or another one."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number from {least}; got {shortened(value)}")
    return value


def flag(name: str, value: object) -> bool:
    """Check a flag, True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False; got {shortened(value)}")
    return value


def session(name: str, value: T) -> T:
    """Check a ``boto3.Session``, or an object with its methods."""
    if not callable(getattr(value, "client", None)):
        raise ConfigurationError(f"{name} must be a boto3.Session; got {type(value).__name__}")
    return value


def client(name: str, value: T) -> T:
    """Check a boto3 client of License Manager, or an object with its methods."""
    if not any(callable(getattr(value, method, None)) for method in ("checkout_license", "get_entitlements")):
        raise ConfigurationError(
            f"{name} must have the methods of a boto3 client of License Manager; got {type(value).__name__}"
        )
    return value


LEDGERS = {
    "memory": "'memory://'",
    "sqlite": "'sqlite:///relative.db', 'sqlite:////absolute.db'",
    "redis": "'redis://host:port/db'",
    "rediss": "'rediss://...'",
}
STORES = LEDGERS | {
    "postgresql": "'postgresql://user:password@host/db'",
    "postgres": "'postgres://...'",
    "django": "'django://alias'",
    "dynamodb": "'dynamodb://table'",
}
STORE_METHODS = ("read", "replace", "rows", "describe", "close", "forget")


def ledger_url(name: str, value: object) -> str:
    """Check the URL of a ledger, as far as its scheme goes."""
    return _place(name, value, LEDGERS)


def _place(name: str, value: object, forms: Mapping[str, str]) -> str:
    scheme, colon, _ = text(name, value).partition("://")
    if not colon or scheme not in forms:
        # Nothing but the scheme is shown, because a password may follow it.
        got = f"{scheme}://..." if colon else "no URL"
        *first, last = forms.values()
        raise ConfigurationError(f"{name} must be {', '.join(first)} or {last}; got {got}")
    return str(value)


def store(name: str, value: T) -> T | str:
    """Check the URL of a store, or an object with the methods of ``SharedStore``."""
    if isinstance(value, str):
        return _place(name, value, STORES)
    missing = [f"{method}()" for method in STORE_METHODS if not callable(getattr(value, method, None))]
    if missing or isinstance(value, type):
        got = (
            f"the class {value.__name__}" if isinstance(value, type) else f"{type(value).__name__} without {missing[0]}"
        )
        raise ConfigurationError(
            f"{name} must be a URL, or an object with the methods of meterguard.rows.SharedStore; got {got}"
        )
    return value


def overdraft(name: str, value: object) -> dict[str, int]:
    """Check units on credit by the name of their entitlement."""
    if not isinstance(value, dict) or not all(isinstance(key, str) and key.strip() for key in value):
        raise ConfigurationError(
            f"{name} must be a dict of units by entitlement name, such as {{'Pages': 100}}; got {shortened(value)}"
        )
    return {key: count(f"{name}[{key!r}]", units) for key, units in value.items()}


def public_keys(name: str, value: object) -> tuple[bytes | Path, ...]:
    """Check public keys, as far as that can be said without reading them. Returns PEM as bytes, and paths."""
    given = value if isinstance(value, list | tuple) else (value,)
    several = [one for one in given if isinstance(one, str | bytes | PathLike)]
    if not several or len(several) < len(given):
        raise ConfigurationError(
            f"{name} must be one public key or a list of them, each a PEM text, bytes or a pathlib.Path; "
            f"got {type(value).__name__}"
        )
    for one in several:
        if isinstance(one, str) and "-----BEGIN" not in one:
            raise ConfigurationError(f"{name} must hold PEM texts; a file is given as pathlib.Path(...)")
    return tuple(_path(one) if isinstance(one, PathLike) else _encoded(one) for one in several)


def _encoded(pem: str | bytes) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem


def verify_signature(name: str, value: object) -> str:
    """Check how signatures are verified."""
    if value not in ("if-present", "required"):
        raise ConfigurationError(f"{name} must be 'if-present' or 'required'; got {shortened(value)}")
    return str(value)


def authority(name: str, value: object) -> str:
    """Check who answers for entitlements."""
    if value not in ("license-manager", "marketplace-entitlement"):
        raise ConfigurationError(
            f"{name} must be 'license-manager' or 'marketplace-entitlement'; got {shortened(value)}"
        )
    return str(value)


def customer(name: str, value: object) -> tuple[str, str | None]:
    """Check a customer of AWS Marketplace. The message repeats neither account nor licence."""
    account, *rest = value if isinstance(value, tuple | list) else (value,)
    arn = rest[0] if rest else None
    is_account = isinstance(account, str) and account.isascii() and account.isdigit() and len(account) == 12
    is_arn = arn is None or (isinstance(arn, str) and arn.startswith("arn:"))
    if not is_account or not is_arn or len(rest) > 1:
        raise ConfigurationError(
            f"{name} must be a CustomerAWSAccountId of 12 digits, or a pair of it and a LicenseArn, as ResolveCustomer "
            "tells them"
        )
    return Secret(account), None if arn is None else Secret(arn)


def borrowed(name: str, value: object) -> Path | bool:
    """Check where borrowed licences are: True for the usual place, or the path of a file."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str | PathLike) or not str(value).strip():
        raise ConfigurationError(f"{name} must be True or the path of a file; got {shortened(value)}")
    return _path(value)


def refresh_token(name: str, value: object) -> str | Path:
    """Check a refresh token: a text, or the path of a file."""
    return _path(value) if isinstance(value, PathLike) else text(name, value).strip()


def _path(value: str | PathLike[str]) -> Path:
    from pathlib import Path  # which takes longer to import than all of this

    return Path(value)
