"""Forged tokens: what an attacker would put in the place of a signed token, or a service that is broken."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol, get_args

__all__ = ("TAMPERS", "Signs", "Tamper", "forged")

Tamper = Literal["signature", "payload", "key", "none", "hs256", "replay"]
TAMPERS: Final[tuple[str, ...]] = get_args(Tamper)


class Signs(Protocol):
    """A key that signs tokens."""

    @property
    def public_key_pem(self) -> str:
        """Return the key that verifies them."""
        ...

    def sign(self, payload: Mapping[str, object]) -> str:
        """Return a token that says this."""
        ...


def forged(
    token: str, tamper: Tamper | None, claims: Mapping[str, Any], signer: Signs, stranger: Callable[[], Signs]
) -> str:
    """Return a token with other claims (None leaves one out), and tampered with.

    Args:
        token: The true token.
        tamper: What is wrong with it; None: nothing but its claims.
        claims: What it says otherwise than the true one.
        signer: The key that the true one is signed with.
        stranger: Returns a key that nobody trusts.
    """
    said = {name: value for name, value in {**_said_by(token), **claims}.items() if value is not None}
    if tamper == "payload":
        head, _, signature = token.split(".")
        return f"{head}.{_part(said if claims else {**said, 'forged': True})}.{signature}"
    if tamper == "none":
        return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(said)}."
    if tamper == "hs256":
        return _with_public_secret(said, signer.public_key_pem)
    if tamper == "key":
        return stranger().sign(said)
    right = signer.sign(said) if claims else token
    return _with_other_signature(right) if tamper == "signature" else right


def _with_public_secret(said: Mapping[str, Any], public_key_pem: str) -> str:
    """Return a token by HMAC, whose secret is the public key: a verifier that believes the header takes it."""
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(said)}"
    return f"{signed}.{_text(hmac.digest(public_key_pem.encode(), signed.encode(), 'sha256'))}"


def _with_other_signature(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    value = _bytes(signature)
    return f"{signed}.{_text(value[:-1] + bytes([value[-1] ^ 1]))}"


def _said_by(token: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_bytes(token.split(".")[1]))
    return said


def _part(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
