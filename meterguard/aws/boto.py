"""boto3 itself. Import this module on first use only, holding ``clients.boto_import_lock``."""

from __future__ import annotations

# The codec that sockets look up at their first connection: imported here, under the lock that forks wait for.
import encodings.idna  # noqa: F401
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.utils import get_environ_proxies  # type: ignore[import-untyped, unused-ignore]

from .regions import is_loopback

SERVICE = "license-manager"
_CONNECTIONS = 96  # one for each thread of the runtime's three lanes


def new_session() -> Any:
    """Make a session of our own: the default one is shared with the application, and not safe under threads."""
    return boto3.Session()


def new_client(session: Any, region: str, endpoint_url: str | None, connect: float, read: float, **options: Any) -> Any:
    """Make a client that makes one attempt a call, within these time-outs in seconds.

    The first client of a session looks for credentials. No proxy is used to reach this machine itself, whatever
    ``HTTP_PROXY`` says: a proxy cannot reach it, and must not see what is meant for an emulator.
    """

    def make(**more: Any) -> Any:
        config = Config(
            # The runtime tries again, in its own budget and knowing what it risks; botocore would multiply that.
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=connect,
            read_timeout=read,
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
            user_agent_extra=f"meterguard/{_version()}",
            **options,
            **more,
        )
        return session.client(SERVICE, region_name=region, endpoint_url=endpoint_url, config=config)

    client = make()
    url = client.meta.endpoint_url  # which a variable or a profile may have set
    if is_loopback(urlsplit(url).hostname or "") and get_environ_proxies(url):
        return make(proxies={})
    return client


def is_known(session: Any, region: str) -> bool:
    """True when boto3 knows of License Manager in this Region."""
    return region in _siblings(session, region)


def is_sibling(session: Any, region: str, other: str) -> bool:
    """True when License Manager runs in both Regions, and they are of one partition."""
    siblings = _siblings(session, region)
    return region != other and region in siblings and other in siblings


def _siblings(session: Any, region: str) -> list[str]:
    try:
        partition = session.get_partition_for_region(region)
    except Exception:  # noqa: BLE001 - whatever it raises, the Region is not one it knows
        return []
    return list(session.get_available_regions(SERVICE, partition_name=partition))


def is_at_home(session: Any, client: Any) -> bool:
    """True for a client that talks to its Region's own host, and to no endpoint set by variable or profile."""
    home = new_client(session, client.meta.region_name, None, 1.0, 1.0, ignore_configured_endpoint_urls=True)
    return bool(client.meta.endpoint_url == home.meta.endpoint_url)


def _version() -> str:
    try:
        return version("meterguard")
    except PackageNotFoundError:  # run from a source tree
        return "0"
