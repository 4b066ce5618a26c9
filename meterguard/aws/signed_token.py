"""Signed tokens: JWTs by PS384, verified with public keys that the product brings along.

This module is imported when an answer is verified first, for the package that it needs is optional.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Final

from ..errors import ConfigurationError
from ..extras import needed
from ..ports import Forged, Proof, SignedClaims
from ..secret import Secret
from . import wire
from .metadata import mapping
from .times import parse_time

with needed("cryptography", "trust", by="trusted_keys="):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA384
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

SMALLEST: Final = 2048  # bits
_PADDING: Final = padding.PSS(padding.MGF1(SHA384()), salt_length=SHA384.digest_size)
_LONGEST: Final = 65_536  # characters
_BLOCK: Final = re.compile(rb"-----BEGIN.+?-----END[^-]*-----", re.DOTALL)

NOT_A_JWT: Final = Forged("is not a JWT")
WRONG_ALGORITHM: Final = Forged("is not signed by PS384")
WRONG_SIGNATURE: Final = Forged("has a signature that none of the trusted keys made")


def read_keys(name: str, pems: Iterable[bytes]) -> tuple[RSAPublicKey, ...]:
    """Return public keys.

    :raises ConfigurationError: one is no public RSA key in PEM, or is too short. Its text is not repeated.
    """
    blocks = [block for pem in pems for block in _BLOCK.findall(pem) or [pem]]
    return tuple(_key(f"{name}, key {number}", block) for number, block in enumerate(blocks, 1))


def _key(name: str, pem: bytes) -> RSAPublicKey:
    if b"PRIVATE KEY" in pem:
        raise ConfigurationError(
            f"{name}: this is a private key, and whoever has the product has it. Take it out, replace it at the "
            "issuer, and give the public key"
        )
    try:
        key = load_pem_public_key(pem)
    except Exception:  # noqa: BLE001 - of several kinds, and its text may repeat the key
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError(
            f"{name}: this is no public RSA key in PEM (-----BEGIN PUBLIC KEY-----), as openssl or KMS's GetPublicKey "
            "give it"
        )
    if key.key_size < SMALLEST:
        raise ConfigurationError(f"{name}: the key has {key.key_size} bits, and must have {SMALLEST} or more")
    return key


def verify(keys: tuple[RSAPublicKey, ...], signed_token: str) -> Proof:
    """Return the claims of a signed token that one of the keys has signed, and nothing else about it is odd."""
    signed_token = Secret(signed_token)
    parts = signed_token.split(".") if len(signed_token) <= _LONGEST else []
    header, payload, signature = map(_decoded, parts) if len(parts) == 3 else (None, None, None)
    said, claims = _members(header), _members(payload)
    if said is None or claims is None or signature is None:
        return NOT_A_JWT
    if said.get("alg") != "PS384" or "crit" in said or said.get("b64", True) is not True:
        return WRONG_ALGORITHM
    signed = signed_token.rpartition(".")[0].encode()
    if not any(_has_signed(key, signature, signed) for key in keys):
        return WRONG_SIGNATURE
    return _claims(claims)


def _has_signed(key: RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, _PADDING, SHA384())
    except InvalidSignature:
        return False
    return True


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


def _claims(claims: dict[str, object]) -> SignedClaims:
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
