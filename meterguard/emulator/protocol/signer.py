"""The issuer's RSA key, and the tokens that it signs.

This module is imported when a token is signed, for the packages that it needs are optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from .errors import StateError

_NEEDS = 'signed tokens need PyJWT and cryptography: pip install "meterguard[emulator]"'
try:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )
    from jwt.types import Options
except ImportError as missing:
    raise ImportError(_NEEDS) from missing

__all__ = ("Signer",)

# The times in a token are by the emulator's clock, which jwt does not know; nor does it know whom a token is for.
_NO_TIMES: Final[Options] = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
_BITS: Final = 2048
_EXPONENT: Final = 65537


class Signer:
    """A key of an emulator's own, in place of the one that KMS would hold.

    With ``private_key_pem`` it goes on with an earlier key.
    """

    def __init__(self, private_key_pem: str | None = None) -> None:
        self._key = _read(private_key_pem) if private_key_pem else rsa.generate_private_key(_EXPONENT, _BITS)

    @property
    def private_key_pem(self) -> str:
        """Return the key itself, not encrypted."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def sign(self, payload: Mapping[str, object]) -> str:
        """Return a compact JWT by PS384: RSASSA-PSS with SHA-384 and a salt of 48 bytes."""
        return jwt.encode(dict(payload), self._key, algorithm="PS384")

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token that this key has signed, also of one that is over; None for any other."""
        try:
            claims: Mapping[str, Any] = jwt.decode(token, self._key.public_key(), ["PS384"], options=_NO_TIMES)
        except (jwt.InvalidTokenError, ValueError):
            return None
        return claims

    @cached_property
    def public_key_pem(self) -> str:
        """Return the key that a vendor ships inside its product to verify tokens with."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _read(pem: str) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise StateError("the state file is damaged: its signing_key is not an RSA key")
    return key
