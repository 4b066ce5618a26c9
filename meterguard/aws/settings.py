"""The user's settings of the connection, checked; everything else is boto3's own configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..ports import Moment
from .boto_types import Client, Session
from .refresh_token import RefreshToken
from .services import LICENSE_MANAGER, Service


class TimeOuts(NamedTuple):
    """Seconds to wait for a connection, and for each part of an answer."""

    connect: float
    read: float


PARTING = TimeOuts(0.4, 0.6)
"""For a process that is leaving: all of its leases have to fit into two seconds."""


def time_outs(budget: float) -> TimeOuts:
    """Return the part of a call's budget, in seconds, that one attempt may take.

    A lost answer costs the read time-out, so after one there is time left for a second attempt; and a host
    that does not answer at all is tried three times.
    """
    return TimeOuts(min(3.0, budget * 0.3), min(5.0, budget * 0.45))


class TokenSettings(NamedTuple):
    """A refresh token to make credentials of, and the clocks by which they end."""

    token: RefreshToken
    now: Callable[[], Moment]


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's settings of the connection. A URL may hold a password, so the repr shows none."""

    timeout: float
    region_name: str | None = None
    endpoint_url: str | None = field(default=None, repr=False)
    session: Session | None = field(default=None, repr=False)
    client: Client | None = field(default=None, repr=False)
    loopback_only: bool = False
    trust_env: bool = True
    token: TokenSettings | None = None
    service: Service = LICENSE_MANAGER


REACH = ("region_name", "endpoint_url", "session", "client", "loopback_only", "trust_env")
"""The fields that say how any service is reached."""


def check(settings: Settings) -> None:
    """Raise ConfigurationError, which names the argument, for a setting that no client can be made with."""
    region: object = settings.region_name
    if region is not None and not (isinstance(region, str) and region.strip()):
        raise ConfigurationError("region_name must be the name of an AWS Region, such as 'us-east-1'")
    if settings.session is not None and not _is_session(settings.session, lends=not settings.trust_env):
        raise ConfigurationError(f"session must be a boto3.Session; got a {type(settings.session).__name__}")
    if settings.endpoint_url is not None and not _is_endpoint(settings.endpoint_url):
        raise ConfigurationError("endpoint_url must be a URL such as https://host:port")


def _is_session(session: object, *, lends: bool) -> bool:
    needed = ("client", "get_credentials") if lends else ("client",)
    return all(callable(getattr(session, name, None)) for name in needed)


def _is_endpoint(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
