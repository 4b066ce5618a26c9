"""Environment variables by which clients reach this machine without a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ("unproxied",)

_HOSTS: Final = ("127.0.0.1", "localhost", "::1")


def unproxied(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``NO_PROXY`` in both spellings: what is in force, and this machine besides."""
    upper, lower = environment.get("NO_PROXY", ""), environment.get("no_proxy")
    in_force = upper if lower is None else lower
    hosts = [host for host in map(str.strip, in_force.split(",")) if host]
    value = "*" if hosts == ["*"] else ",".join(dict.fromkeys((*hosts, *_HOSTS)))
    return {"NO_PROXY": value, "no_proxy": value}
