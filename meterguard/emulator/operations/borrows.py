"""CheckoutBorrowLicense: units for a machine that goes offline, proven by a signed token."""

from __future__ import annotations

from ..protocol.errors import ServiceError, elsewhere
from ..protocol.messages import Answer, Parameters
from ..protocol.wire import zoneless
from ..state.licenses import License
from .call import Call
from .checkouts import allowed_items, wanted_items
from .claims import proof_of

__all__ = ("check_out_borrow_license",)


def check_out_borrow_license(call: Call, parameters: Parameters) -> Answer:
    """Take all units that are asked for from the pool, or none."""
    licence = _borrowable(call, parameters["LicenseArn"])
    sign = call.signing.of(licence.sign_key).sign
    wanted = wanted_items(parameters["Entitlements"], call.state.behavior)
    caller, node_id = call.caller, parameters.get("NodeId")
    checkout = call.state.borrow(licence, caller.account, wanted, call.now, node_id=node_id, region=caller.region)
    answer: Answer = {
        "LicenseArn": licence.arn,
        "LicenseConsumptionToken": checkout.token,
        "EntitlementsAllowed": allowed_items(checkout, call.state.behavior),
        "IssuedAt": zoneless(checkout.issued),
        "Expiration": zoneless(checkout.expires),
    }
    for name in ("NodeId", "CheckoutMetadata"):
        if name in parameters:
            answer[name] = parameters[name]
    return {**answer, "SignedToken": sign(proof_of(answer))}


def _borrowable(call: Call, arn: str) -> License:
    licence, behavior = call.state.license(arn), call.state.behavior
    if licence is None or not call.state.is_visible(licence, call.caller.account):
        raise ServiceError("ResourceNotFoundException", "The license was not found.")
    if licence.home_region != call.caller.region and behavior.borrow_only_at_home:
        raise elsewhere(licence.home_region)
    if licence.borrow_lifetime is None:
        raise ServiceError(behavior.not_borrowable_error, "The license has no borrow configuration.")
    if licence.sign_key is None:
        raise ServiceError(behavior.no_sign_key_error, "The license's issuer has no sign key.")
    return licence
