"""Seed files: what an emulator holds when it starts, in TOML or JSON.

One table for the emulator, one list for its licences and one for its faults; the names are those of the
Python arguments. What is wrong is told with the place where it stands.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .behavior import Behavior
from .license_terms import check_license
from .licenses import License, key_fingerprint
from .terms import ISSUER_ACCOUNT, ISSUER_NAME

if TYPE_CHECKING:
    from .facade import Emulator

__all__ = ("Seed", "SeedError", "load_seed", "read_seed")

_KEYS: Final = frozenset({"account_id", "region", "accounts", "organizations", "behavior", "licenses", "faults"})


class SeedError(ValueError):
    """A seed file that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What a seed file says."""

    account_id: str | None = None
    region: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    organizations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    behavior: Behavior | None = None
    licenses: Sequence[Mapping[str, Any]] = ()
    faults: Sequence[Mapping[str, Any]] = ()

    def plant(self, emulator: Emulator, held: Iterable[License] = ()) -> None:
        """Add the faults to an emulator, and the licences that it does not hold yet.

        A licence is known by its SKU, its issuer and its beneficiary, as it was ``held`` when it was issued. One
        that was changed or deleted since stays so. Two alike in a seed are two licences.
        """
        known = Counter((one.sku, one.key_fingerprint, one.beneficiary) for one in held)
        for number, terms in enumerate(self.licenses):
            with _place(f"licenses[{number}]"):
                check_license(terms)
                identity = _identity(terms, emulator.account_id)
                if known[identity]:
                    known[identity] -= 1
                else:
                    emulator.add_license(**terms)
        for number, options in enumerate(self.faults):
            with _place(f"faults[{number}]"):
                emulator.faults.add(**options)


def load_seed(path: str | os.PathLike[str]) -> Seed:
    """Read a seed file; its name ends in ``.toml`` or ``.json``."""
    file = Path(path)
    readers = {".toml": tomllib.loads, ".json": json.loads}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise SeedError(f"{file.name}: a seed file's name ends in .toml or .json")
    try:
        return read_seed(reader(file.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SeedError(f"{file.name}: {reason}") from error


def read_seed(data: Any) -> Seed:
    """What a seed file's data say."""
    if not isinstance(data, Mapping):
        raise SeedError("a seed is a table")
    unknown = data.keys() - _KEYS
    if unknown:
        raise SeedError(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(_KEYS))}")
    return Seed(
        account_id=_text(data, "account_id"),
        region=_text(data, "region"),
        accounts=_table(data, "accounts"),
        organizations=_table(data, "organizations"),
        behavior=_behavior(_table(data, "behavior")),
        licenses=_tables(data, "licenses"),
        faults=_tables(data, "faults"),
    )


class _place:  # noqa: N801 - reads as a word in a with statement
    """Tell where in the seed something was wrong."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (TypeError, ValueError)):
            raise SeedError(f"{self._where}: {error}") from error


def _identity(terms: Mapping[str, Any], account_id: str) -> tuple[Any, str, Any]:
    issuer = terms.get("issuer_account") or ISSUER_ACCOUNT
    beneficiary = terms.get("beneficiary")
    return (
        terms.get("product_sku"),
        key_fingerprint(issuer, terms.get("issuer_name", ISSUER_NAME)),
        account_id if beneficiary is None else beneficiary,
    )


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise SeedError(f"{key}: must be a text")
    return value


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise SeedError(f"{key}: must be a table")
    return value


def _tables(data: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise SeedError(f"{key}: must be a list of tables")
    return value


def _behavior(switches: Mapping[str, Any]) -> Behavior | None:
    unknown = switches.keys() - Behavior.names()
    if unknown:
        raise SeedError(f"behavior: unknown {', '.join(sorted(unknown))}")
    return Behavior(**switches) if switches else None
