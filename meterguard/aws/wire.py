"""Requests in the form of the service, and a distrustful reading of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ..model import MAX_VALUE, Entitlement
from ..ports import Allowed, CheckoutAnswer, ExtendAnswer, FaultKind, Proof, ServiceFault
from ..secret import Secret
from ..units import Unit
from .metadata import mapping, request_id, served_at
from .times import parse_time

_UNITS = {unit.value: unit for unit in Unit}
Parameters: TypeAlias = Mapping[str, object]
"""The parameters of a request, by their AWS names."""

Verify: TypeAlias = Callable[[str], Proof]
"""Verifies a signed token."""

_LONGEST = 65_536  # characters; a signed token has about a thousand


@dataclass(frozen=True, slots=True)
class Identity:
    """The product whose licence to ask for, and on whose behalf."""

    product_sku: str
    key_fingerprint: str = field(repr=False)
    beneficiary: str | None = field(default=None, repr=False)
    node_id: str | None = None


def checkout_request(
    identity: Identity, entitlements: Iterable[Entitlement], client_token: str, kind: str = "PROVISIONAL"
) -> Parameters:
    """Return the parameters of ``CheckoutLicense``; a ``PERPETUAL`` one draws units down for good."""
    request: dict[str, object] = {
        "ProductSKU": identity.product_sku,
        "CheckoutType": kind,
        "KeyFingerprint": identity.key_fingerprint,
        "Entitlements": [_entitlement(one) for one in entitlements],
        "ClientToken": client_token,
    }
    if identity.beneficiary:
        request["Beneficiary"] = identity.beneficiary
    if identity.node_id:
        request["NodeId"] = identity.node_id
    return request


def _entitlement(asked: Entitlement) -> dict[str, str]:
    named = {"Name": asked.name, "Unit": asked.unit.value}
    return named if asked.value is None else {**named, "Value": str(asked.value)}


def borrow_request(
    identity: Identity,
    entitlements: Iterable[Entitlement],
    license_arn: str,
    client_token: str,
    metadata: Mapping[str, str],
) -> Parameters:
    """Return the parameters of ``CheckoutBorrowLicense``, which knows one signature only."""
    request: dict[str, object] = {
        "LicenseArn": license_arn,
        "Entitlements": [_entitlement(one) for one in entitlements],
        "DigitalSignatureMethod": "JWT_PS384",
        "ClientToken": client_token,
        "CheckoutMetadata": [{"Name": name, "Value": value} for name, value in metadata.items()],
    }
    if identity.node_id:
        request["NodeId"] = identity.node_id
    return request


def extend_request(token: str) -> Parameters:
    """Return the parameters of ``ExtendLicenseConsumption``."""
    return {"LicenseConsumptionToken": token}


def check_in_request(identity: Identity, token: str) -> Parameters:
    """Return the parameters of ``CheckInLicense``."""
    request = {"LicenseConsumptionToken": token}
    if identity.beneficiary:
        request["Beneficiary"] = identity.beneficiary
    return request


def parse_checkout(answer: object, verify: Verify | None = None) -> CheckoutAnswer:
    """Read a 200 of ``CheckoutLicense``. Raises ServiceFault when it has no token.

    :param verify: verifies a signed token; None: it is taken as it is.
    """
    said = mapping(answer)
    token = secret_text(said.get("LicenseConsumptionToken"))
    if token is None:
        raise _unreadable(answer, "without a consumption token")
    signed_token = secret_text(said.get("SignedToken"))
    return CheckoutAnswer(
        token=token,
        allowed=entitlements_of(said.get("EntitlementsAllowed")),
        issued_at=parse_time(said.get("IssuedAt")),
        expires_at=parse_time(said.get("Expiration")),
        served_at=served_at(answer),
        license_arn=secret_text(said.get("LicenseArn")),
        node_id=plain_text(said.get("NodeId")),
        checkout_type=plain_text(said.get("CheckoutType")) or "PROVISIONAL",
        signed_token=signed_token,
        proof=None if signed_token is None or verify is None else verify(signed_token),
    )


def parse_extend(answer: object) -> ExtendAnswer:
    """Read a 200 of ``ExtendLicenseConsumption``. Raises ServiceFault when it has no expiration."""
    said = mapping(answer)
    expires_at = parse_time(said.get("Expiration"))
    if expires_at is None:
        raise _unreadable(answer, "without a readable expiration")
    return ExtendAnswer(expires_at, served_at(answer), secret_text(said.get("LicenseConsumptionToken")))


def _unreadable(answer: object, lack: str) -> ServiceFault:
    return ServiceFault(
        FaultKind.UNKNOWN,
        f"it answered with success, but {lack}",
        request_id=request_id(answer),
        may_have_acted=True,
    )


def entitlements_of(items: object, members: Iterable[str] = ("Name", "Value", "Unit")) -> tuple[Allowed, ...]:
    """Read a list of entitlements, whose members have these names. A line that cannot be read is left out."""
    return tuple(_allowed(items, tuple(members)))


def _allowed(items: object, members: tuple[str, ...]) -> Iterable[Allowed]:
    for item in items if isinstance(items, list | tuple) else ():
        said = mapping(item)
        name, value, unit = (said.get(member) for member in members)
        name = plain_text(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_VALUE:
            value = str(value)
        # A line without value or unit means "as asked". A line that garbles them must not pass for that,
        # so the whole line is left out.
        if name is None or (value is not None and not isinstance(value, str)):
            continue
        value = None if value is None else str(value)
        if unit is None:
            yield Allowed(name, value)
        elif isinstance(unit, str) and unit in _UNITS:
            yield Allowed(name, value, _UNITS[unit])


def secret_text(value: object) -> Secret | None:
    """Return text that must not be shown, if it can be kept and sent back, else None."""
    return Secret(value) if _is_text(value) else None


def plain_text(value: object) -> str | None:
    """Return the value as plain text, if it is text that can be kept and sent back, else None."""
    return str(value) if _is_text(value) else None


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no store could write down
        return False
    return True
