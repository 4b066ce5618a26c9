"""Descriptions of licences, as the service answers them."""

from __future__ import annotations

import math

from ..protocol.messages import Answer
from ..protocol.wire import epoch_text, zoned
from ..state.licenses import Entitlement, License

__all__ = ("describe_license", "present")


def describe_license(licence: License, now: float) -> Answer:
    """Return the description of one version of a licence, with the status that it has now."""
    issuer = {"Name": licence.issuer_name, "KeyFingerprint": licence.key_fingerprint}
    validity = {"Begin": licence.begin_text or zoned(licence.begin)}
    if licence.end is not None:
        validity["End"] = licence.end_text or zoned(licence.end)
    if licence.sign_key is not None:
        issuer["SignKey"] = licence.sign_key
    return {
        "LicenseArn": licence.arn,
        "LicenseName": licence.name,
        "ProductName": licence.product_name,
        "ProductSKU": licence.sku,
        "Issuer": issuer,
        "HomeRegion": licence.home_region,
        "Status": licence.status_at(now),
        "Validity": validity,
        "Beneficiary": licence.beneficiary,
        "Entitlements": [_entitlement(one) for one in licence.entitlements],
        "ConsumptionConfiguration": _consumption(licence),
        "LicenseMetadata": [present({"Name": name, "Value": value}) for name, value in licence.metadata],
        "CreateTime": epoch_text(licence.created),
        "Version": str(licence.version),
    }


def present(members: Answer) -> Answer:
    """Return the members that are not None, for an absent member is not on the wire."""
    return {name: value for name, value in members.items() if value is not None}


def _entitlement(held: Entitlement) -> Answer:
    return present(
        {
            "Name": held.name,
            "Value": held.value,
            "MaxCount": held.max_count,
            "Overage": held.overage,
            "Unit": held.unit,
            "AllowCheckIn": held.allow_check_in,
        }
    )


def _consumption(licence: License) -> Answer:
    configuration: Answer = {}
    if licence.renew_type is not None:
        configuration["RenewType"] = licence.renew_type
    if licence.ttl is not None:
        configuration["ProvisionalConfiguration"] = {"MaxTimeToLiveInMinutes": math.ceil(licence.ttl / 60)}
    if licence.borrow_ttl is not None:
        configuration["BorrowConfiguration"] = {
            "AllowEarlyCheckIn": licence.borrow_early_check_in,
            "MaxTimeToLiveInMinutes": math.ceil(licence.borrow_ttl / 60),
        }
    return configuration
