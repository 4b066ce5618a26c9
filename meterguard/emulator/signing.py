"""The issuer's RSA key, and what is signed with it.

Imported when something is to be signed, for what it needs is optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

_NEEDS = 'signed tokens need PyJWT and cryptography: pip install "meterguard[emulator]"'
try:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError as missing:
    raise ImportError(_NEEDS) from missing

__all__ = ("Signer",)

_BITS: Final = 2048
_EXPONENT: Final = 65537


class Signer:
    """A key of its own for every emulator, in place of the one that KMS would hold."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(_EXPONENT, _BITS)

    def sign(self, payload: Mapping[str, Any]) -> str:
        """A compact JWT by PS384: RSASSA-PSS with SHA-384 and a salt of 48 bytes."""
        return jwt.encode(dict(payload), self._key, algorithm="PS384")

    @cached_property
    def public_key_pem(self) -> str:
        """What a vendor ships inside its product to verify tokens with."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
