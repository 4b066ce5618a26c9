"""Seed files in TOML or JSON: the licences, products and faults that an emulator starts with.

One table for the emulator, and one list each for its licences, its products and its faults; the names are those of the
Python arguments. An error names the place where the mistake stands.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..protocol.errors import ConfigurationError
from ..protocol.redaction import shown
from ..protocol.validation import Rules, is_list_of_texts, is_path, is_table_of, is_text, maybe
from ..state.licenses import License, key_fingerprint
from ..state.product_terms import check_product
from ..state.switches import Behavior
from ..state.term_rules import check_license
from ..state.terms import ISSUER_ACCOUNT, ISSUER_NAME
from .target import Target

__all__ = ("Seed", "SeedError", "load_seed", "read_seed")


class SeedError(ConfigurationError, ValueError):
    """A seed file that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """The contents of a seed file.

    Raises:
        SeedError: A field has a value that it cannot have.
    """

    account_id: str | None = None
    region: str | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    organizations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    behavior: Behavior | None = None
    licenses: Sequence[Mapping[str, Any]] = ()
    products: Sequence[Mapping[str, Any]] = ()
    faults: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        for name, (passes, meaning) in _FIELDS.items():
            if not passes(getattr(self, name)):
                raise SeedError(f"{name} must be {meaning}; got {shown(getattr(self, name))}")

    def __repr__(self) -> str:
        licenses, products, faults = map(len, (self.licenses, self.products, self.faults))
        return f"<Seed with {licenses} licenses, {products} products and {faults} faults>"

    def plant(self, emulator: Target, held: Iterable[License] = ()) -> None:
        """Add the faults to an emulator, and the licences and products that it does not hold yet.

        A licence is known by its SKU, its issuer and its beneficiary, as it was ``held`` when it was issued. One
        that was changed or deleted since stays so. Two alike in a seed are two licences. A product is known by its
        code.
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
        self._plant_products(emulator)
        for number, options in enumerate(self.faults):
            with _place(f"faults[{number}]"):
                stated: dict[str, Any] = {"operation": None, **options}
                emulator.faults.add(**stated)

    def _plant_products(self, emulator: Target) -> None:
        held = {one.code for one in emulator.products()}
        for number, terms in enumerate(self.products):
            with _place(f"products[{number}]"):
                check_product(terms)
                if terms["code"] not in held:
                    emulator.add_product(**terms)


def load_seed(path: str | os.PathLike[str]) -> Seed:
    """Read a seed file, whose name ends in ``.toml`` or ``.json``.

    Raises:
        SeedError: The file cannot be read, or something in it is wrong. The text is one line.
    """
    if not is_path(path):
        raise SeedError(f"path: {shown(path)} is not the path of a seed file")
    file = Path(path)
    readers = {".toml": tomllib.loads, ".json": json.loads}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise SeedError(f"{file.name}: the name of a seed file must end in .toml or .json")
    try:
        return read_seed(reader(file.read_text(encoding="utf-8")))
    except RecursionError as error:
        raise SeedError(f"{file.name}: tables and lists are nested too deeply") from error
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SeedError(f"{file.name}: {reason}") from error


def read_seed(data: object) -> Seed:
    """Return the seed that the data of a file describe."""
    if not isinstance(data, Mapping):
        raise SeedError(f"a seed must be a table of names and values; got {shown(data)}")
    unknown = data.keys() - _FIELDS.keys()
    if unknown:
        raise SeedError(
            f"a seed has no {', '.join(sorted(map(str, unknown)))}; it may have {', '.join(sorted(_FIELDS))}"
        )
    return Seed(**{**data, "behavior": _behavior(data.get("behavior", {}))})


class _place:  # noqa: N801 - reads as a word in a with statement
    """Tell where in the seed something was wrong."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ConfigurationError):
            raise SeedError(f"{self._where}: {error}") from error


def _identity(terms: Mapping[str, Any], account_id: str) -> tuple[Any, str, Any]:
    issuer = terms.get("issuer_account") or ISSUER_ACCOUNT
    beneficiary = terms.get("beneficiary")
    return (
        terms.get("product_sku"),
        key_fingerprint(issuer, terms.get("issuer_name", ISSUER_NAME)),
        account_id if beneficiary is None else beneficiary,
    )


def _are_tables(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(map(is_table_of(lambda _: True), value))


_FIELDS: Final[Rules] = {
    "account_id": maybe((is_text, "a text")),
    "region": maybe((is_text, "a text")),
    "accounts": (is_table_of(is_text), "a table of access keys and their accounts"),
    "organizations": (is_table_of(is_list_of_texts), "a table of ARNs and lists of accounts"),
    "behavior": maybe((lambda value: isinstance(value, Behavior), "a table of switches")),
    "licenses": (_are_tables, "a list of tables"),
    "products": (_are_tables, "a list of tables"),
    "faults": (_are_tables, "a list of tables"),
}


def _behavior(switches: object) -> Behavior | None:
    if not isinstance(switches, Mapping):
        raise SeedError(f"behavior must be a table of switches; got {shown(switches)}")
    unknown = switches.keys() - Behavior.names()
    if unknown:
        raise SeedError(f"behavior has no switch {', '.join(sorted(map(str, unknown)))}")
    return Behavior(**switches) if switches else None
