"""Checks of what the rows of a state file say of one another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..protocol.moments import LATEST
from .grants import Grant
from .licenses import License

__all__ = ("contradictions",)

Tables = Mapping[str, Mapping[Any, Any]]


def contradictions(tables: Tables) -> Iterator[str]:
    """Yield the name of each table with a row that cannot be true beside the others."""
    licences = tables["licenses"]
    agreements = {
        "licenses": all(map(_are_versions, licences.items())),
        "grants": all(map(_are_versions, tables["grants"].items())),
        "products": all(licences.keys() >= set(arns) for arns in tables["products"].values()),
        "checkouts": all(
            token == one.token and 1 <= one.version <= len(licences.get(one.arn, ()))
            for token, one in tables["checkouts"].items()
        ),
        "tokens": all(identifier == one.identifier for identifier, one in tables["tokens"].items()),
        "sessions": all(access_key == one.access_key for access_key, one in tables["sessions"].items()),
        "kms_keys": all(identifier == one.identifier for identifier, one in tables["kms_keys"].items()),
        "listings": all(code == one.code for code, one in tables["listings"].items()),
        "agreements": all(
            arn == one.license_arn and one.product in tables["listings"] for arn, one in tables["agreements"].items()
        ),
        "contracts": tables["agreements"].keys() >= tables["contracts"].keys(),
        "registrations": all(
            token == one.token and one.license_arn in tables["agreements"]
            for token, one in tables["registrations"].items()
        ),
        "meterings": all(number == one.record_id for number, one in tables["meterings"].items()),
        "settings": _is_reading(tables["settings"].get("clock", _STANDS_RIGHT)),
    }
    return (name for name, agrees in agreements.items() if not agrees)


def _are_versions(row: tuple[str, Sequence[License | Grant]]) -> bool:
    arn, versions = row
    return bool(versions) and all(one.arn == arn and one.version == n for n, one in enumerate(versions, 1))


_STANDS_RIGHT: Final[Mapping[str, float | None]] = {"ahead": 0.0, "frozen": None}


def _is_reading(reading: Mapping[str, float | None]) -> bool:
    if reading.keys() != _STANDS_RIGHT.keys() or reading["ahead"] is None:
        return False
    frozen = reading["frozen"]
    return math.isfinite(reading["ahead"]) and (frozen is None or 0 <= frozen <= LATEST)
