"""Signed tokens: JWTs by PS384, verified with public keys that the product brings along.

This module is imported when an answer is verified first, for the package that it needs is optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..errors import ConfigurationError
from ..extras import needed
from ..ports import Forged, Proof
from ..secret import Secret
from . import compact_jwt

with needed("cryptography", "trust", by="trusted_keys="):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA384
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

SMALLEST: Final = 2048  # bits
_PADDING: Final = padding.PSS(padding.MGF1(SHA384()), salt_length=padding.PSS.DIGEST_LENGTH)
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
    token = compact_jwt.read(signed_token)
    if token is None:
        return NOT_A_JWT
    if token.header.get("alg") != "PS384" or "crit" in token.header or token.header.get("b64", True) is not True:
        return WRONG_ALGORITHM
    signed = signed_token.rpartition(".")[0].encode()
    if not any(_has_signed(key, token.signature, signed) for key in keys):
        return WRONG_SIGNATURE
    return compact_jwt.claims(token.payload)


def _has_signed(key: RSAPublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, _PADDING, SHA384())
    except InvalidSignature:
        return False
    return True
