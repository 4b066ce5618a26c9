"""boto3 clients, made late, and made again where that helps."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..ports import FaultKind, Origin, ServiceFault
from . import regions, token_credentials
from .boto_types import Client, Session
from .botocore_errors import ancestors
from .error_codes import is_about_credentials, translate
from .origins import origins
from .outcome import Failure, attempt
from .settings import PARTING, Settings, TimeOuts, check, time_outs
from .token_credentials import Keys, Requesters, TokenCredentials

Made = TypeVar("Made")


class ImportLock:
    """A re-entrant lock that can be made anew, for a child whose parent's other threads are gone."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Free the lock, in a forked child that has no thread yet, whoever held it in the parent."""
        self._lock = threading.RLock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; return False when that took too long."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


boto_import_lock = ImportLock()
"""Held while boto3 is imported, and for nothing that takes longer. A fork handler has to hold it across the fork,
else the child may inherit an import that nobody will ever finish."""

_session_locks: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
"""A session makes one client at a time, and several guards may have the same one."""

_inherited: weakref.WeakSet[Any] = weakref.WeakSet()
"""Clients of users that came through a fork, with pooled connections that two processes cannot share."""


class Clients:
    """The clients of one process, for one set of settings.

    Clients are read without a lock and made under a lock that only those with the same session share: looking for
    credentials may run a program, or ask another machine, for many seconds.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._service = settings.service
        self._moved_to: str | None = None
        self._region: str | None = None
        self._signing = threading.local()
        self._start_over()

    def _start_over(self) -> None:
        self._lock: threading.RLock | None = None
        self._drop()

    def _drop(self) -> None:
        self._session: Session | None = None
        self._client: Client | None = None
        self._parting: Client | None = None
        self._lent: TokenCredentials | None = None

    @property
    def is_own(self) -> bool:
        """True when the client is made here, and not handed in by the user."""
        return self._settings.client is None

    def client(self, *, parting: bool = False) -> Client:
        """Return the client to use now."""
        if self._settings.client is not None:
            return _usable(self._settings.client)
        made = self._parting if parting else self._client
        return self._make(parting) if made is None else made

    def _make(self, parting: bool) -> Client:
        with self._making():
            made = self._parting if parting else self._client
            if made is not None:
                return made
            try:
                made = self._in(self._find_region(), parting)
            except Exception:
                if self._client is None:
                    self._session = None  # it keeps what it read, and the next attempt has to read anew
                raise
            if parting:
                self._parting = made
            else:
                self._client = made
            return made

    def _making(self) -> threading.RLock:
        """Return the lock that is held while this session makes a client."""
        lock = self._lock
        if lock is None:
            with boto_import_lock:
                lock = self._lock = self._lock or _lock_of(self._settings.session)
        return lock

    def _find_region(self) -> str:
        settings = self._settings
        check(settings)
        region = self._moved_to or settings.region_name
        if region is None and settings.session is not None:
            region = getattr(settings.session, "region_name", None)
        region = region or self._ambient()
        self._region = region
        return region

    def _ambient(self) -> str:
        """Return the Region that nobody named for this service: the one of the process, where the service is there."""
        region, service = regions.from_environment() or _configured(lambda: self._lender().region_name), self._service
        if region and service.home is not None:
            there: list[str] = _boto().siblings(self._any_session(region), region, service.name)
            return str(region) if region in there or not there else there[0]
        region = region or service.home
        if not region:
            raise ConfigurationError(
                "no AWS Region is set: pass region_name=, set AWS_REGION, or give the AWS profile a region"
            )
        return str(region)

    def _lender(self) -> Session:
        """Return the session that knows Region and credentials, by boto3's own rules."""
        session: Session = self._session or self._settings.session or self._new_session()
        if self._settings.trust_env:
            self._session = session
        return session

    def _any_session(self, region: str) -> Session:
        """Return the session that makes clients."""
        if self._settings.trust_env:
            return self._lender()
        session = self._session or self._closed_session(region)
        self._session = session
        return session

    def _closed_session(self, region: str) -> Session:
        lender = self._settings.session or (None if self._settings.token is None else self._new_session())
        closed: Session = _boto().closed_session(lender, region)
        return closed

    def _new_session(self) -> Session:
        given = self._settings.token
        if given is None:
            new: Session = _boto().new_session()
            return new
        lending: Session = _boto_credentials().lending_session(self._keys, is_last_resort=given.token.is_last_resort)
        return lending

    def _in(self, region: str, parting: bool) -> Client:
        boto, url = _boto(), self._settings.endpoint_url
        waits = PARTING if parting else time_outs(self._settings.timeout)
        name = self._service.name
        client: Client = _configured(
            lambda: boto.new_client(self._any_session(region), region, url, waits, service=name)
        )
        self._check_address(client)
        return client

    # -- other Regions ---------------------------------------------------------------------------

    def elsewhere(self, client: Client, named: str | None) -> str | None:
        """Return the Region to follow a redirect to; None when this one must not be followed."""
        if named is None or not self._is_at_home(client):
            return None
        region = client.meta.region_name
        with self._making():
            there = _boto().siblings(self._any_session(region), region, self._service.name)
            return named if region != named and {region, named} <= set(there) else None

    def client_in(self, region: str) -> Client:
        """Make a client for another Region. It is not kept."""
        with self._making():
            return self._in(region, parting=False)

    def move_to(self, region: str) -> None:
        """Use another Region from now on: tokens have to be used where they came from."""
        with self._making():
            if self._moved_to != region:
                self._moved_to = self._region = region
                self._client = self._parting = self._lent = None

    def is_lost(self, client: Client) -> bool:
        """Return True for a client of a Region that boto3 does not know, whose host may well not exist."""
        if not self._is_at_home(client):
            return False
        region = client.meta.region_name
        with self._making():
            return region not in _boto().siblings(self._any_session(region), region, self._service.name)

    def _is_at_home(self, client: Client) -> bool:
        """Return True for a client of ours that talks to AWS's own host, and not to an endpoint that somebody set."""
        if not self.is_own or self._settings.endpoint_url is not None:
            return False
        with self._making():
            session = self._any_session(client.meta.region_name)
            return bool(_configured(lambda: _boto().is_at_home(session, client, self._service.name)))

    @property
    def region(self) -> str | None:
        """The Region in use, as far as it is known yet."""
        return self._region or self._settings.region_name

    # -- a refresh token ------------------------------------------------------------------------------

    def _keys(self) -> Keys:
        """Return the keys that the refresh token gives. boto3 calls this for each signature, on any thread."""
        given, lent = self._settings.token, self._lent
        if given is None or self._region is None:
            raise ConfigurationError("no refresh token, or no Region, is set")
        if lent is None:
            source = token_credentials.source(given.token, self._region, self._settings)
            lent = self._lent = token_credentials.shared(source)
        waits = PARTING if getattr(self._signing, "parting", False) else time_outs(self._settings.timeout)
        return lent.keys(lambda: self._requesters(waits), given.now, patience=2 * sum(waits))

    @contextmanager
    def signing(self, *, parting: bool) -> Iterator[None]:
        """Have keys made in a hurry while this thread sends a request of a process that is leaving."""
        self._signing.parting = parting
        try:
            yield
        finally:
            self._signing.parting = False

    def _requesters(self, waits: TimeOuts) -> Requesters:
        url = self._settings.endpoint_url
        made: Requesters = _configured(
            lambda: _boto_credentials().requesters(self._region, url, waits, trust_env=self._settings.trust_env)
        )
        for client in made:
            self._check_address(client)
        return made

    def _check_address(self, client: Client) -> None:
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if self._settings.loopback_only and not regions.is_loopback(host):
            variable = f"endpoint_url or {self._service.variable}"
            pointer = variable if self._settings.trust_env else "meterguard.testing.point_at"
            raise ConfigurationError(
                f"boto3's settings lead to {host}, and METERGUARD_LOOPBACK_ONLY is set, as it is while pytest runs "
                f"with meterguard's plugin: point {pointer} at an emulator. To ask AWS after all, mark the test with "
                "@pytest.mark.meterguard_live, or set the ini option meterguard_allow_aws"
            )

    def origins(self) -> list[Origin]:
        """Return where what the client follows comes from."""
        client = self.client()
        with self._making():
            is_lent = self._settings.token and _boto_credentials().is_lent(self._any_session(client.meta.region_name))
            told = origins(self._settings, client, _boto(), at_home=self._is_at_home(client), is_lent=bool(is_lent))
            return list(told)

    # -- starting over ---------------------------------------------------------------------------

    def forget_credentials(self) -> None:
        """Let the next request look for credentials anew. Only a new session reads them again."""
        if self.is_own:
            with self._making():
                if self._lent is not None:
                    self._lent.drop()
                self._drop()

    def reset(self) -> None:
        """Forget the parent's clients, in a forked child. Does no I/O and waits for nothing."""
        boto_import_lock.renew()
        _session_locks.clear()
        token_credentials.forget()
        if _is_botos(self._settings.client):
            _inherited.add(self._settings.client)
        self._start_over()


