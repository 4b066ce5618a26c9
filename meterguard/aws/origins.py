"""Origins of what a client follows: which server is asked, through which proxy, and whose certificates count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from urllib.parse import urlsplit

from ..ports import Origin
from .boto_types import Client
from .settings import Settings

FILES = "AWS's config or credentials file"


def origins(settings: Settings, client: Client, boto: ModuleType, *, at_home: bool, is_lent: bool) -> Iterator[Origin]:
    """Say where what a client follows comes from.

    :param boto: the module ``boto``, which is imported late.
    :param at_home: True where the client talks to its Region's own host.
    :param is_lent: True where a refresh token gives the credentials.
    """
    url = client.meta.endpoint_url
    if settings.client is not None:
        yield Origin("endpoint", _host(url), "the client that the program made, as do proxy and certificates")
        return
    yield Origin("region", client.meta.region_name, _region(settings))
    yield Origin("endpoint", _host(url), _endpoint(settings, at_home=at_home))
    if settings.token is not None and is_lent:
        yield Origin("credentials", "made of a refresh token", settings.token.token.place)
    elif settings.token is not None:
        yield Origin("credentials", "those that boto3 finds, so the refresh token is idle", "AWS's own settings")
    if not settings.trust_env:
        for fact, value in (("proxy", "none"), ("certificates", "those of boto3"), ("models", "those of boto3")):
            yield Origin(fact, value, "trust_env=False")
        return
    profile = getattr(settings.session, "profile_name", None)
    profile = None if profile == "default" else profile
    yield _proxy(url, boto.proxy_for(url))
    yield _certificates(boto.configured(profile, "ca_bundle"))
    yield _models(boto.models(boto.configured(profile, "data_path"), settings.service.name))


def _region(settings: Settings) -> str:
    if settings.region_name is not None:
        return "argument"
    if getattr(settings.session, "region_name", None) is not None:
        return "the session that the program made"
    return _variable("AWS_REGION", "AWS_DEFAULT_REGION") or FILES


def _endpoint(settings: Settings, *, at_home: bool) -> str:
    if settings.endpoint_url is not None:
        return "argument"
    if at_home:
        return "default"
    return _variable(settings.service.variable, "AWS_ENDPOINT_URL") or FILES


def _proxy(url: str, proxy: str | None) -> Origin:
    if proxy is None:
        return Origin("proxy", "none", "default")
    name = f"{urlsplit(url).scheme}_proxy"
    return Origin("proxy", _host(proxy), _variable(name, name.upper()) or "the settings of this system")


def _certificates(ca_bundle: str | None) -> Origin:
    if ca_bundle is not None:
        return Origin("certificates", ca_bundle, _variable("AWS_CA_BUNDLE") or FILES)
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE"):
        return Origin("certificates", bundle, "REQUESTS_CA_BUNDLE")
    return Origin("certificates", "those of boto3", "default")


def _models(found: list[str]) -> Origin:
    if not found:
        return Origin("models", "those of boto3", "default")
    return Origin("models", ", ".join(found), _variable("AWS_DATA_PATH") or "the home directory, or AWS's config file")


def _variable(*names: str) -> str | None:
    return next((name for name in names if os.environ.get(name, "").strip()), None)


def _host(url: str) -> str:
    """Return the host and the port of a URL, and nothing else: it may hold a password."""
    return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2]
