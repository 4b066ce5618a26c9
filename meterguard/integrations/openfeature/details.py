"""Details of evaluations: a decision as OpenFeature wants to be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagType

from ...decision import Decision
from ...model import Entitlement
from ...reasons import Reason

V = TypeVar("V")

ERRORS = {
    Reason.REFUSED: ErrorCode.PROVIDER_FATAL,
    Reason.UNTRUSTED: ErrorCode.PARSE_ERROR,
    Reason.UNAVAILABLE: ErrorCode.GENERAL,
}
"""The reasons that are errors to OpenFeature, and no denials."""

_VARIANTS = {Reason.GRACE: "grace", Reason.ALLOWED_UNKNOWN: "allowed"}
_NOTHING: dict[FlagType, Any] = {FlagType.BOOLEAN: False, FlagType.INTEGER: 0, FlagType.STRING: ""}


def details(kind: FlagType, one: Entitlement, decision: Decision, default: V) -> FlagResolutionDetails[V]:
    """Return the value of a flag of this kind, when a guard has decided so about its entitlement."""
    metadata = _metadata(decision)
    if decision.reason in ERRORS:
        return error(default, ERRORS[decision.reason], decision.detail, metadata)
    if not decision.allowed:
        value, variant = _NOTHING[kind], "denied"
    else:
        value, variant = _value(kind, one, decision), _VARIANTS.get(decision.reason, "granted")
        if value is None:
            return error(default, *mismatch(kind, one), metadata)
    return FlagResolutionDetails(value, reason=decision.reason.openfeature, variant=variant, flag_metadata=metadata)


def error(
    default: V, code: ErrorCode, message: str, metadata: Mapping[str, bool | int | float | str] | None = None
) -> FlagResolutionDetails[V]:
    """Return the default, and why it is that."""
    return FlagResolutionDetails(default, code, message, "ERROR", flag_metadata=metadata or {})


def mismatch(kind: FlagType, one: Entitlement) -> tuple[ErrorCode, str]:
    """Return why an entitlement has no value of this kind."""
    is_ = "counts units: ask for a boolean or an integer" if one.is_counted else "is a feature: ask for a boolean"
    if kind is FlagType.STRING and not one.is_counted:
        is_ = "carries no text in this licence: ask for a boolean"
    return ErrorCode.TYPE_MISMATCH, f"{one.name!r} {is_}, not for {kind.value.lower()}"


def _value(kind: FlagType, one: Entitlement, decision: Decision) -> Any:
    if kind is FlagType.INTEGER:
        return one.value
    if kind is FlagType.STRING:
        texts = {} if decision.lease is None else decision.lease.texts
        return texts.get(one.name, one.value)
    return True


def _metadata(decision: Decision) -> dict[str, bool | int | float | str]:
    """Return scalars without a secret."""
    told: dict[str, bool | int | float | str] = {"meterguardReason": decision.reason.value}
    lease = decision.lease
    if lease is not None and lease.is_live and lease.expires_at is not None:
        told |= {"expiresAt": lease.expires_at.isoformat(), "remaining": int(lease.expires_in)}
    elif decision.is_fallback and decision.allowed:
        told["age"] = int(decision.age)
    return told
