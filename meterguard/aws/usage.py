"""Licences, and the units of one that are in use: operations that no gate needs, and IAM may well refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ..ports import FaultKind, LicenseCount, ServiceFault, Usage
from ..secret import Secret
from ..units import Unit
from .metadata import mapping
from .wire import Identity, Parameters

Send: TypeAlias = Callable[[str, Parameters], object]

_MOST_PAGES = 20


def usage(ask: Send, identity: Identity, license_arn: str | None) -> tuple[Usage, ...]:
    """Ask ``GetLicenseUsage`` about this licence, or about the only one that a checkout could be from."""
    arn = license_arn or only_license(ask, identity)
    said = mapping(mapping(ask("GetLicenseUsage", {"LicenseArn": arn})).get("LicenseUsage"))
    lines = said.get("EntitlementUsages")
    return tuple(_lines(lines if isinstance(lines, list) else ()))


def licenses(ask: Send, identity: Identity) -> LicenseCount:
    """Count the licences of the product, and those that a checkout could be from."""
    found = dict(_licenses(ask, identity))
    return LicenseCount(len(found), sum(found.values()))


def only_license(ask: Send, identity: Identity) -> Secret:
    """Return the ARN of the only licence that a checkout could be from. Raises ServiceFault where there is not one."""
    found = [arn for arn, is_usable in dict(_licenses(ask, identity)).items() if is_usable]
    if len(found) != 1:
        raise ServiceFault(FaultKind.NOT_FOUND, f"not one, but {len(found)} licences are of this product and issuer")
    return found[0]


def _licenses(ask: Send, identity: Identity) -> Iterable[tuple[Secret, bool]]:
    """Yield the ARN of each licence of the product, and True for those of the issuer that are available."""
    # An account that names a beneficiary uses a licence of its own, which no list of received licences has.
    operation = "ListLicenses" if identity.beneficiary else "ListReceivedLicenses"
    request: Parameters = {"Filters": [{"Name": "ProductSKU", "Values": [identity.product_sku]}]}
    for _ in range(_MOST_PAGES):
        page = mapping(ask(operation, request))
        found = page.get("Licenses")
        for one in map(mapping, found if isinstance(found, list) else ()):
            fingerprint = mapping(one.get("Issuer")).get("KeyFingerprint")
            is_usable = fingerprint == identity.key_fingerprint and one.get("Status") == "AVAILABLE"
            yield Secret(str(one.get("LicenseArn"))), is_usable
        if not page.get("NextToken"):
            return
        request = {**request, "NextToken": page["NextToken"]}


def _lines(lines: Iterable[object]) -> Iterable[Usage]:
    units = {unit.value: unit for unit in Unit}
    for said in map(mapping, lines):
        name, unit = said.get("Name"), units.get(str(said.get("Unit")))
        consumed, maximum = _number(said.get("ConsumedValue")), _number(said.get("MaxCount"))
        if isinstance(name, str) and unit is not None and consumed is not None:
            yield Usage(str(name), unit, consumed, maximum)


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20 else None
