"""The tokens that a key signs.

This module is imported when a token is signed, for the packages that it needs are optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .rsa_keys import RsaKey

_NEEDS = 'signed tokens need PyJWT and cryptography: pip install "meterguard[emulator]"'
try:
    import jwt
    from jwt.types import Options
except ImportError as missing:
    raise ImportError(_NEEDS) from missing

__all__ = ("Signer",)

# The times in a token are by the emulator's clock, which jwt does not know; nor does it know whom a token is for.
_NO_TIMES: Final[Options] = {"verify_aud": False, "verify_exp": False, "verify_iat": False}


class Signer:
    """A key that signs tokens: the emulator's own, or one of its KMS.

    With ``private_key_pem`` it goes on with an earlier key.
    """

    def __init__(self, private_key_pem: str | None = None) -> None:
        self._key = RsaKey(private_key_pem)

    @property
    def private_key_pem(self) -> str:
        """Return the key itself, not encrypted."""
        return self._key.private_key_pem

    @property
    def public_key_pem(self) -> str:
        """Return the key that a vendor ships inside its product to verify tokens with."""
        return self._key.public_key_pem

    def sign(self, payload: Mapping[str, object], algorithm: str = "PS384") -> str:
        """Return a compact JWT. PS384 is RSASSA-PSS with SHA-384 and a salt of 48 bytes."""
        return jwt.encode(dict(payload), self._key.private, algorithm=algorithm)

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token that this key has signed, also of one that is over; None for any other."""
        try:
            claims: Mapping[str, Any] = jwt.decode(token, self._key.public, ["PS384"], options=_NO_TIMES)
        except (jwt.InvalidTokenError, ValueError):
            return None
        return claims
