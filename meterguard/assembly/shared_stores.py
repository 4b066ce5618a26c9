"""Assembly of shared stores: opened by their settings, with tokens sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..aws.service import boto_import_lock
from ..config import Settings
from ..rows import SharedStore
from ..stores import urls

if TYPE_CHECKING:
    from ..runtime.execution import Sealing


def sealing_of(settings: Settings, store: SharedStore) -> Sealing:
    """Return what seals tokens for a store; where there is no key, what leaves them as they are."""
    from ..runtime.execution import Sealing
    from ..stores import plain_tokens

    if settings.store_key is not None:
        return seal(settings.store_key)
    if store.is_fleet:
        import logging

        logging.getLogger("meterguard").warning(
            "tokens stand in the lease store as they are: whoever reads it can give leases back that are in use. %s",
            "Set METERGUARD_STORE_KEY in all processes to seal them"
            if settings.trust_env
            else "With trust_env=False there is no key to seal them",
        )
    return Sealing(plain_tokens.keep, plain_tokens.read)


def seal(key: str) -> Sealing:
    """Return what seals tokens under a key.

    :raises ConfigurationError: it is too short, or a package is missing.
    """
    from ..runtime.execution import Sealing
    from ..stores.seals import Seal

    made = Seal(key)
    return Sealing(made.seal, made.unseal)


def shared_store(store: str | SharedStore, *, trust_env: bool = True) -> SharedStore | None:
    """Return the store of leases at a URL; an object as it is. None for ``memory://``: leases are not shared.

    :param trust_env: False for a client of DynamoDB that follows no environment.
    :raises ConfigurationError: the URL is wrong. Its text is not repeated, for it may hold a password.
    """
    return urls.shared_store(store, None if trust_env else _closed_session)


def _closed_session(region: str | None) -> object:
    with boto_import_lock:
        from ..aws import boto
    return boto.closed_session(None, region)
