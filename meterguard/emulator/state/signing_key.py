"""The keys that signed tokens are signed with: the emulator's own, or the one that a licence names."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .kms_keys import KmsKeys

if TYPE_CHECKING:
    from ..protocol.signer import Signer

__all__ = ("SigningKey",)


class SigningKey:
    """A key that is made when it is first needed, and kept with the state.

    Args:
        settings: The table of settings, which may hold the key.
        lock: The lock of the state.
        kms_keys: The keys that licences may name.
    """

    def __init__(
        self, settings: MutableMapping[str, Any], lock: AbstractContextManager[object], kms_keys: KmsKeys
    ) -> None:
        self._settings = settings
        self._lock = lock
        self._kms_keys = kms_keys
        self._signer: Signer | None = None
        self._signers: dict[str, Signer] = {}

    def signer(self) -> Signer:
        """Return the signer with the emulator's own key.

        Raises:
            StateError: The state file holds something else than a key.
        """
        with self._lock:
            if self._signer is None:
                from ..protocol.signer import Signer

                self._signer = Signer(self._settings.get("signing_key"))
                self._settings["signing_key"] = self._signer.private_key_pem
            return self._signer

    def of(self, sign_key: str | None) -> Signer:
        """Return the signer with a key of this emulator's KMS, by its id or ARN; the own one for any other key."""
        key = self._kms_keys.find(sign_key)
        if key is None:
            return self.signer()
        with self._lock:
            if key.identifier not in self._signers:
                from ..protocol.signer import Signer

                self._signers[key.identifier] = Signer(key.private_key_pem)
            return self._signers[key.identifier]
