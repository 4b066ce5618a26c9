"""Rows of the tables as JSON documents, and back.

A document is read as the type of its row says, so that a file which something else has changed is refused when it is
opened, and not by a request hours later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from .grants import Grant
from .kms_keys import KmsKey
from .licenses import Checkout, License
from .listings import Agreement, Contract, Listing, Registration
from .metering import MeteringRecord
from .replays import Remembered
from .sessions import Session
from .tokens import RefreshToken

__all__ = ("TABLES", "read", "write")


def _fields(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return {name: getattr(value, name) for name in value.__slots__}


write: Final[Callable[[object], str]] = json.JSONEncoder(separators=(",", ":"), default=_fields).encode
"""Return a key or a row as a document, which is ASCII whatever the texts in it are."""

TABLES: Final[Mapping[str, tuple[Any, Any]]] = {
    "licenses": (str, tuple[License, ...]),
    "products": (tuple[str, str], tuple[str, ...]),
    "checkouts": (str, Checkout),
    "spent": (tuple[str, str], int),
    "periods": (str, int),
    "grants": (str, tuple[Grant, ...]),
    "tokens": (str, RefreshToken),
    "sessions": (str, Session),
    "kms_keys": (str, KmsKey),
    "tags": (str, dict[str, str]),
    "listings": (str, Listing),
    "agreements": (str, Agreement),
    "contracts": (str, dict[str, Contract]),
    "registrations": (str, Registration),
    "started": (tuple[str, str], float),
    "meterings": (str, MeteringRecord),
    "replays": (tuple[str, str, str], Remembered),
    "settings": (str, Any),
}
"""The types of the keys and rows of every table, by its name."""

_SETTINGS: Final[Mapping[str, Any]] = {"clock": dict[str, float | None], "starts": int, "signing_key": str}


def read(table: str, key: str, document: str) -> tuple[Any, Any]:
    """Return the key and the row that two documents hold.

    Raises:
        ValueError: They are no JSON, or hold something else than the table does.
    """
    of_key, of_row = TABLES[table]
    known = _typed(of_key, json.loads(key))
    if table == "settings":
        of_row = _SETTINGS[known]
    return known, _typed(of_row, json.loads(document))


def _typed(hint: Any, value: Any) -> Any:
    """Return a value of JSON as the type says."""
    if hint is Any:
        return value
    if is_dataclass(hint):
        return _row(hint, value)
    origin = get_origin(hint)
    if origin is None:
        return _plain(hint, value)
    return _READERS[origin](get_args(hint), value)


def _plain(hint: Any, value: Any) -> Any:
    if hint is float and type(value) is int:
        return value
    if hint is Decimal and type(value) is str:
        return _number(value)
    if type(value) is not hint:
        raise ValueError(f"a {hint.__name__} is expected")
    return value


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("a number is expected") from error
    if not number.is_finite():
        raise ValueError("a number is expected")
    return number


def _row(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    required = {one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}
    if type(value) is not dict or not required <= value.keys() <= hints.keys():
        raise ValueError(f"the members of a {kind.__name__} are expected")
    return kind(**{name: _typed(hints[name], one) for name, one in value.items()})


def _union(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and NoneType in kinds:
        return None
    (kind,) = (one for one in kinds if one is not NoneType)
    return _typed(kind, value)


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if type(value) is not list:
        raise ValueError("a list is expected")
    if kinds[-1] is ...:
        return tuple(_typed(kinds[0], one) for one in value)
    return tuple(_typed(kind, one) for kind, one in zip(kinds, value, strict=True))


def _mapping(kinds: tuple[Any, ...], value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError("a table is expected")
    return {name: _typed(kinds[1], one) for name, one in value.items()}


def _word(words: tuple[Any, ...], value: Any) -> Any:
    if value not in words:
        raise ValueError(f"one of {words} is expected")
    return value


_READERS: Final[Mapping[Any, Callable[[tuple[Any, ...], Any], Any]]] = {
    UnionType: _union,
    tuple: _tuple,
    dict: _mapping,
    Mapping: _mapping,
    Literal: _word,
}


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
