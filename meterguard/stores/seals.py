"""Sealing: tokens in a shared store, encrypted with a key that the store does not have."""

from __future__ import annotations

import base64
import hashlib
import os

from ..errors import ConfigurationError
from ..extras import needed
from .plain_tokens import SEALED

with needed("cryptography", "seal", by="METERGUARD_STORE_KEY"):
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12  # bytes
SHORTEST = 32  # characters


class Seal:
    """Seals and opens secrets with AES-GCM, under a key that is the SHA-256 of a text.

    :raises ConfigurationError: the text is too short for a key.
    """

    def __init__(self, text: str) -> None:
        if len(text) < SHORTEST:
            raise ConfigurationError(
                f"METERGUARD_STORE_KEY must have at least {SHORTEST} characters, made at random: for instance the "
                'output of python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        self._cipher = AESGCM(hashlib.sha256(text.encode()).digest())

    def seal(self, secret: str) -> str:
        """Return a secret, sealed."""
        nonce = os.urandom(NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), None)
        return SEALED + base64.b64encode(sealed).decode("ascii")

    def unseal(self, text: str) -> str:
        """Return the secret. One that was written before there was a key is as it is.

        :raises ValueError: it was sealed with another key, or changed.
        """
        if not text.startswith(SEALED):
            return text
        raw = base64.b64decode(text.removeprefix(SEALED), validate=True)
        try:
            return self._cipher.decrypt(raw[:NONCE], raw[NONCE:], None).decode()
        except InvalidTag:
            raise ValueError("sealed with another key") from None
