"""An AWS License Manager licence in front of Python code."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .consumption import consumes_entitlement, meters_usage
    from .decision import Decision
    from .default import (
        adecide,
        ahas_entitlement,
        configure,
        decide,
        get_guard,
        has_entitlement,
        protect,
        requires_entitlement,
    )
    from .errors import (
        AuthorizationRefused,
        ConfigurationError,
        EntitlementDenied,
        EntitlementUnavailable,
        MeterGuardError,
        MissingExtra,
        UntrustedLease,
    )
    from .gating.charge import Charge, Charges
    from .gating.draw import Draw, JoinedDraw, Meter
    from .gating.gate import Gate
    from .gating.protection import Protection
    from .guard import MeterGuard
    from .lease import Lease
    from .model import Entitlement
    from .reasons import Reason
    from .units import Unit
    from .usage import Balance, UsageRecord

__version__ = "0.1.0"
__all__ = [
    "AuthorizationRefused",
    "Balance",
    "Charge",
    "Charges",
    "ConfigurationError",
    "Decision",
    "Draw",
    "Entitlement",
    "EntitlementDenied",
    "EntitlementUnavailable",
    "Gate",
    "JoinedDraw",
    "Lease",
    "Meter",
    "MeterGuard",
    "MeterGuardError",
    "MissingExtra",
    "Protection",
    "Reason",
    "Unit",
    "UntrustedLease",
    "UsageRecord",
    "adecide",
    "ahas_entitlement",
    "configure",
    "consumes_entitlement",
    "decide",
    "get_guard",
    "has_entitlement",
    "meters_usage",
    "protect",
    "requires_entitlement",
]

# Nothing is imported before it is asked for: the pytest plugin is part of this package, and pytest imports it
# wherever meterguard is installed.
_HOMES = {
    "consumption": ("consumes_entitlement", "meters_usage"),
    "decision": ("Decision",),
    "default": (
        "adecide",
        "ahas_entitlement",
        "configure",
        "decide",
        "get_guard",
        "has_entitlement",
        "protect",
        "requires_entitlement",
    ),
    "errors": (
        "AuthorizationRefused",
        "ConfigurationError",
        "EntitlementDenied",
        "EntitlementUnavailable",
        "MeterGuardError",
        "MissingExtra",
        "UntrustedLease",
    ),
    "gating.charge": ("Charge", "Charges"),
    "gating.draw": ("Draw", "JoinedDraw", "Meter"),
    "gating.gate": ("Gate",),
    "gating.protection": ("Protection",),
    "guard": ("MeterGuard",),
    "lease": ("Lease",),
    "model": ("Entitlement",),
    "reasons": ("Reason",),
    "units": ("Unit",),
    "usage": ("Balance", "UsageRecord"),
}
_LATER = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'meterguard' has no attribute {name!r}")
    value = getattr(import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER} - {"TYPE_CHECKING", "Any", "import_module"})
