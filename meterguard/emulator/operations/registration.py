"""RegisterUsage, ResolveCustomer: a container that starts, and a customer who comes to a SaaS product."""

from __future__ import annotations

from typing import Final

from ..protocol.errors import ServiceError
from ..protocol.messages import Answer, Parameters
from ..state.buyers import require_entitled
from .call import Call
from .descriptions import present

__all__ = ("register_usage", "resolve_customer")

# A product that nobody listed has one key.
_FIRST_VERSION: Final = 1


def register_usage(call: Call, parameters: Parameters) -> Answer:
    """Prove to a container that its customer is subscribed. A task that was told so once is never refused."""
    code, version = parameters["ProductCode"], parameters["PublicKeyVersion"]
    listings = call.state.listings
    listings.require(code)
    listing = listings.find(code)
    newest = _FIRST_VERSION if listing is None else listing.public_key_version
    if version > newest:
        raise ServiceError("InvalidPublicKeyVersionException", "The version of the public key is not valid.")
    if not listings.has_started(call.caller.arn, code):
        require_entitled(listings, code, call.caller.account, call.now)
        listings.start(call.caller.arn, code, call.now)
    claims = {"productCode": code, "publicKeyVersion": version, "nonce": parameters.get("Nonce")}
    answer: Answer = {"Signature": call.signing.signer().sign(present(claims), "RS256")}
    if listing is not None and version < newest:
        answer["PublicKeyRotationTimestamp"] = round(listing.created, 3)
    return answer


def resolve_customer(call: Call, parameters: Parameters) -> Answer:
    """Tell a seller which customer a registration token stands for."""
    listings = call.state.listings
    registration = listings.registration(parameters["RegistrationToken"])
    agreement = None if registration is None else listings.agreement(registration.license_arn)
    listing = None if agreement is None else listings.find(agreement.product)
    if registration is None or agreement is None or listing is None or listing.seller != call.caller.account:
        raise ServiceError("InvalidTokenException", "The registration token is not valid.")
    if call.now >= registration.issued + call.state.behavior.registration_token_ttl:
        raise ServiceError("ExpiredTokenException", "The registration token has expired.")
    return present(
        {
            "CustomerIdentifier": agreement.identifier,
            "ProductCode": agreement.product,
            "CustomerAWSAccountId": agreement.account,
            "LicenseArn": agreement.license_arn,
            "Metadata": {"AgreementId": agreement.agreement_id},
        }
    )
