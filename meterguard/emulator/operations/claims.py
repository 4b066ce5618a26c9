"""The claims of a signed token: a checkout's answer in camel case, and none of JWT's registered claims."""

from __future__ import annotations

from typing import Final

from ..protocol.messages import Answer, Parameters

__all__ = ("proof_of",)

_SAME: Final = {
    "LicenseArn": "licenseArn",
    "LicenseConsumptionToken": "licenseConsumptionToken",
    "IssuedAt": "issuedAt",
    "Expiration": "expiration",
    "NodeId": "nodeId",
}


def proof_of(answer: Parameters) -> Answer:
    """Return the claims for an answer. Its list of metadata becomes an object by name."""
    payload = {name: answer[member] for member, name in _SAME.items() if member in answer}
    payload["entitlementsAllowed"] = [
        {member.lower(): value for member, value in item.items()} for item in answer["EntitlementsAllowed"]
    ]
    if "CheckoutMetadata" in answer:
        payload["checkoutMetadata"] = {one.get("Name", ""): one.get("Value", "") for one in answer["CheckoutMetadata"]}
    return payload
