"""boto3's credentials made of a refresh token. Import this module as ``boto``: on first use, holding its lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore import UNSIGNED  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.credentials import (  # type: ignore[import-untyped, unused-ignore]
    CredentialProvider,
    Credentials,
    ReadOnlyCredentials,
)
from botocore.session import get_session  # type: ignore[import-untyped, unused-ignore]

from .boto import SERVICE, closed_session, new_client
from .boto_types import Client, Session
from .regions import is_loopback
from .settings import TimeOuts
from .token_credentials import Keys

METHOD = "meterguard-refresh-token"


class LentCredentials(Credentials):  # type: ignore[misc, unused-ignore]
    """Credentials that ask for their keys at each signature. botocore's own would log why a renewal failed."""

    method = METHOD
    account_id = None

    def __init__(self, keys: Callable[[], Keys]) -> None:
        self._keys = keys

    # attributes in boto3's class, and read anew here
    access_key = property(lambda self: self._keys().access_key)  # pyright: ignore[reportAssignmentType]
    secret_key = property(lambda self: self._keys().secret_key)  # pyright: ignore[reportAssignmentType]
    token = property(lambda self: self._keys().session_token)  # pyright: ignore[reportAssignmentType]

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys to sign one request with."""
        keys = self._keys()
        return ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.session_token)


class LendingProvider(CredentialProvider):  # type: ignore[misc, unused-ignore]
    """A provider that always has credentials, and asks nobody before the first signature."""

    METHOD = METHOD

    def __init__(self, keys: Callable[[], Keys]) -> None:
        super().__init__()
        self._keys = keys

    def load(self) -> LentCredentials:
        """Return the credentials."""
        return LentCredentials(self._keys)


def lending_session(keys: Callable[[], Keys], *, is_last_resort: bool) -> Session:
    """Make a session with these keys: before everything that boto3 looks for, or after it."""
    core = get_session()
    providers = core.get_component("credential_provider").providers
    providers.insert(len(providers) if is_last_resort else 0, LendingProvider(keys))
    return cast(Session, boto3.Session(botocore_session=core))


def is_lent(session: Session) -> bool:
    """Return True for a session whose credentials are those of the refresh token."""
    found = cast(Any, session).get_credentials()
    return getattr(found, "method", None) == METHOD


class _Unsigned:
    """A session whose clients are of this service, and sign nothing."""

    def __init__(self, session: Session, service: str) -> None:
        self._session, self._service = session, service

    def client(self, _: str, *, config: Any, **how: Any) -> Client:
        """Make a client."""
        unsigned = config.merge(Config(signature_version=UNSIGNED))
        return self._session.client(self._service, config=unsigned, **how)


def requesters(
    region: str, endpoint_url: str | None, waits: TimeOuts, *, trust_env: bool = True
) -> tuple[Client, Client]:
    """Make clients of License Manager and of STS that need no credentials.

    STS is asked in the same Region, and where License Manager is on this machine, there: an emulator plays both.
    """
    session = _regional_session() if trust_env else closed_session(None, region)
    unsigned = (cast(Session, _Unsigned(session, service)) for service in (SERVICE, "sts"))
    license_manager = new_client(next(unsigned), region, endpoint_url, waits)
    url = license_manager.meta.endpoint_url
    is_here = is_loopback(urlsplit(url).hostname or "")
    return license_manager, new_client(next(unsigned), region, url if is_here else None, waits)


def _regional_session() -> Session:
    """Make a session that asks the STS of its Region: older versions of botocore ask the one of another."""
    core = get_session()
    core.set_config_variable("sts_regional_endpoints", "regional")
    return cast(Session, boto3.Session(botocore_session=core))
