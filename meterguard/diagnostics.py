"""Findings about a set-up, as frozen records. Nothing here takes a unit or shows a secret."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from .config import Settings, variable
from .errors import ConfigurationError, EntitlementUnavailable
from .gating.registration import is_bypassed
from .guard import MeterGuard
from .ports import FaultKind, Ledger, LedgerFault, LicenseCount, LicenseService, ServiceFault, Usage
from .rows import Row, SharedStore, StoreFault

NEW_TOKEN = "ask the vendor for a new refresh token"  # noqa: S105 - advice
MEMORY = "memory://"
CLOCKS_DIFFER = 2.0  # seconds from which on the clocks of a store and of its hosts are wrong


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    result: Literal["ok", "failed", "unknown", "skipped"]
    """``"unknown"``: this process is not allowed to find out. Gates need fewer IAM actions than checks."""
    detail: str
    fix: str | None = None
    """What to do; None where nothing has to be done, or the detail says it."""


def examine(guard: MeterGuard, *, offline: bool = False, usage: bool = False) -> Iterator[Finding]:
    """Check settings, client, licence, ledger and store. Makes no file, and begins nothing in the background.

    :param offline: ask AWS nothing; the licence is then not checked.
    :param usage: also ask how many units are in use.
    """
    try:
        settings = guard.settings
    except ConfigurationError as problem:
        yield Finding("settings", "failed", str(problem))
        return
    from . import assembly

    service = assembly.license_service(settings)
    yield Finding("settings", "ok", "the product and its issuer are named")
    yield _options(settings)
    yield _trust(settings)
    try:
        service.connect()
    except (ConfigurationError, ServiceFault) as problem:
        yield Finding("connection", "failed", str(problem))
        return
    yield Finding("connection", "ok", f"a client was made: {service!r}")
    for one in service.origins():
        yield Finding(one.fact, "ok", f"{one.value}; this comes from {one.source}")
    yield from _token(settings)
    if offline:
        yield Finding("licence", "skipped", "nothing was asked of AWS")
    else:
        yield _licence(service, settings)
    yield from _ledger(guard, settings)
    yield from _store(settings)
    if usage:
        yield _usage(service)


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


def _options(settings: Settings) -> Finding:
    said = [f"{name} from {origin}" for name, origin in settings.origins.items() if origin != "default"]
    others = [name for name, origin in settings.origins.items() if origin == "default"]
    return Finding("options", "ok", f"{', '.join(said)}; by default: {', '.join(others)}")


def _trust(settings: Settings) -> Finding:
    keys = settings.trusted_keys
    signed = f"signed answers are verified with {len(keys)} trusted keys" if keys else "answers are not verified"
    if not settings.trust_env:
        return Finding("trust", "ok", f"the environment names no server, proxy or certificates; {signed}")
    if keys:
        return Finding("trust", "ok", f"the environment may name the server that is asked; {signed}")
    return Finding(
        "trust",
        "ok",
        "whoever sets the environment of this process decides which server is asked",
        "where that is not you, pass trusted_keys= or trust_env=False in the program",
    )


def _service(settings: Settings) -> LicenseService:
    # not the engine's: an engine gives back what dead processes left, from its beginning
    from . import assembly

    return assembly.license_service(settings)


def _token(settings: Settings) -> Iterator[Finding]:
    from . import assembly

    token = assembly.refresh_token(settings)
    if token is None:
        return
    yield _end(token.ends)
    if token.is_open_to_others:
        yield Finding(
            "token-file",
            "failed",
            f"other users of this machine can read {token.place}: whoever has the refresh token can use the licence",
            "take the rights of others away (chmod 600; on Kubernetes defaultMode: 0400)",
        )


def _end(ends: Callable[[], datetime | None]) -> Finding:
    try:
        end = ends()
    except ServiceFault as problem:
        return Finding("refresh-token", "failed", str(problem))
    if end is None:
        return Finding("refresh-token", "ok", "it does not say when it ends")
    if end.timestamp() <= time.time():
        return Finding("refresh-token", "failed", f"it ended on {end:%Y-%m-%d %H:%M} UTC", NEW_TOKEN)
    return Finding("refresh-token", "ok", f"it ends on {end:%Y-%m-%d %H:%M} UTC")


def _ledger(guard: MeterGuard, settings: Settings) -> Iterator[Finding]:
    from . import assembly

    try:
        ledger = guard.ledger_in_use or assembly.ledger(settings.ledger)
    except ConfigurationError as problem:
        yield Finding("ledger", "failed", str(problem))
        return
    advice = f" ({_named(settings, 'ledger')}=sqlite:///... or redis://...)" if settings.ledger == MEMORY else ""
    yield _books(ledger, advice)
    if ledger is not guard.ledger_in_use:
        ledger.close()
    if settings.overdraft:
        told = ", ".join(f"{units} of {name}" for name, units in sorted(settings.overdraft.items()))
        whose = "all processes of the ledger together" if ledger.is_shared else "each process"
        yield Finding("overdraft", "ok", f"while the service cannot be asked {whose} may use on credit {told}")


def _books(ledger: Ledger, advice: str) -> Finding:
    try:
        return Finding("ledger", "ok", ledger.describe() + advice)
    except ConfigurationError as problem:
        return Finding("ledger", "failed", str(problem))
    except LedgerFault as problem:
        return Finding("ledger", "failed", f"it cannot be had now: {problem}")


def _store(settings: Settings) -> Iterator[Finding]:
    from . import assembly

    try:
        store = assembly.shared_store(settings.store, trust_env=settings.trust_env)
    except ConfigurationError as problem:
        yield Finding("store", "failed", str(problem))
        return
    if store is None:
        yield Finding(
            "store",
            "ok",
            "leases are in the memory of this process: each process takes a seat of its own, unless they are given a "
            f"store to share ({_named(settings, 'store')}=sqlite:///... or redis://...)",
        )
        return
    try:
        yield from _shared(store, assembly.file_to_make(settings.store))
        if store.is_fleet or settings.store_key is not None:
            yield _sealing(settings)
    finally:
        if store is not settings.store:
            store.close()


def _shared(store: SharedStore, to_make: Path | None) -> Iterator[Finding]:
    try:
        told, skew = _tried(store, to_make)
        yield Finding("store", "ok", told)
    except ConfigurationError as problem:
        yield Finding("store", "failed", str(problem))
    except StoreFault as problem:
        yield Finding("store", "failed", f"it cannot be read and written now: {problem}")
    else:
        if skew is not None:
            yield _clock(skew)


def _tried(store: SharedStore, to_make: Path | None) -> tuple[str, float | None]:
    """Return what a store is, and how far its clock is ahead. Raises where it cannot be written.

    The clock of a file that is still to be made is None.
    """
    told = store.describe()
    if to_make is None:
        return f"{told}; it can be written", _skew(store)
    if not os.access(to_make.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(f"the file {to_make} cannot be made: this user may not write its directory")
    return told, None


def _skew(store: SharedStore) -> float:
    """Write a row and take it away. Returns the seconds by which the store's clock surely is ahead; below 0: behind."""
    place, row = f"doctor/{uuid4().hex}", Row(uuid4().hex[:16], "{}")
    store.replace(place, "", row, 60)
    begin = time.time()
    now = store.replace(place, row.version, None, 0).seen.now
    return max(now - time.time(), 0.0) or min(now - begin, 0.0)


