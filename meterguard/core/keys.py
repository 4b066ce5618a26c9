"""Canonical keys: the bytes under which all who want the same lease find it, in this process or another.

A key is a JSON array in ASCII: the entitlements in order of their names, then the value of ``per``, then the mark of
a seat that one call takes for itself. It holds no secret.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from ..model import Entitlement
from .requirements import Requirement

CALL, LOCAL = "call", "local"
_COMMON = f'{{"{CALL}":""}}]'.encode("ascii")


class Wanted(NamedTuple):
    """The parts of a key."""

    requirement: Requirement
    per: tuple[object, ...] = ()
    """Empty for the guard's own scope, else the one value of ``per``."""
    seat: str | None = None
    """The mark of a seat that one call takes for itself; empty for what all such calls have in common."""


def encoded(requirement: Requirement, per: tuple[Hashable, ...] = (), seat: str | None = None) -> bytes | None:
    """Return the canonical key, None where only this process can tell the value of ``per`` from others."""
    text = _head(requirement)
    if per:
        value = _value(per[0])
        if value is None:
            return None
        text = f"{text},{value}"
    if seat is not None:
        text = f'{text},{{"{CALL}":{quoted(seat)}}}'
    return f"[{text}]".encode("ascii")


def numbered(requirement: Requirement, number: int | str, seat: str | None = None) -> bytes:
    """Return a key for a value of ``per`` that only this process knows, by what stands for it here."""
    mark = "" if seat is None else f',{{"{CALL}":{quoted(seat)}}}'
    name = number if isinstance(number, int) else quoted(number)
    return f'[{_head(requirement)},{{"{LOCAL}":{name}}}{mark}]'.encode("ascii")


def seat_of(shared: bytes, seat: str) -> bytes:
    """Return the key of one call's own seat, from the key of what all such calls have in common."""
    return shared.removesuffix(_COMMON) + f'{{"{CALL}":{quoted(seat)}}}]'.encode("ascii")


def decoded(key: bytes) -> Wanted:
    """Return the parts of a canonical key. Values that JSON does not have come back as JSON has them."""
    lines, *rest = json.loads(key)
    seat = rest.pop()[CALL] if rest and isinstance(rest[-1], dict) and CALL in rest[-1] else None
    return Wanted(tuple(Entitlement(*line) for line in lines), tuple(rest), seat)


@lru_cache(maxsize=1024)
def _head(requirement: Requirement) -> str:
    lines = [line_of(one) for one in sorted(requirement, key=lambda one: one.name)]
    return json.dumps(lines, separators=(",", ":"))


@lru_cache(maxsize=1024)
def shared(requirement: Requirement) -> Requirement:
    """Return the one tuple that all who want the same may keep."""
    return requirement


def line_of(one: Entitlement) -> list[str | int | None]:
    """Return an entitlement as JSON has it: the arguments that make it."""
    if not one.is_counted:
        return [one.name] if one.value is None else [one.name, one.value, one.unit.value]
    return [one.name, one.value, one.unit.value]


def _value(value: object) -> str | None:
    """Write a value so that equal ones are written alike, None for a kind of value that has no such form."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # equal, so the same seat
    if isinstance(value, int):
        return int.__repr__(value) if value.bit_length() < 4096 else None  # Python refuses to write out very long ones
    if isinstance(value, bytes):
        return f'{{"bytes":"{value.hex()}"}}'
    if isinstance(value, tuple):
        parts = [_value(one) for one in value]
        return None if None in parts else f"[{','.join(filter(None, parts))}]"
    urn = getattr(value, "urn", None)  # of a UUID; its module reads the machine, so it is not imported here
    return f'{{"urn":{quoted(urn)}}}' if isinstance(urn, str) else None
