"""An answer, and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .model import Lease


class Reason(StrEnum):
    """Why a call was allowed or not."""

    CHECKED_OUT = "checked_out"
    CACHED = "cached"
    GRACE = "grace"
    ALLOWED_UNKNOWN = "allowed_unknown"
    NOT_ENTITLED = "not_entitled"
    COVERS_LESS = "covers_less"
    NO_LICENSE = "no_license"
    REFUSED = "refused"
    UNTRUSTED = "untrusted"
    UNAVAILABLE = "unavailable"

    @property
    def openfeature(self) -> str:
        """The OpenFeature reason that it amounts to, for flag systems."""
        return _OPENFEATURE.get(self, "STATIC")


_OPENFEATURE = {
    Reason.CACHED: "CACHED",
    Reason.GRACE: "STALE",
    Reason.ALLOWED_UNKNOWN: "DEFAULT",
    Reason.REFUSED: "ERROR",
    Reason.UNTRUSTED: "ERROR",
    Reason.UNAVAILABLE: "ERROR",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call would be let through, and why."""

    allowed: bool
    """The answer."""
    reason: Reason
    """Why."""
    lease: Lease | None = None
    """The lease behind a yes; None for a no. After a probe of counted units it has been returned."""
    is_fallback: bool = False
    """True when the service could not be asked and the declared policy answered for it."""
    detail: str = ""
    """A sentence for people, without secrets."""
    age: float = 0.0
    """Seconds since the service last gave the answer that this one rests on."""

    def __bool__(self) -> bool:
        return self.allowed
