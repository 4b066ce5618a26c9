"""Findings about a set-up, as frozen records. Nothing here takes a unit or shows a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from .errors import ConfigurationError, EntitlementUnavailable
from .gating.registration import is_bypassed
from .guard import MeterGuard
from .ports import FaultKind, LedgerFault, LicenseCount, LicenseService, ServiceFault, Usage


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
    """Check settings, client, licence and ledger.

    :param offline: ask AWS nothing; the licence is then not checked.
    :param usage: also ask how many units are in use.
    """
    try:
        service = guard.engine.registry.exchange.service
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
    if offline:
        yield Finding("licence", "skipped", "nothing was asked of AWS")
    else:
        yield _licence(service)
    yield from _ledger(guard)
    if usage:
        yield _usage(service)


def licensed(guard: MeterGuard) -> tuple[Usage, ...]:
    """Return what License Manager says is in use of the guard's licence. Takes no unit.

    :raises ConfigurationError: the set-up is incomplete or wrong.
    :raises EntitlementUnavailable: License Manager did not tell.
    """
    service = guard.engine.registry.exchange.service
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


def _ledger(guard: MeterGuard) -> Iterator[Finding]:
    till = guard.till
    ledger = till.teller.ledger
    try:
        told = ledger.describe()
    except ConfigurationError as problem:
        yield Finding("ledger", "failed", str(problem))
    except LedgerFault as problem:
        yield Finding("ledger", "failed", f"it cannot be had now: {problem}")
    else:
        yield Finding("ledger", "ok", told)
    if till.draws.limits.overdraft:
        told = ", ".join(f"{units} of {name}" for name, units in sorted(till.draws.limits.overdraft.items()))
        whose = "all processes of the ledger together" if ledger.is_shared else "each process"
        yield Finding("overdraft", "ok", f"while the service cannot be asked {whose} may use on credit {told}")


def _licence(service: LicenseService) -> Finding:
    try:
        count = service.licenses()
    except (ConfigurationError, ServiceFault) as problem:
        return _not_found_out("licence", problem)
    return _judged(count)


def _judged(count: LicenseCount) -> Finding:
    if count.usable:
        return Finding("licence", "ok", f"this account has {_licences(count.usable)} of the product and its issuer")
    if count.of_product:
        return Finding(
            "licence",
            "failed",
            f"this account has {_licences(count.of_product)} of the product, none of it available from this issuer",
            "check key_fingerprint (METERGUARD_KEY_FINGERPRINT), and that the licence is active",
        )
    return Finding(
        "licence",
        "failed",
        "this account has no licence of the product in this Region",
        "check product_sku (METERGUARD_PRODUCT_SKU), the AWS account and the Region; a new grant has to be accepted "
        "and activated first",
    )


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
