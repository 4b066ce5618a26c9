"""The licence, and what is in use of it, as AWS tells."""

from __future__ import annotations

from ..config import Settings
from ..errors import ConfigurationError
from ..ports import FaultKind, LicenseCount, LicenseService, ServiceFault, Usage
from .findings import Finding


def licence(service: LicenseService, settings: Settings) -> Finding:
    """Check that this account has a licence of the product, by the issuer that is named; or the customer a contract."""
    try:
        count = service.licenses()
    except (ConfigurationError, ServiceFault) as problem:
        return _not_found_out("licence", problem)
    return _judged(count, settings) if settings.customer is None else _contract(count, settings)


def _contract(count: LicenseCount, settings: Settings) -> Finding:
    if count.usable:
        return Finding("licence", "ok", f"AWS Marketplace has {count.usable} dimensions in the customer's contract")
    return Finding(
        "licence",
        "failed",
        "AWS Marketplace has no contract of this customer for the product, or it has ended",
        f"check customer, and product_sku ({_source(settings, 'product_sku')}), which is the product code",
    )


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


def usage(service: LicenseService) -> Finding:
    """Tell how many units are in use."""
    try:
        usages = service.usage(None)
    except (ConfigurationError, ServiceFault) as problem:
        return _not_found_out("usage", problem)
    return Finding("usage", "ok", "; ".join(map(_shown, usages)) or "nothing in the licence is counted")


def _not_found_out(check: str, problem: ConfigurationError | ServiceFault) -> Finding:
    action = getattr(problem, "action", None)
    if isinstance(problem, ServiceFault) and problem.kind is FaultKind.UNKNOWN:
        return Finding(check, "failed", f"{problem.service} could not be asked: {problem}")
    if action is None:
        return Finding(check, "failed", str(problem))
    return Finding(check, "unknown", f"{problem}; gates do not need it", f"allow {action}, or pass --offline")


def _shown(usage: Usage) -> str:
    most = "" if usage.maximum is None else f" of {usage.maximum}"
    return f"{usage.name}: {usage.consumed}{most} {usage.unit.value} in use"