def _boto() -> ModuleType:
    with boto_import_lock:
        from . import boto
    return boto


def _boto_credentials() -> ModuleType:
    with boto_import_lock:
        from . import boto_credentials
    return boto_credentials


def _usable(client: Client) -> Client:
    """Return a client that was handed in, without the connections that it had before a fork."""
    if _inherited and _is_botos(client) and client in _inherited:
        _inherited.discard(client)
        client.close()  # closes what is idle; used again, it connects anew
    return client


def _lock_of(session: Any) -> threading.RLock:
    try:
        return _session_locks.setdefault(session, threading.RLock())
    except TypeError:  # None, or a stand-in for a session that cannot be referred to weakly
        return threading.RLock()


def _configured(make: Callable[[], Made]) -> Made:
    """Return what ``make`` makes. A failure is told without its exception, whose text is not ours."""
    outcome = attempt(make)
    if isinstance(outcome, Failure):
        raise _told(outcome.trouble)
    return outcome.made


def _told(trouble: Exception) -> ConfigurationError | ServiceFault:
    if isinstance(trouble, ValueError) and not ancestors(trouble) and not is_about_credentials(trouble):
        return ConfigurationError("endpoint_url (or AWS_ENDPOINT_URL...) and region_name make no valid endpoint")
    fault = translate(trouble, "connect")
    return ConfigurationError(fault.detail) if fault.kind is FaultKind.INVALID else fault


def _is_botos(client: object) -> bool:
    """Return True for a real client of boto3, without importing it."""
    botocore = sys.modules.get("botocore.client")
    return botocore is not None and isinstance(client, botocore.BaseClient)
