"""What the tables hold, as JSON documents and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from .grants import Grant
from .licenses import Checkout, Entitlement, Item, License
from .replays import Remembered
from .tokens import RefreshToken

__all__ = ("TABLES", "read", "read_key", "write")


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


write: Final[Callable[[Any], str]] = json.JSONEncoder(separators=(",", ":"), default=_fields).encode
"""A key or a row as a document: ASCII, whatever the texts in it."""


def read(table: str, document: str) -> Any:
    """The row of a table that a document holds; a ValueError or TypeError if it holds none."""
    return TABLES[table](json.loads(document))


def read_key(document: str) -> Any:
    """The key that a document holds."""
    key = json.loads(document)
    return tuple(key) if isinstance(key, list) else key


def _license(document: Mapping[str, Any]) -> License:
    entitlements = tuple(Entitlement(**one) for one in document["entitlements"])
    metadata = tuple((name, value) for name, value in document["metadata"])
    return License(**{**document, "entitlements": entitlements, "metadata": metadata})


def _checkout(document: Mapping[str, Any]) -> Checkout:
    return Checkout(**{**document, "items": tuple(Item(**one) for one in document["items"])})


def _grant(document: Mapping[str, Any]) -> Grant:
    return Grant(**{**document, "operations": tuple(document["operations"])})


def _token(document: Mapping[str, Any]) -> RefreshToken:
    lists = {name: tuple(document[name]) for name in ("properties", "roles")}
    return RefreshToken(**{**document, **lists})


def _as_it_is(value: Any) -> Any:
    return value


TABLES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "licenses": lambda versions: tuple(map(_license, versions)),
    "products": tuple,
    "checkouts": _checkout,
    "spent": int,
    "periods": int,
    "grants": lambda versions: tuple(map(_grant, versions)),
    "tokens": _token,
    "tags": dict,
    "replays": lambda document: Remembered(**document),
    "settings": _as_it_is,
}
"""Every table by its name, and how a row of it is read."""
