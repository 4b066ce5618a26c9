"""An AWS License Manager licence in front of Python code."""

from .decision import Decision, Reason
from .declaring import requires_entitlement
from .errors import (
    AuthorizationRefused,
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    MeterGuardError,
    MissingExtra,
    UntrustedLease,
)
from .gates import Gate
from .guard import (
    MeterGuard,
    adecide,
    ahas_entitlement,
    configure,
    decide,
    get_guard,
    has_entitlement,
)
from .model import Entitlement, Lease
from .units import Unit

__version__ = "0.1.0"
__all__ = [
    "AuthorizationRefused",
    "ConfigurationError",
    "Decision",
    "Entitlement",
    "EntitlementDenied",
    "EntitlementUnavailable",
    "Gate",
    "Lease",
    "MeterGuard",
    "MeterGuardError",
    "MissingExtra",
    "Reason",
    "Unit",
    "UntrustedLease",
    "adecide",
    "ahas_entitlement",
    "configure",
    "decide",
    "get_guard",
    "has_entitlement",
    "requires_entitlement",
]
