"""The key that signed tokens are signed with."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..protocol.signer import Signer

__all__ = ("SigningKey",)


class SigningKey:
    """A key that is made when it is first needed, and kept with the state.

    Args:
        settings: The table of settings, which may hold the key.
        lock: The lock of the state.
    """

    def __init__(self, settings: MutableMapping[str, Any], lock: AbstractContextManager[object]) -> None:
        self._settings = settings
        self._lock = lock
        self._signer: Signer | None = None

    def signer(self) -> Signer:
        """Return the signer with the key.

        Raises:
            StateError: The state file holds something else than a key.
        """
        with self._lock:
            if self._signer is None:
                from ..protocol.signer import Signer

                self._signer = Signer(self._settings.get("signing_key"))
                self._settings["signing_key"] = self._signer.private_key_pem
            return self._signer
