"""What can be found out about a set-up without taking a unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .errors import ConfigurationError
from .gating.registration import is_bypassed
from .guard import MeterGuard
from .ports import ServiceFault, Usage


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "failed", "skipped"]
    detail: str
    """What was found, without secrets; for what failed also what to do."""


def check(guard: MeterGuard, *, live: bool) -> Iterator[Finding]:
    """Settings, connection and, when ``live``, the licence as the service sees it. Takes no unit."""
    try:
        engine = guard.engine
        service = engine.fleet.requester.service
    except ConfigurationError as problem:
        yield Finding("settings", "failed", str(problem))
        return
    yield Finding("settings", "ok", "the product and its issuer are named")
    try:
        service.connect()
    except (ConfigurationError, ServiceFault) as problem:
        yield Finding("connection", "failed", str(problem))
        return
    yield Finding("connection", "ok", f"a client was made: {service!r}")
    if not live:
        yield Finding("licence", "skipped", "nothing was asked of AWS; --live asks what is in use, and takes no unit")
        return
    try:
        usages = service.usage(None)
    except (ConfigurationError, ServiceFault) as problem:
        yield Finding("licence", "failed", f"{problem}. This check needs {_ACTIONS}, which gates themselves do not.")
        return
    yield Finding("licence", "ok", "; ".join(map(_shown, usages)) or "nothing in it is counted")


def guards(registered: Iterable[tuple[str, Any]]) -> Finding:
    """Whether what an application has registered is run with the guards that stand around it."""
    routes = list(registered)
    bypassed = [name for name, function in routes if is_bypassed(function)]
    if not bypassed:
        return Finding("guards", "ok", f"{len(routes)} registered, and no guard stands above its registration")
    return Finding(
        "guards",
        "failed",
        f"registered without the guard that stands above the registration: {', '.join(bypassed)}; put "
        "@requires_entitlement(...) below the decorator that registers",
    )


_ACTIONS = "license-manager:GetLicenseUsage and license-manager:ListReceivedLicenses (or ListLicenses)"


def _shown(usage: Usage) -> str:
    most = "" if usage.maximum is None else f" of {usage.maximum}"
    return f"{usage.name}: {usage.consumed}{most} {usage.unit.value} in use"
