"""CheckoutLicense, ExtendLicenseConsumption, CheckInLicense."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, cast

from ..protocol.errors import ServiceError
from ..protocol.messages import Answer, Parameters
from ..protocol.wire import zoned, zoneless
from ..state.allocation import Ask
from ..state.licenses import FEATURE, Checkout, Item, Kind, License, Wanted
from ..state.switches import Behavior
from .call import Call
from .claims import proof_of

__all__ = (
    "allowed_items",
    "check_in_license",
    "check_out_license",
    "extend_license_consumption",
    "wanted_items",
)

_DIGITS: Final = re.compile("[0-9]{1,18}")


def check_out_license(call: Call, parameters: Parameters) -> Answer:
    """Take units from the pool and name the features that may be used."""
    ask = Ask(
        account=call.caller.account,
        sku=parameters["ProductSKU"],
        key_fingerprint=parameters["KeyFingerprint"],
        kind=cast(Kind, parameters["CheckoutType"]),
        wanted=wanted_items(parameters["Entitlements"], call.state.behavior),
        beneficiary=parameters.get("Beneficiary"),
        node_id=parameters.get("NodeId"),
        limits=call.limits,
        region=call.caller.region,
    )
    if call.state.behavior.sign_checkouts:
        call.signing.signer()  # where no key can be made, no units are to be taken
    checkout, licence = call.state.check_out(ask, call.now)
    answer = _checkout_answer(checkout, licence, call.state.behavior)
    if not call.state.behavior.sign_checkouts:
        return answer
    return {**answer, "SignedToken": call.signing.of(licence.sign_key).sign(proof_of(answer))}


def extend_license_consumption(call: Call, parameters: Parameters) -> Answer:
    """Give a checkout a further lifetime."""
    token = parameters["LicenseConsumptionToken"]
    caller, dry_run = call.caller, parameters.get("DryRun", False)
    checkout = call.state.extend(token, caller.account, call.now, dry_run=dry_run, region=caller.region)
    if dry_run and call.state.behavior.dry_run == "empty":
        return {}
    return {"LicenseConsumptionToken": checkout.token, "Expiration": zoned(checkout.expires)}


def check_in_license(call: Call, parameters: Parameters) -> Answer:
    """Return a checkout to the pool."""
    token = parameters["LicenseConsumptionToken"]
    caller, beneficiary = call.caller, parameters.get("Beneficiary")
    call.state.check_in(token, caller.account, call.now, beneficiary, region=caller.region)
    return {}


def _checkout_answer(checkout: Checkout, licence: License, behavior: Behavior) -> Answer:
    answer: Answer = {
        "CheckoutType": checkout.kind,
        "LicenseConsumptionToken": checkout.token,
        "EntitlementsAllowed": allowed_items(checkout, behavior),
        "IssuedAt": zoneless(checkout.issued),
        "Expiration": zoneless(checkout.expires),
        "LicenseArn": licence.arn,
    }
    if checkout.node_id is not None:
        answer["NodeId"] = checkout.node_id
    return answer


def allowed_items(checkout: Checkout, behavior: Behavior) -> list[Answer]:
    """Return the entitlements of a checkout as members of its answer."""
    return [_allowed(item, behavior) for item in checkout.items]


def _allowed(item: Item, behavior: Behavior) -> Answer:
    if item.count is not None:
        return {"Name": item.name, "Value": str(item.count), "Unit": item.unit}
    if item.value is not None and behavior.feature_value_in_answer:
        return {"Name": item.name, "Value": item.value, "Unit": item.unit}
    return {"Name": item.name, "Unit": item.unit}


def wanted_items(items: Sequence[Parameters], behavior: Behavior) -> list[Wanted]:
    """Return the entitlements that a request asks for, or refuse the request."""
    wanted = [_wanted_one(item, behavior) for item in items]
    if len({one.name for one in wanted}) == len(wanted):
        return wanted
    if behavior.duplicate_names == "refuse":
        raise ServiceError(behavior.bad_item_error, "Entitlements must not name an entitlement twice.")
    sums: dict[tuple[str, str], Wanted] = {}
    for one in wanted:
        before = sums.setdefault((one.name, one.unit), one)
        if before is not one and before.count is not None and one.count is not None:
            sums[one.name, one.unit] = replace(one, count=before.count + one.count)
    return list(sums.values())


def _wanted_one(item: Parameters, behavior: Behavior) -> Wanted:
    name, unit, value = item["Name"], item["Unit"], item.get("Value", "")
    is_whole = _DIGITS.fullmatch(value) is not None
    if unit == FEATURE:
        if value and not is_whole and behavior.feature_value == "refuse":
            raise ServiceError(behavior.bad_item_error, f"Value of {name} must be a non-negative whole number.")
        return Wanted(name, unit)
    if not is_whole or (int(value) == 0 and not behavior.zero_units):
        raise ServiceError(behavior.bad_item_error, f"Value of {name} must be a positive whole number.")
    return Wanted(name, unit, int(value))
