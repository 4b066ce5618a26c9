"""GetLicense, GetLicenseUsage, ListReceivedLicenses."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .calls import Answer, Call
from .errors import wrong_value
from .licenses import Entitlement, License
from .wire import epoch_text, zoned

__all__ = ("get_license", "get_license_usage", "list_received_licenses")

_ALLOWED_OPERATIONS: Final = (
    "CheckoutLicense",
    "CheckInLicense",
    "ExtendConsumptionLicense",
    "ListPurchasedLicenses",
)

_RECEIVED_FILTERS: Final[Mapping[str, Callable[[License, float], str]]] = {
    "ProductSKU": lambda licence, now: licence.sku,
    "Status": lambda licence, now: licence.status_at(now),
    "Fingerprint": lambda licence, now: licence.key_fingerprint,
    "IssuerName": lambda licence, now: licence.issuer_name,
    "Beneficiary": lambda licence, now: licence.beneficiary,
}


def get_license(call: Call, parameters: Mapping[str, Any]) -> Answer:
    """A licence as it stands, or as one of its versions had it."""
    licence = _visible(call, parameters["LicenseArn"])
    wanted = parameters.get("Version")
    if wanted is not None:
        version = call.state.version(licence.arn, wanted)
        if version is None:
            raise wrong_value("The license has no such version.")
        licence = version
    return {"License": _described(licence, call.now)}


def get_license_usage(call: Call, parameters: Mapping[str, Any]) -> Answer:
    """How much of each counted entitlement is in use."""
    licence = _visible(call, parameters["LicenseArn"])
    usages = []
    for entitlement, consumed in call.state.usage(licence.arn, call.now):
        usage = {"Name": entitlement.name, "ConsumedValue": str(consumed), "Unit": entitlement.unit}
        if entitlement.max_count is not None:
            usage["MaxCount"] = str(entitlement.max_count)
        usages.append(usage)
    return {"LicenseUsage": {"EntitlementUsages": usages}}


def list_received_licenses(call: Call, parameters: Mapping[str, Any]) -> Answer:
    """The licences that other accounts gave to the caller's."""
    account, now = call.caller.account, call.now
    wanted = _filters(parameters.get("Filters", ()))
    arns = parameters.get("LicenseArns")
    received = [
        licence
        for licence in call.state.licenses()
        if call.state.received_status(licence.arn, account) is not None
        and (arns is None or licence.arn in arns)
        and all(_RECEIVED_FILTERS[name](licence, now) == value for name, value in wanted)
    ]
    page, following = _page(received, parameters)
    answer: Answer = {"Licenses": [_received(call, licence) for licence in page]}
    if following is not None:
        answer["NextToken"] = following
    return answer


def _visible(call: Call, arn: str) -> License:
    licence = call.state.license(arn)
    if licence is None or not call.state.is_visible(licence, call.caller.account):
        raise wrong_value("The license was not found.")
    return licence


def _filters(filters: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    wanted = []
    for one in filters:
        name, values = one.get("Name", ""), one.get("Values", ())
        if name not in _RECEIVED_FILTERS:
            known = ", ".join(sorted(_RECEIVED_FILTERS))
            raise wrong_value(f"Unknown filter {name}. Known filters are {known}.")
        if len(values) != 1:
            raise wrong_value(f"Filter {name} takes exactly one value.")
        wanted.append((name, values[0]))
    return wanted


def _page(licences: Sequence[License], parameters: Mapping[str, Any]) -> tuple[Sequence[License], str | None]:
    token, size = parameters.get("NextToken"), parameters.get("MaxResults", 100)
    start = 0
    if token is not None:
        after = _read_token(token, parameters)
        start = next((n for n, licence in enumerate(licences, 1) if licence.arn == after), len(licences))
    page = licences[start : start + size]
    more = start + size < len(licences)
    return page, _write_token(page[-1].arn, parameters) if more else None


def _write_token(arn: str, parameters: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([arn, _question(parameters)]).encode()).decode()


def _read_token(token: str, parameters: Mapping[str, Any]) -> str:
    try:
        arn, question = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        arn, question = None, None
    if not isinstance(arn, str) or question != _question(parameters):
        raise wrong_value("NextToken is not valid for this request.")
    return arn


def _question(parameters: Mapping[str, Any]) -> Any:
    return [parameters.get("LicenseArns"), parameters.get("Filters")]


def _received(call: Call, licence: License) -> Answer:
    return {
        **_described(licence, call.now),
        "ReceivedMetadata": {
            "ReceivedStatus": call.state.received_status(licence.arn, call.caller.account),
            "AllowedOperations": list(_ALLOWED_OPERATIONS),
        },
    }


def _described(licence: License, now: float) -> Answer:
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
        "LicenseMetadata": [_present({"Name": name, "Value": value}) for name, value in licence.metadata],
        "CreateTime": epoch_text(licence.created),
        "Version": str(licence.version),
    }


def _entitlement(held: Entitlement) -> Answer:
    return _present(
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


def _present(members: Answer) -> Answer:
    return {name: value for name, value in members.items() if value is not None}
