"""CreateLicense, CreateLicenseVersion, DeleteLicense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..protocol.errors import ServiceError, malformed, wrong_value
from ..protocol.messages import Answer, Parameters
from ..protocol.wire import parse_time, zoned
from ..state.licenses import FEATURE, Entitlement, License, license_arn
from .call import Call, require_home

__all__ = ("create_license", "create_license_version", "delete_license")

_SETTABLE: Final = frozenset({"AVAILABLE", "DEACTIVATED", "SUSPENDED"})


def create_license(call: Call, parameters: Parameters) -> Answer:
    """Issue a licence in the caller's account."""
    licence = License(
        arn=license_arn(call.caller.account, call.new_id()),
        sku=parameters["ProductSKU"],
        issuer_account=call.caller.account,
        beneficiary=parameters["Beneficiary"],
        home_region=parameters["HomeRegion"],
        created=call.now,
        available_at=call.now + call.state.behavior.propagation,
        **_terms(parameters),
    )
    call.state.tags.put(licence.arn, parameters.get("Tags", ()))
    call.state.add(licence)
    return _issued(licence, "PENDING_AVAILABLE")


def create_license_version(call: Call, parameters: Parameters) -> Answer:
    """Make a new version of a licence of the caller's account. Checkouts of the old version stay, and count."""
    licence = _own(call, parameters["LicenseArn"], "ResourceNotFoundException")
    if parameters["HomeRegion"] != licence.home_region:
        raise malformed("HomeRegion of a license cannot change.")
    _require_version(licence, parameters.get("SourceVersion"))
    if licence.status == "DELETED":
        raise ServiceError(call.state.behavior.deleted_license_error, "The license was deleted.")
    status = _settable(parameters["Status"], is_any=call.state.behavior.any_version_status)
    available_at = call.now + call.state.behavior.propagation
    version = call.state.change(licence.arn, status=status, available_at=available_at, **_terms(parameters))
    if parameters.get("ResetUsage", False):
        call.state.reset_usage(licence.arn, call.now)
    return _issued(version, "PENDING_AVAILABLE" if status == "AVAILABLE" else status)


def delete_license(call: Call, parameters: Parameters) -> Answer:
    """Delete a licence of the caller's account. Its checkouts live to their end."""
    licence = _own(call, parameters["LicenseArn"], "InvalidParameterValueException")
    _require_version(licence, parameters["SourceVersion"])
    if licence.status != "DELETED":
        call.state.change(licence.arn, status="DELETED")
    return {"Status": "DELETED", "DeletionDate": zoned(call.now)}


def _own(call: Call, arn: str, unknown: str) -> License:
    licence = call.state.license(arn)
    if licence is None or licence.issuer_account != call.caller.account:
        raise ServiceError(unknown, "The license was not found.")
    require_home(call, licence)
    return licence


def _require_version(licence: License, source: str | None) -> None:
    if source is not None and source != str(licence.version):
        raise ServiceError("ConflictException", "SourceVersion is not the license's current version.")


def _settable(status: str, *, is_any: bool) -> str:
    # A caller has read this from a licence that was still being made.
    if status == "PENDING_AVAILABLE":
        return "AVAILABLE"
    if status not in _SETTABLE and not is_any:
        raise malformed(f"Status must be one of {', '.join(sorted(_SETTABLE))}.")
    return status


def _issued(licence: License, status: str) -> Answer:
    return {"LicenseArn": licence.arn, "Status": status, "Version": str(licence.version)}


def _terms(parameters: Parameters) -> Answer:
    """Return the terms that every version of a licence sets anew."""
    validity, configuration = parameters["Validity"], parameters["ConsumptionConfiguration"]
    begin, end = _validity(validity)
    return {
        "name": parameters["LicenseName"],
        "product_name": parameters["ProductName"],
        "issuer_name": parameters["Issuer"]["Name"],
        "sign_key": parameters["Issuer"].get("SignKey"),
        "entitlements": _entitlements(parameters["Entitlements"]),
        "begin": begin,
        "end": end,
        "begin_text": validity["Begin"],
        "end_text": validity.get("End"),
        "ttl": _ttl(configuration, "ProvisionalConfiguration"),
        "borrow_ttl": _ttl(configuration, "BorrowConfiguration"),
        "borrow_early_check_in": configuration.get("BorrowConfiguration", {}).get("AllowEarlyCheckIn", False),
        "renew_type": configuration.get("RenewType"),
        "metadata": tuple((one.get("Name"), one.get("Value")) for one in parameters.get("LicenseMetadata", ())),
    }


def _validity(validity: Mapping[str, str]) -> tuple[float, float | None]:
    begin = parse_time(validity["Begin"], "Validity.Begin")
    end = parse_time(validity["End"], "Validity.End") if "End" in validity else None
    if end is not None and end <= begin:
        raise wrong_value("Validity.End must be after Validity.Begin.")
    return begin, end


def _ttl(configuration: Parameters, kind: str) -> float | None:
    if kind not in configuration:
        return None
    minutes = int(configuration[kind]["MaxTimeToLiveInMinutes"])
    if minutes < 1:
        raise wrong_value(f"{kind}.MaxTimeToLiveInMinutes must be positive.")
    return 60.0 * minutes


def _entitlements(items: Sequence[Parameters]) -> tuple[Entitlement, ...]:
    if len({item["Name"] for item in items}) < len(items):
        raise wrong_value("Entitlements must not name an entitlement twice.")
    return tuple(_entitlement(item) for item in items)


def _entitlement(item: Parameters) -> Entitlement:
    name, unit, most, value = item["Name"], item["Unit"], item.get("MaxCount"), item.get("Value")
    if unit == FEATURE and most is not None:
        raise wrong_value(f"MaxCount of {name} is not allowed with unit None.")
    if unit != FEATURE and value is not None:
        raise wrong_value(f"Value of {name} is allowed with unit None only.")
    if most is not None and most < 0:
        raise wrong_value(f"MaxCount of {name} must not be negative.")
    return Entitlement(name, unit, most, value, item.get("Overage"), item.get("AllowCheckIn"))
