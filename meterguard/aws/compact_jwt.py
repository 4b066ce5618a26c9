"""Compact JWTs, read strictly: there is one way to write a token, and a byte more or less makes it none.

Nothing here says whose token it is; ``signed_token`` does.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ..ports import SignedClaims
from . import wire
from .metadata import mapping
from .times import parse_time

_LONGEST: Final = 65_536  # characters


class Jwt(NamedTuple):
    """The parts of a token."""

    header: dict[str, object]
    payload: dict[str, object]
    signature: bytes


def read(token: str) -> Jwt | None:
    """Return the parts of a compact JWT; None where it is none."""
    parts = token.split(".") if len(token) <= _LONGEST else []
    header, payload, signature = map(_decoded, parts) if len(parts) == 3 else (None, None, None)
    said, claimed = _members(header), _members(payload)
    if said is None or claimed is None or signature is None:
        return None
    return Jwt(said, claimed, signature)


def claims_of(token: str) -> SignedClaims | None:
    """Return the claims of a licence token, whoever signed it; None where it is no JWT."""
    jwt = read(token)
    return None if jwt is None else claims(jwt.payload)


def _decoded(part: str) -> bytes | None:
    """Return what Base64url says in its one canonical form: no padding, no stray bits, no other characters."""
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == part else None


def _members(data: bytes | None) -> dict[str, object] | None:
    """Return the members of a JSON object; None for another text, and where a member stands twice."""
    if data is None:
        return None
    try:
        said = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def claims(claims: Mapping[str, object]) -> SignedClaims:
    """Return the claims of a licence token, as License Manager names them."""
    return SignedClaims(
        token=wire.secret_text(claims.get("licenseConsumptionToken")),
        allowed=wire.entitlements_of(claims.get("entitlementsAllowed"), ("name", "value", "unit")),
        license_arn=wire.secret_text(claims.get("licenseArn")),
        node_id=wire.plain_text(claims.get("nodeId")),
        issued_at=parse_time(claims.get("issuedAt")),
        expires_at=parse_time(claims.get("expiration")),
        metadata=dict(_pairs(mapping(claims.get("checkoutMetadata")).items())),
    )


def _pairs(items: Iterable[tuple[object, object]]) -> Iterable[tuple[str, str]]:
    for name, value in items:
        if isinstance(name, str) and isinstance(value, str):
            yield name, value
