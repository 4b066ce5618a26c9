"""Reasons for an answer, and policies for when there is none."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The reason why a call was allowed or not."""

    CHECKED_OUT = "checked_out"
    CACHED = "cached"
    BORROWED = "borrowed"
    GRACE = "grace"
    ALLOWED_UNKNOWN = "allowed_unknown"
    NOT_ENTITLED = "not_entitled"
    COVERS_LESS = "covers_less"
    USED_UP = "used_up"
    NO_LICENSE = "no_license"
    REFUSED = "refused"
    UNTRUSTED = "untrusted"
    UNAVAILABLE = "unavailable"
    DISABLED = "disabled"

    @property
    def openfeature(self) -> str:
        """The reason of OpenFeature that stands for it, for flag systems."""
        return _OPENFEATURE.get(self, "STATIC")


_OPENFEATURE = {
    Reason.CACHED: "CACHED",
    Reason.GRACE: "STALE",
    Reason.ALLOWED_UNKNOWN: "DEFAULT",
    Reason.DISABLED: "DISABLED",
    Reason.REFUSED: "ERROR",
    Reason.UNTRUSTED: "ERROR",
    Reason.UNAVAILABLE: "ERROR",
}


class OnUnknown(StrEnum):
    """The policy for an unknown: the service could not be asked."""

    GRACE = "grace"
    DENY = "deny"
    ALLOW = "allow"
