"""Where the emulator serves, and how a program is pointed at it: for people, and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ..emulator import Emulator, License


def text(emulator: Emulator) -> str:
    """Return the address, the licences, and the lines to paste into another shell."""
    licences = _licences(emulator)
    aws, ours = _environment(emulator, licences)
    lines = [
        f"License Manager (emulated) at {emulator.url}",
        *(f"  {one.product_sku}: {', '.join(map(_entitlement, one.entitlements))}" for one in licences),
        *([] if licences else ["  no licences"]),
        "",
        "In the shell of the program that is to use it:",
        "",
        *(_export(variables) for variables in (aws, ours) if variables),
        "",
    ]
    return "\n".join(lines)


def document(emulator: Emulator) -> str:
    """Return the same as one JSON document."""
    licences = _licences(emulator)
    aws, ours = _environment(emulator, licences)
    return json.dumps(
        {
            "url": emulator.url,
            "port": emulator.port,
            "region": emulator.region,
            "account_id": emulator.account_id,
            "licenses": [
                {
                    "product_sku": one.product_sku,
                    "key_fingerprint": one.key_fingerprint,
                    "entitlements": _terms(one),
                }
                for one in licences
            ],
            "environment": aws | ours,
        }
    )


def _licences(emulator: Emulator) -> list[License]:
    """Return the newest licence of each product."""
    return list({one.product_sku: one for one in emulator.licenses() if one.status != "DELETED"}.values())


def _environment(emulator: Emulator, licences: list[License]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables that point AWS's clients at the emulator, and those that tell meterguard what to ask for."""
    aws = {
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": emulator.url,
        "AWS_REGION": emulator.region,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    if emulator.products():
        aws["AWS_ENDPOINT_URL_MARKETPLACE_METERING"] = emulator.url
        aws["AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE"] = emulator.url
    if not licences:
        return aws, {}
    first = licences[0]
    return aws, {
        "METERGUARD_PRODUCT_SKU": first.product_sku,
        "METERGUARD_KEY_FINGERPRINT": first.key_fingerprint,
    }


def _export(variables: Mapping[str, str]) -> str:
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def _entitlement(one: Any) -> str:
    if not one.is_counted:
        return f"{one.name} (feature)" if one.value is None else f"{one.name} (feature: {one.value})"
    most = "any number of" if one.max_count is None else one.max_count
    return f"{most} {one.name}" if one.unit == "Count" else f"{most} {one.name} ({one.unit})"


def _terms(licence: License) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "unit": one.unit, "max_count": one.max_count, "value": one.value}
        for one in licence.entitlements
    ]
