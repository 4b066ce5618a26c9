"""boto3 clients, made late, and made again where that helps."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..ports import FaultKind, ServiceFault
from . import regions
from .breakdowns import ancestors
from .faults import is_about_credentials, translate

Made = TypeVar("Made")


class ImportLock:
    """A re-entrant lock that can be made anew, for a child whose parent's other threads are gone."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """In a forked child, before it starts a thread: be free, whoever held it in the parent."""
        self._lock = threading.RLock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it; False when that took too long."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Let go of it."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


boto_import_lock = ImportLock()
"""Held while boto3 is imported and clients are made. A fork handler has to hold it across the fork, else the
child may inherit an import that nobody will ever finish."""


_inherited: weakref.WeakSet[Any] = weakref.WeakSet()
"""Clients of users that came through a fork, with pooled connections that two processes cannot share."""


class TimeOuts(NamedTuple):
    """Seconds to wait for a connection, and for each part of an answer."""

    connect: float
    read: float


PARTING = TimeOuts(0.4, 0.6)
"""For a process that is leaving: all of its leases have to fit into two seconds."""


def time_outs(budget: float) -> TimeOuts:
    """What one attempt may take of a call's budget.

    A lost answer costs the read time-out, so after one there is time left for a second attempt; and a host
    that does not answer at all is tried three times.
    """
    return TimeOuts(min(3.0, budget * 0.3), min(5.0, budget * 0.45))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user said of the connection. Everything else is boto3's own configuration."""

    region_name: str | None = None
    endpoint_url: str | None = None
    session: Any = None
    client: Any = None
    timeout: float = 10.0
    loopback_only: bool = False


class Connection:
    """The clients of one process, for one set of settings.

    Clients are read without a lock and changed under ``boto_import_lock``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._moved_to: str | None = None
        self._region: str | None = None
        self._drop()

    def _drop(self) -> None:
        self._session: Any = None
        self._client: Any = None
        self._parting: Any = None

    @property
    def is_own(self) -> bool:
        """Whether the client is made here, and not handed in by the user."""
        return self._settings.client is None

    def client(self, *, parting: bool = False) -> Any:
        """The client to use now."""
        if not self.is_own:
            return self._handed_in()
        made = self._parting if parting else self._client
        return self._make(parting) if made is None else made

    def _handed_in(self) -> Any:
        client = self._settings.client
        if _inherited and _is_botos(client) and client in _inherited:
            _inherited.discard(client)
            client.close()  # closes what is idle; used again, it connects anew
        return client

    def _make(self, parting: bool) -> Any:
        with boto_import_lock:
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

    def _find_region(self) -> str:
        settings = self._settings
        _check(settings)
        region = self._moved_to or settings.region_name
        if region is None and settings.session is not None:
            region = getattr(settings.session, "region_name", None)
        region = region or regions.from_environment() or self._asked_of_boto()
        self._region = region
        return region

    def _asked_of_boto(self) -> str:
        region = _configured(lambda: self._any_session().region_name)
        if not region:
            raise ConfigurationError(
                "no AWS Region is set: pass region_name=, set AWS_REGION, or give the AWS profile a region"
            )
        return str(region)

    def _any_session(self) -> Any:
        from . import boto

        if self._session is None:
            self._session = self._settings.session or boto.new_session()
        return self._session

    def _in(self, region: str, parting: bool) -> Any:
        from . import boto

        waits = PARTING if parting else time_outs(self._settings.timeout)
        client = _configured(lambda: boto.new_client(self._any_session(), region, self._settings.endpoint_url, *waits))
        if self._settings.loopback_only:
            _check_address(client.meta.endpoint_url)
        return client

    # -- other Regions ---------------------------------------------------------------------------

    def elsewhere(self, client: Any, named: str | None) -> str | None:
        """The Region to follow a redirect to; None when this one must not be followed."""
        if named is None or not self._is_at_home(client):
            return None
        with boto_import_lock:
            from . import boto

            return named if boto.is_sibling(self._any_session(), client.meta.region_name, named) else None

    def client_in(self, region: str) -> Any:
        """A client for another Region, not kept."""
        with boto_import_lock:
            return self._in(region, parting=False)

    def move_to(self, region: str) -> None:
        """Use another Region from now on: tokens have to be used where they came from."""
        with boto_import_lock:
            if self._moved_to != region:
                self._moved_to = self._region = region
                self._client = self._parting = None

    def is_lost(self, client: Any) -> bool:
        """Whether a client talks to a Region that boto3 does not know, whose host may well not exist."""
        if not self._is_at_home(client):
            return False
        with boto_import_lock:
            from . import boto

            return not boto.is_known(self._any_session(), client.meta.region_name)

    def _is_at_home(self, client: Any) -> bool:
        """Whether a client is ours and talks to AWS's own host, and not to an endpoint that somebody set."""
        if not self.is_own or self._settings.endpoint_url is not None:
            return False
        with boto_import_lock:
            from . import boto

            return _configured(lambda: boto.is_at_home(self._any_session(), client))

    @property
    def region(self) -> str | None:
        """The Region in use, as far as it is known yet."""
        return self._region or self._settings.region_name

    # -- starting over ---------------------------------------------------------------------------

    def forget_credentials(self) -> None:
        """Let the next request look for credentials anew. Only a new session reads them again."""
        if self.is_own:
            with boto_import_lock:
                self._drop()

    def reset(self) -> None:
        """In a forked child: forget what was the parent's. Does no I/O and waits for nothing."""
        boto_import_lock.renew()
        if _is_botos(self._settings.client):
            _inherited.add(self._settings.client)
        self._drop()


def _check(settings: Settings) -> None:
    region: object = settings.region_name
    if region is not None and not (isinstance(region, str) and region.strip()):
        raise ConfigurationError("region_name must be the name of an AWS Region, such as 'us-east-1'")
    if settings.session is not None and not callable(getattr(settings.session, "client", None)):
        raise ConfigurationError("session must be a boto3.Session")
    url: object = settings.endpoint_url
    if url is None:
        return
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("endpoint_url must be a URL such as https://host:port")


def _check_address(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if not regions.is_loopback(host):
        raise ConfigurationError(
            f"boto3's settings lead to {host}, and METERGUARD_LOOPBACK_ONLY is set, as it is while pytest runs with "
            "meterguard's plugin: point endpoint_url or AWS_ENDPOINT_URL_LICENSE_MANAGER at an emulator. To ask AWS "
            "after all, mark the test with @pytest.mark.meterguard_live, or set the ini option meterguard_allow_aws"
        )


def _configured(make: Callable[[], Made]) -> Made:
    """What ``make`` makes. What goes wrong is told without its exception, whose text is not ours."""
    try:
        return make()
    except Exception as exc:  # noqa: BLE001 - translate() raises again what it does not know
        trouble = exc
    raise _told(trouble)


def _told(trouble: Exception) -> ConfigurationError | ServiceFault:
    if isinstance(trouble, ValueError) and not ancestors(trouble) and not is_about_credentials(trouble):
        return ConfigurationError("endpoint_url (or AWS_ENDPOINT_URL...) and region_name make no valid endpoint")
    fault = translate(trouble, "connect")
    return ConfigurationError(fault.detail) if fault.kind is FaultKind.INVALID else fault


def _is_botos(client: Any) -> bool:
    """Whether a client is a real one of boto3, which nobody has to import to find out."""
    botocore = sys.modules.get("botocore.client")
    return botocore is not None and isinstance(client, botocore.BaseClient)
