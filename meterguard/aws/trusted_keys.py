"""The public keys that answers are verified with, read when they are first needed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..errors import ConfigurationError
from ..ports import Proof
from .clients import boto_import_lock
from .wire import Verify

Source = bytes | Path
"""PEM, or the path of a file of it."""


class TrustedKeys:
    """Public keys. Nothing is imported or read before the first use, and a file is read once."""

    def __init__(self, sources: tuple[Source, ...] | None) -> None:
        self._sources = sources
        self._verify: Verify | None = None

    def __repr__(self) -> str:
        return f"<TrustedKeys: {len(self._sources or ())}>"

    def verifier(self) -> Verify | None:
        """Return what verifies signed tokens; None where there are no keys.

        :raises ConfigurationError: a key cannot be read, or is none; or a package is missing.
        """
        if self._sources is None:
            return None
        if self._verify is None:
            with boto_import_lock:
                self._verify = self._read(self._sources)  # as often as several come at once, which does no harm
        return self._verify

    def proof(self, signed_token: str) -> Proof | None:
        """Verify a signed token; None where there are no keys."""
        verify = self.verifier()
        return None if verify is None else verify(signed_token)

    def _read(self, sources: tuple[Source, ...]) -> Verify:
        pems = [_pem(source) for source in sources]
        from . import signed_token

        return partial(signed_token.verify, signed_token.read_keys("trusted_keys", pems))


def _pem(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as problem:
        raise ConfigurationError(
            f"trusted_keys: {source} cannot be read ({problem.strerror}): ship the public key beside the program, and "
            "name it by a path that does not depend on the working directory"
        ) from None