def _clock(skew: float) -> Finding:
    if abs(skew) <= CLOCKS_DIFFER:
        return Finding("clock", "ok", "the clock of the store and the one of this host agree")
    side = "ahead of" if skew > 0 else "behind"
    return Finding(
        "clock",
        "failed",
        f"the clock of the store is {abs(skew):.0f} s {side} the one of this host",
        "let a time server (NTP) set both",
    )


def _sealing(settings: Settings) -> Finding:
    name, key = variable("store_key"), settings.store_key
    if key is None:
        reason = f"{name} is not set" if settings.trust_env else f"{name} is not followed (trust_env=False)"
        return Finding("sealing", "ok", f"{reason}: who may read the store can read the tokens in it")
    from . import assembly

    try:
        assembly.seal(key)
    except ConfigurationError as problem:
        return Finding("sealing", "failed", str(problem))
    return Finding("sealing", "ok", f"{name} is set")


def _named(settings: Settings, option: str) -> str:
    """Return the name by which an option can be set: that of its variable, unless none is followed."""
    return variable(option) if settings.trust_env else option


def _licence(service: LicenseService, settings: Settings) -> Finding:
    try:
        count = service.licenses()
    except (ConfigurationError, ServiceFault) as problem:
        return _not_found_out("licence", problem)
    return _judged(count, settings)


def _judged(count: LicenseCount, settings: Settings) -> Finding:
    if count.usable:
        return Finding("licence", "ok", f"this account has {_licences(count.usable)} of the product and its issuer")
    if count.of_product:
        return Finding(
            "licence",
            "failed",
            f"this account has {_licences(count.of_product)} of the product, none of it available from this issuer",
            f"check key_fingerprint ({_source(settings, 'key_fingerprint')}), and that the licence is active",
        )
    return Finding(
        "licence",
        "failed",
        "this account has no licence of the product in this Region",
        f"check product_sku ({_source(settings, 'product_sku')}), the AWS account and the Region; a new grant has to "
        "be accepted and activated first",
    )


def _source(settings: Settings, option: str) -> str:
    origin = settings.origins[option]
    return f"which comes from {'an argument' if origin == 'argument' else origin}"


def _licences(number: int) -> str:
    return "a licence" if number == 1 else f"{number} licences"


def _usage(service: LicenseService) -> Finding:
    try:
        usages = service.usage(None)
    except (ConfigurationError, ServiceFault) as problem:
        return _not_found_out("usage", problem)
    return Finding("usage", "ok", "; ".join(map(_shown, usages)) or "nothing in the licence is counted")


def _not_found_out(check: str, problem: ConfigurationError | ServiceFault) -> Finding:
    action = getattr(problem, "action", None)
    if isinstance(problem, ServiceFault) and problem.kind is FaultKind.UNKNOWN:
        return Finding(check, "failed", f"License Manager could not be asked: {problem}")
    if action is None:
        return Finding(check, "failed", str(problem))
    return Finding(check, "unknown", f"{problem}; gates do not need it", f"allow {action}, or pass --offline")


def _shown(usage: Usage) -> str:
    most = "" if usage.maximum is None else f" of {usage.maximum}"
    return f"{usage.name}: {usage.consumed}{most} {usage.unit.value} in use"
