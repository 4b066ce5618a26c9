"""License Manager through boto3: one request a call, no retries, no memory."""

from __future__ import annotations

from collections.abc import Mapping

from ..model import Entitlement
from ..ports import (
    CheckoutAnswer,
    ExtendAnswer,
    LicenseCount,
    Origin,
    Proof,
    SignedClaims,
    Traffic,
    Usage,
)
from ..secret import Secret
from . import compact_jwt, usage, wire
from .boto_types import Client, Session
from .clients import boto_import_lock
from .settings import Settings, TokenSettings
from .transport import Transport
from .trusted_keys import Source, TrustedKeys

__all__ = ("BORROW_OPERATIONS", "GATE_OPERATIONS", "USAGE_OPERATIONS", "LicenseManager", "boto_import_lock")

GATE_OPERATIONS: Mapping[str, str] = {
    "CheckoutLicense": "checkout_license",
    "ExtendLicenseConsumption": "extend_license_consumption",
    "CheckInLicense": "check_in_license",
}
"""The operations that every gate needs, and boto3's methods for them."""

USAGE_OPERATIONS: Mapping[str, str] = {
    "GetLicenseUsage": "get_license_usage",
    "ListLicenses": "list_licenses",
    "ListReceivedLicenses": "list_received_licenses",
}
"""The operations about licences and their use, which IAM may well refuse."""

BORROW_OPERATIONS: Mapping[str, str] = {"CheckoutBorrowLicense": "checkout_borrow_license"}
"""The operation that borrows, and boto3's method for it."""

_METHODS = {**GATE_OPERATIONS, **USAGE_OPERATIONS, **BORROW_OPERATIONS}


class LicenseManager:
    """The licence service of one product, as ``ports.LicenseService`` has it.

    ``client`` is any object with the boto3 methods used, and then nothing else about AWS is configured
    here; ``session`` is a ``boto3.Session``. ``timeout`` is the budget, in seconds, of a whole call with its
    retries; one attempt takes a part of it. ``loopback_only`` refuses a client of its own that would talk to another
    machine; without ``trust_env`` a client of its own follows no environment, as ``boto.ClosedSession`` says.
    ``token`` gives credentials to clients of its own. ``traffic`` hears of requests. With ``trusted_keys`` signed
    answers are verified. Nothing is imported or connected before the first use.
    """

    def __init__(
        self,
        *,
        product_sku: str,
        key_fingerprint: str,
        timeout: float,
        beneficiary: str | None = None,
        node_id: str | None = None,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        session: Session | None = None,
        client: Client | None = None,
        loopback_only: bool = False,
        trust_env: bool = True,
        token: TokenSettings | None = None,
        traffic: Traffic | None = None,
        trusted_keys: tuple[Source, ...] | None = None,
    ) -> None:
        self._keys = TrustedKeys(trusted_keys)
        self._identity = wire.Identity(product_sku, Secret(key_fingerprint), _secret(beneficiary), node_id)
        url = _secret(endpoint_url)
        settings = Settings(timeout, region_name, url, session, client, loopback_only, trust_env, token)
        transport = Transport(settings, _METHODS, traffic)
        self._clients, self._ask = transport.clients, transport.ask

    def __repr__(self) -> str:
        region = self._clients.region or "not known yet"
        return f"<LicenseManager for {self._identity.product_sku}, Region {region}>"

    def connect(self) -> None:
        """Import boto3, make the client and read the keys, once.

        :raises ConfigurationError: the set-up is wrong.
        """
        self._clients.client()
        self._keys.verifier()

    def check_out(
        self, entitlements: tuple[Entitlement, ...], client_token: str, *, parting: bool = False
    ) -> CheckoutAnswer:
        """Check out provisionally, under this ``ClientToken``; ``parting`` as for :meth:`check_in`."""
        client_token = Secret(client_token)  # this frame is in the traceback of a failure
        request = wire.checkout_request(self._identity, entitlements, client_token)
        return wire.parse_checkout(self._ask("CheckoutLicense", request, parting=parting), self._keys.verifier())

    def draw(self, entitlement: Entitlement, client_token: str) -> CheckoutAnswer:
        """Check out for good, under this ``ClientToken``."""
        client_token = Secret(client_token)
        request = wire.checkout_request(self._identity, (entitlement,), client_token, "PERPETUAL")
        return wire.parse_checkout(self._ask("CheckoutLicense", request), self._keys.verifier())

    def borrow(
        self,
        entitlements: tuple[Entitlement, ...],
        license_arn: str | None,
        client_token: str,
        metadata: Mapping[str, str],
    ) -> CheckoutAnswer:
        """Borrow all of this, under this ``ClientToken``, from the licence or the only one that it could be from."""
        client_token, license_arn = Secret(client_token), _secret(license_arn)
        arn = license_arn or usage.only_license(self._ask, self._identity)
        request = wire.borrow_request(self._identity, entitlements, arn, client_token, metadata)
        return wire.parse_checkout(self._ask("CheckoutBorrowLicense", request), self._keys.verifier())

    def extend(self, token: str) -> ExtendAnswer:
        """Renew the lease with this consumption token."""
        token = Secret(token)
        return wire.parse_extend(self._ask("ExtendLicenseConsumption", wire.extend_request(token)))

    def check_in(self, token: str, *, parting: bool = False) -> None:
        """Return the lease; ``parting`` asks for time-outs short enough for a process that is leaving."""
        token = Secret(token)
        self._ask("CheckInLicense", wire.check_in_request(self._identity, token), parting=parting)

    def proof(self, signed_token: str) -> Proof | None:
        """Verify a signed token that came earlier; None where there is no key. Asks nobody."""
        return self._keys.proof(signed_token)

    def unproved(self, signed_token: str) -> SignedClaims | None:
        """Read the claims of a signed token without a key; None where it has none. Asks nobody."""
        return compact_jwt.claims_of(Secret(signed_token))

    def usage(self, license_arn: str | None) -> tuple[Usage, ...]:
        """Return what is in use of this licence, or of the one that a checkout would be from."""
        license_arn = _secret(license_arn)
        return usage.usage(self._ask, self._identity, license_arn)

    def licenses(self) -> LicenseCount:
        """Count the licences of the product that this account has."""
        return usage.licenses(self._ask, self._identity)

    def origins(self) -> list[Origin]:
        """Return where what the client follows comes from. Asks nothing of AWS."""
        return self._clients.origins()

    def reset(self) -> None:
        """Forget the parent's clients, in a forked child. Does no I/O and waits for nothing."""
        self._clients.reset()

    forget = reset  # as the runtime's fork hook calls it


def _secret(text: str | None) -> str | None:
    return Secret(text) if isinstance(text, str) else text
