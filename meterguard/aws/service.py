"""License Manager through boto3: one request a call, no retries, no memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from ..model import Entitlement
from ..ports import CheckoutAnswer, ExtendAnswer, FaultKind, ServiceFault, Usage
from . import regions, usage, wire
from .breakdowns import NEVER_CONNECTED, ancestors
from .connection import Connection, Settings, boto_import_lock
from .faults import answer_of, is_about_credentials, translate

__all__ = ("LicenseManager", "boto_import_lock")

_METHODS = {
    "CheckoutLicense": "checkout_license",
    "ExtendLicenseConsumption": "extend_license_consumption",
    "CheckInLicense": "check_in_license",
}
_METHODS_FOR_USAGE = {
    "GetLicenseUsage": "get_license_usage",
    "ListLicenses": "list_licenses",
    "ListReceivedLicenses": "list_received_licenses",
}


class LicenseManager:
    """The licence service of one product, as ``ports.LicenseService`` has it.

    ``client`` is any object with the boto3 methods used, and then nothing else about AWS is configured
    here; ``session`` is a ``boto3.Session``. ``timeout`` is the budget, in seconds, of a whole call with its
    retries; one attempt takes a part of it. ``loopback_only`` refuses a client of its own that would talk to another
    machine. Nothing is imported or connected before the first use.
    """

    def __init__(
        self,
        *,
        product_sku: str,
        key_fingerprint: str,
        beneficiary: str | None = None,
        node_id: str | None = None,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        session: Any = None,
        client: Any = None,
        timeout: float = 10.0,
        loopback_only: bool = False,
    ) -> None:
        self._identity = wire.Identity(product_sku, key_fingerprint, beneficiary, node_id)
        self._connection = Connection(Settings(region_name, endpoint_url, session, client, timeout, loopback_only))

    def __repr__(self) -> str:
        region = self._connection.region or "not known yet"
        return f"<LicenseManager for {self._identity.product_sku}, Region {region}>"

    def connect(self) -> None:
        """Import boto3 and make the client, once. Raises ConfigurationError where the set-up is wrong."""
        self._connection.client()

    def check_out(
        self, entitlements: tuple[Entitlement, ...], client_token: str, *, parting: bool = False
    ) -> CheckoutAnswer:
        """Check out provisionally, under this ``ClientToken``; ``parting`` as for :meth:`check_in`."""
        request = wire.checkout_request(self._identity, entitlements, client_token)
        return wire.parse_checkout(self._ask("CheckoutLicense", request, parting=parting))

    def extend(self, token: str) -> ExtendAnswer:
        """Renew the lease with this consumption token."""
        return wire.parse_extend(self._ask("ExtendLicenseConsumption", wire.extend_request(token)))

    def check_in(self, token: str, *, parting: bool = False) -> None:
        """Give the lease back; ``parting`` asks for time-outs short enough for a process that is leaving."""
        self._ask("CheckInLicense", wire.check_in_request(self._identity, token), parting=parting)

    def usage(self, license_arn: str | None) -> tuple[Usage, ...]:
        """What is in use of this licence, or of the one that a checkout would be from."""
        return usage.usage(self._ask, self._identity, license_arn)

    def reset(self) -> None:
        """In a forked child: forget the parent's clients. Does no I/O and waits for nothing."""
        self._connection.reset()

    forget = reset  # as the runtime's fork hook calls it

    def _ask(self, operation: str, request: Mapping[str, Any], *, parting: bool = False) -> Any:
        """The answer to one request; to a second one only where the first was sent to another Region."""
        client = self._connection.client(parting=parting)
        answer, trouble = _send(client, operation, request)
        # a process that is leaving has a second for each request, and none for a second one
        if trouble is not None and _is_redirect(trouble) and not parting:
            answer, trouble = self._follow(client, trouble, operation, request)
        if trouble is None:
            return answer
        # raised outside of every except block, so that the service's text hangs nowhere on what is raised
        raise self._fault(client, trouble, operation)

    def _follow(
        self, client: Any, redirect: Exception, operation: str, request: Mapping[str, Any]
    ) -> tuple[Any, Exception | None]:
        """Once, and never to a host that an answer names: only to a Region that boto3 knows."""
        region = self._connection.elsewhere(client, regions.named_by(answer_of(redirect)))
        if region is None:
            return None, redirect
        answer, trouble = _send(self._connection.client_in(region), operation, request)
        if trouble is None:
            self._connection.move_to(region)
        return answer, trouble

    def _fault(self, client: Any, trouble: Exception, operation: str) -> ServiceFault:
        if not NEVER_CONNECTED.isdisjoint(ancestors(trouble)) and self._connection.is_lost(client):
            return ServiceFault(
                FaultKind.UNREACHABLE,
                f"boto3 knows of no License Manager in Region {self._connection.region!r}, and no such host "
                "answers; check region_name (or AWS_REGION)",
                code=type(trouble).__name__,
            )
        if is_about_credentials(trouble):
            self._connection.forget_credentials()
        return translate(trouble, operation)


def _send(client: Any, operation: str, request: Mapping[str, Any]) -> tuple[Any, Exception | None]:
    name = _METHODS.get(operation) or _METHODS_FOR_USAGE[operation]
    method = getattr(client, name, None)
    if method is None:
        raise ConfigurationError(f"client must be a License Manager client: it has no {name}")
    try:
        return method(**request), None
    except Exception as exc:  # noqa: BLE001 - translate() raises again what it does not know
        return None, exc


def _is_redirect(trouble: Exception) -> bool:
    return regions.is_redirect(answer_of(trouble))
