"""Findings about a set-up.

* Nothing here takes a unit, makes a file or shows a secret.
* One file is about one part of a set-up: its functions return or yield a :class:`Finding` for each check.
* A finding that failed says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..config import Settings
from ..errors import ConfigurationError, EntitlementUnavailable
from ..gating.registration import is_bypassed
from ..guard import MeterGuard
from ..ports import LicenseService, ServiceFault, Usage
from . import borrowed, licence, storage, trust
from .findings import Finding
from .protections import protections

__all__ = ("Finding", "examine", "guards", "licensed", "protections")


def examine(guard: MeterGuard, *, offline: bool = False, usage: bool = False) -> Iterator[Finding]:
    """Check settings, client, licences, ledger and store. Makes no file, and begins nothing in the background.

    :param offline: ask AWS nothing; the licence is then not checked, but for a borrowed one.
    :param usage: also ask how many units are in use.
    """
    try:
        settings = guard.settings
    except ConfigurationError as problem:
        yield Finding("settings", "failed", str(problem))
        return
    from .. import assembly

    service = assembly.license_service(settings)
    named = "issuer" if settings.customer is None else "customer"
    yield Finding("settings", "ok", f"the product and its {named} are named")
    yield trust.options(settings)
    yield trust.trust(settings)
    yield from borrowed.borrowed(settings)
    try:
        service.connect()
    except (ConfigurationError, ServiceFault) as problem:
        yield Finding("connection", "failed", str(problem))
        return
    yield Finding("connection", "ok", f"a client was made: {service!r}")
    yield from trust.origins(service.origins())
    yield from trust.token(settings)
    if offline:
        yield Finding("licence", "skipped", "nothing was asked of AWS")
    else:
        yield licence.licence(service, settings)
    yield from storage.ledger(guard, settings)
    yield from storage.store(settings)
    if usage:
        yield licence.usage(service)


def licensed(guard: MeterGuard) -> tuple[Usage, ...]:
    """Return what License Manager says is in use of the guard's licence. Takes no unit.

    :raises ConfigurationError: the set-up is incomplete or wrong.
    :raises EntitlementUnavailable: License Manager did not tell.
    """
    service = _service(guard.settings)
    try:
        return service.usage(None)
    except ServiceFault as fault:
        fix = "" if fault.action is None else f"; allow {fault.action}"
        raise EntitlementUnavailable(f"License Manager did not tell what is in use: {fault}{fix}") from None


def guards(registered: Iterable[tuple[str, object]]) -> Finding:
    """Check that what an application has registered is run with the guards that stand around it."""
    routes = list(registered)
    bypassed = [name for name, function in routes if is_bypassed(function)]
    if not bypassed:
        return Finding("guards", "ok", f"{len(routes)} registered, and no guard stands above its registration")
    return Finding(
        "guards",
        "failed",
        f"registered without the guard that stands above the registration: {', '.join(bypassed)}",
        "put the guard, such as @requires_entitlement(...), below the decorator that registers",
    )


def _service(settings: Settings) -> LicenseService:
    # not the engine's: an engine gives back what dead processes left, from its beginning
    from .. import assembly

    return assembly.license_service(settings)
