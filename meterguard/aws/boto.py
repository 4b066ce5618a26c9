"""boto3 itself. Import this module on first use only, holding ``clients.boto_import_lock``."""

from __future__ import annotations

# The codec that sockets look up at their first connection: imported here, under the lock that forks wait for.
import encodings.idna  # noqa: F401
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.utils import get_environ_proxies  # type: ignore[import-untyped, unused-ignore]

from ..interruption import raised_by_handler
from .boto_types import Client, Session
from .regions import is_loopback
from .settings import PARTING, TimeOuts

SERVICE = "license-manager"
_CONNECTIONS = 96  # one for each thread of the runtime's three lanes


def new_session() -> Session:
    """Make a session of our own: the default one is shared with the application, and not safe under threads."""
    return cast(Session, boto3.Session())


def new_client(
    session: Session, region: str, endpoint_url: str | None, waits: TimeOuts, *, at_home: bool = False
) -> Client:
    """Make a client that makes one attempt a call, within these time-outs.

    The first client of a session looks for credentials. No proxy is used to reach this machine itself, whatever
    ``HTTP_PROXY`` says: a proxy cannot reach it, and must not see what is meant for an emulator.

    :param at_home: use the Region's own host, whatever variables and profiles say.
    """

    def make(proxies: dict[str, str] | None = None) -> Client:
        config = _config(waits, proxies, at_home=at_home)
        return session.client(SERVICE, region_name=region, endpoint_url=endpoint_url, config=config)

    client = make()
    url = client.meta.endpoint_url  # which a variable or a profile may have set
    if is_loopback(urlsplit(url).hostname or "") and get_environ_proxies(url):
        return make(proxies={})
    return client


def _config(waits: TimeOuts, proxies: dict[str, str] | None, *, at_home: bool) -> Config:
    options: dict[str, Any] = {"ignore_configured_endpoint_urls": True} if at_home else {}  # unknown to the stubs
    return Config(
        # The runtime tries again, in its own budget and knowing what it risks; botocore would multiply that.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=waits.connect,
        read_timeout=waits.read,
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        user_agent_extra=f"meterguard/{_version()}",
        proxies=proxies,
        **options,
    )


def is_known(session: Session, region: str) -> bool:
    """Return True when boto3 knows of License Manager in this Region."""
    return region in _siblings(session, region)


def is_sibling(session: Session, region: str, other: str) -> bool:
    """Return True when License Manager runs in both Regions, and they are of one partition."""
    siblings = _siblings(session, region)
    return region != other and region in siblings and other in siblings


def _siblings(session: Session, region: str) -> list[str]:
    try:
        partition = session.get_partition_for_region(region)
    except Exception as exc:  # whatever it raises, the Region is not one it knows
        if raised_by_handler(exc) is not None:
            raise
        return []
    return list(session.get_available_regions(SERVICE, partition_name=partition))


def is_at_home(session: Session, client: Client) -> bool:
    """Return True for a client that talks to its Region's own host, and to no endpoint set by variable or profile."""
    home = new_client(session, client.meta.region_name, None, PARTING, at_home=True)
    return bool(client.meta.endpoint_url == home.meta.endpoint_url)


def _version() -> str:
    try:
        return version("meterguard")
    except PackageNotFoundError:  # run from a source tree
        return "0"
