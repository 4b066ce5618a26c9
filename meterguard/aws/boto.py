"""boto3 itself. Import this module on first use only, holding ``clients.boto_import_lock``."""

from __future__ import annotations

# The codec that sockets look up at their first connection: imported here, under the lock that forks wait for.
import encodings.idna  # noqa: F401
import functools
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore import session as botocore_session  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.loaders import Loader  # type: ignore[import-untyped, unused-ignore]
from botocore.utils import get_environ_proxies  # type: ignore[import-untyped, unused-ignore]

from ..interruption import raised_by_handler
from .boto_types import Client, Session
from .regions import is_loopback
from .services import LICENSE_MANAGER
from .settings import PARTING, TimeOuts

SERVICE = LICENSE_MANAGER.name
_CONNECTIONS = 96  # one for each thread of the runtime's three lanes
# Variables of botocore that a closed session follows, too: where a profile is, and hosts of AWS for those who must
# use them. The name of the profile is the lender's.
_FOLLOWED = {"config_file", "credentials_file", "use_fips_endpoint", "use_dualstack_endpoint"}


def new_session() -> Session:
    """Make a session of our own: the default one is shared with the application, and not safe under threads."""
    return cast(Session, boto3.Session())


class ClosedSession(boto3.Session):  # type: ignore[misc, unused-ignore]
    """A session whose clients take credentials from another one, and nothing else from the environment.

    They follow no variable, no line of AWS's files and no model outside of botocore that says which host is asked, by
    which proxy, or whose certificates count. FIPS and dual-stack endpoints are AWS's own, and are followed.
    """

    def __init__(self, lender: Any, region: str | None) -> None:
        variables = botocore_session.Session.SESSION_VARIABLES.items()
        core = botocore_session.Session(
            {name: (None, None, default, cast) for name, (_, _, default, cast) in variables if name not in _FOLLOWED}
        )
        if lender.profile_name != "default":
            core.set_config_variable("profile", lender.profile_name)
        core.register_component("data_loader", Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False))
        core.register_component("credential_provider", _Lent(lender, region))
        super().__init__(botocore_session=core, region_name=region or lender.region_name)

    def client(self, *args: Any, **how: Any) -> Any:
        """Make a client."""
        how["config"] = how.pop("config", Config()).merge(Config(proxies={}, **_AT_HOME))
        how["verify"] = True  # the certificates that come with certifi or botocore
        return super().client(*args, **how)


_AT_HOME: dict[str, Any] = {"ignore_configured_endpoint_urls": True}  # unknown to the stubs


class _Lent:
    """A provider of the credentials that another session has."""

    def __init__(self, lender: Any, region: str | None) -> None:
        self._lender, self._region = lender, region

    def load_credentials(self) -> object:
        """Return the credentials, None where there are none."""
        if self._region is not None and self._lender.region_name is None:
            # a session asks STS, for roles, in the Region of its first client; this one is not used
            self._lender.client(SERVICE, region_name=self._region)
        return self._lender.get_credentials()


def closed_session(lender: Session | None, region: str | None) -> Session:
    """Make a session whose clients trust no environment, with the credentials of a lender or those that boto3 finds.

    :param region: None for the one that the lender or boto3 finds.
    """
    return cast(Session, ClosedSession(boto3.Session(region_name=region) if lender is None else lender, region))


def new_client(
    session: Session,
    region: str,
    endpoint_url: str | None,
    waits: TimeOuts,
    *,
    service: str = SERVICE,
    at_home: bool = False,
) -> Client:
    """Make a client that makes one attempt a call, within these time-outs.

    The first client of a session looks for credentials. No proxy is used to reach this machine itself, whatever
    ``HTTP_PROXY`` says: a proxy cannot reach it, and must not see what is meant for an emulator.

    :param at_home: use the Region's own host, whatever variables and profiles say.
    """

    def make(proxies: dict[str, str] | None = None) -> Client:
        config = _config(waits, proxies, at_home=at_home)
        client = session.client(service, region_name=region, endpoint_url=endpoint_url, config=config)
        if endpoint_url is not None:
            client.meta.events.register_first("before-call", functools.partial(_send_to, endpoint_url))
        return client

    client = make()
    url = client.meta.endpoint_url  # which a variable or a profile may have set
    if is_loopback(urlsplit(url).hostname or "") and get_environ_proxies(url):
        return make(proxies={})
    return client


def _config(waits: TimeOuts, proxies: dict[str, str] | None, *, at_home: bool) -> Config:
    return Config(
        # The runtime tries again, in its own budget and knowing what it risks; botocore would multiply that.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=waits.connect,
        read_timeout=waits.read,
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        user_agent_extra=f"meterguard/{_version()}",
        proxies=proxies,
        **_AT_HOME if at_home else {},
    )


def _send_to(endpoint_url: str, params: dict[str, Any], **_: object) -> None:
    """Send a request to this host. Rules for endpoints in a directory of models may name another one."""
    endpoint, url = urlsplit(endpoint_url), urlsplit(params["url"])
    params["url"] = url._replace(scheme=endpoint.scheme, netloc=endpoint.netloc).geturl()


def proxy_for(url: str) -> str | None:
    """Return the proxy through which boto3 asks a URL, as the environment or the system has it."""
    proxy = get_environ_proxies(url).get(urlsplit(url).scheme)
    return None if proxy is None or is_loopback(urlsplit(url).hostname or "") else str(proxy)


def configured(profile: str | None, name: str) -> str | None:
    """Return a variable of botocore, such as ``ca_bundle``, from the environment or AWS's files."""
    value = botocore_session.Session(profile=profile).get_config_variable(name)
    return None if value is None else str(value)


def models(data_path: str | None, service: str) -> list[str]:
    """Return the directories, other than botocore's own, that have a model of a service or of endpoints."""
    paths = [*filter(None, (data_path or "").split(os.pathsep)), Loader.CUSTOMER_DATA_PATH]
    found = [Path(os.path.expandvars(path)).expanduser() for path in paths]
    names = (service, "endpoints.json", "endpoints.json.gz", "partitions.json", "partitions.json.gz")
    return [str(path) for path in found if any((path / name).exists() for name in names)]


def siblings(session: Session, region: str, service: str) -> list[str]:
    """Return the Regions of this one's partition in which boto3 knows of a service."""
    try:
        partition = session.get_partition_for_region(region)
    except Exception as exc:  # whatever it raises, the Region is not one it knows
        if raised_by_handler(exc) is not None:
            raise
        return []
    return list(session.get_available_regions(service, partition_name=partition))


def is_at_home(session: Session, client: Client, service: str) -> bool:
    """Return True for a client that talks to its Region's own host, and to no endpoint set by variable or profile."""
    home = new_client(session, client.meta.region_name, None, PARTING, service=service, at_home=True)
    return bool(client.meta.endpoint_url == home.meta.endpoint_url)


def _version() -> str:
    try:
        return version("meterguard")
    except PackageNotFoundError:  # run from a source tree
        return "0"
