"""RSA keys: made, written out, read, and signed with as KMS does.

This module is imported when a key is needed, for the package that it needs is optional.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from .errors import StateError

_NEEDS = 'signed tokens need PyJWT and cryptography: pip install "meterguard[emulator]"'
try:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, AsymmetricPadding, PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )
except ImportError as missing:
    raise ImportError(_NEEDS) from missing

__all__ = ("RsaKey", "digest_length")

_EXPONENT: Final = 65537
_HASHES: Final[dict[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}


class RsaKey:
    """A key of so many bits. With ``private_key_pem`` it is an earlier key."""

    def __init__(self, private_key_pem: str | None = None, bits: int = 2048) -> None:
        self.private = _read(private_key_pem) if private_key_pem else generate_private_key(_EXPONENT, bits)

    @property
    def public(self) -> RSAPublicKey:
        """Return the public key."""
        return self.private.public_key()

    @property
    def private_key_pem(self) -> str:
        """Return the key itself, not encrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @cached_property
    def public_key_pem(self) -> str:
        """Return the public key as a vendor ships it inside its product."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def public_key_der(self) -> bytes:
        """Return the public key as KMS answers it."""
        return self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes, algorithm: str, *, is_digest: bool) -> bytes:
        """Return the signature of a message, or of its digest, by an algorithm that KMS has for RSA keys."""
        used = _hash_of(algorithm)
        return self.private.sign(message, _padding(algorithm, used), Prehashed(used) if is_digest else used)


def digest_length(algorithm: str) -> int:
    """Return the number of bytes of a digest that is signed by an algorithm."""
    return _hash_of(algorithm).digest_size


def _hash_of(algorithm: str) -> HashAlgorithm:
    return _HASHES[algorithm[-3:]]


def _padding(algorithm: str, used: HashAlgorithm) -> AsymmetricPadding:
    return PSS(MGF1(used), used.digest_size) if algorithm.startswith("RSASSA_PSS_") else PKCS1v15()


def _read(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise StateError("the state file is damaged: a key in it (signing_key, kms_keys) is not an RSA key")
    return key
