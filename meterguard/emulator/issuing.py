"""CreateLicense, DeleteLicense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .calls import Answer, Call
from .errors import ServiceError, wrong_value
from .licenses import FEATURE, Entitlement, License
from .wire import parse_time, zoned

__all__ = ("create_license", "delete_license", "license_arn")


def license_arn(account: str, identifier: str) -> str:
    """The ARN of a licence: without a Region, with a colon before the id."""
    return f"arn:aws:license-manager::{account}:license:l-{identifier}"


def create_license(call: Call, parameters: Mapping[str, Any]) -> Answer:
    """Issue a licence in the caller's account."""
    validity = parameters["Validity"]
    configuration = parameters["ConsumptionConfiguration"]
    begin, end = _validity(validity)
    licence = License(
        arn=license_arn(call.caller.account, call.new_id()),
        sku=parameters["ProductSKU"],
        entitlements=_entitlements(parameters["Entitlements"]),
        issuer_account=call.caller.account,
        issuer_name=parameters["Issuer"]["Name"],
        sign_key=parameters["Issuer"].get("SignKey"),
        beneficiary=parameters["Beneficiary"],
        home_region=parameters["HomeRegion"],
        name=parameters["LicenseName"],
        product_name=parameters["ProductName"],
        begin=begin,
        end=end,
        begin_text=validity["Begin"],
        end_text=validity.get("End"),
        ttl=_ttl(configuration, "ProvisionalConfiguration"),
        borrow_ttl=_ttl(configuration, "BorrowConfiguration"),
        borrow_early_check_in=configuration.get("BorrowConfiguration", {}).get("AllowEarlyCheckIn", False),
        renew_type=configuration.get("RenewType"),
        created=call.now,
        available_at=call.now + call.state.behavior.propagation,
        metadata=tuple((one.get("Name"), one.get("Value")) for one in parameters.get("LicenseMetadata", ())),
    )
    call.state.add(licence)
    return {"LicenseArn": licence.arn, "Status": "PENDING_AVAILABLE", "Version": str(licence.version)}


def delete_license(call: Call, parameters: Mapping[str, Any]) -> Answer:
    """Delete a licence of the caller's account; what is checked out of it lives to its end."""
    licence = call.state.license(parameters["LicenseArn"])
    if licence is None or licence.issuer_account != call.caller.account:
        raise wrong_value("The license was not found.")
    if licence.home_region != call.caller.region:
        raise ServiceError(
            "RedirectException",
            "The license can be changed in its home Region only.",
            location=licence.home_region,
        )
    if parameters["SourceVersion"] != str(licence.version):
        raise ServiceError("ConflictException", "SourceVersion is not the license's current version.")
    if licence.status != "DELETED":
        call.state.change(licence.arn, status="DELETED")
    return {"Status": "DELETED", "DeletionDate": zoned(call.now)}


def _validity(validity: Mapping[str, str]) -> tuple[float, float | None]:
    begin = parse_time(validity["Begin"], "Validity.Begin")
    end = parse_time(validity["End"], "Validity.End") if "End" in validity else None
    if end is not None and end <= begin:
        raise wrong_value("Validity.End must be after Validity.Begin.")
    return begin, end


def _ttl(configuration: Mapping[str, Any], kind: str) -> float | None:
    if kind not in configuration:
        return None
    minutes = int(configuration[kind]["MaxTimeToLiveInMinutes"])
    if minutes < 1:
        raise wrong_value(f"{kind}.MaxTimeToLiveInMinutes must be positive.")
    return 60.0 * minutes


def _entitlements(items: Sequence[Mapping[str, Any]]) -> tuple[Entitlement, ...]:
    if len({item["Name"] for item in items}) < len(items):
        raise wrong_value("Entitlements must not name an entitlement twice.")
    return tuple(_entitlement(item) for item in items)


def _entitlement(item: Mapping[str, Any]) -> Entitlement:
    name, unit, most, value = item["Name"], item["Unit"], item.get("MaxCount"), item.get("Value")
    if unit == FEATURE and most is not None:
        raise wrong_value(f"MaxCount of {name} is not allowed with unit None.")
    if unit != FEATURE and value is not None:
        raise wrong_value(f"Value of {name} is allowed with unit None only.")
    if most is not None and most < 0:
        raise wrong_value(f"MaxCount of {name} must not be negative.")
    return Entitlement(name, unit, most, value, item.get("Overage"), item.get("AllowCheckIn"))
