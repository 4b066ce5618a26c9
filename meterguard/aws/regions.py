"""Region names, from the environment and from redirects."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

from .metadata import error_code, header, mapping

_REGION = re.compile(r"[a-z]{2,5}(-[a-z]{2,12}){1,3}-\d{1,2}", re.ASCII)
_LONGEST = 2048

REDIRECT = "RedirectException"


def from_environment() -> str | None:
    """Return ``AWS_REGION``, which Lambda, ECS and the other SDKs set, and which boto3 alone does not read."""
    return os.environ.get("AWS_REGION", "").strip() or None


def is_redirect(answer: object) -> bool:
    """Return True when an error answer sends us to another Region."""
    return error_code(answer) == REDIRECT


def named_by(answer: object) -> str | None:
    """Return the Region that a redirect names, in the body or in the header."""
    return region_in(mapping(answer).get("Location")) or region_in(header(answer, "location"))


def region_in(location: object) -> str | None:
    """Return the Region in a Region's name, host name or URL; None where there is not exactly one."""
    if not isinstance(location, str) or len(location) > _LONGEST:
        return None
    try:
        host = urlsplit(location).hostname if "://" in location else location.partition("/")[0]
    except ValueError:
        return None
    found = {label for label in re.split(r"[.:]", (host or "").strip().lower()) if _REGION.fullmatch(label)}
    return found.pop() if len(found) == 1 else None


def is_loopback(host: str) -> bool:
    """Return True when a host name stands for this machine itself; nothing is looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
