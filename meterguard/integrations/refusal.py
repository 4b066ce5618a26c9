"""A refusal: what a client is told instead of what it asked for, once for all frameworks.

Nothing here shows an ARN, a token, a fingerprint or the text of an exception: those are for the operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import EntitlementDenied, MeterGuardError
from ..model import Entitlement
from ..reasons import Reason

Slug = Literal["not-entitled", "entitlement-exhausted", "entitlement-unavailable", "internal-error"]

LONGEST_RETRY = 3600  # seconds

TEXTS: dict[Slug, tuple[str, str]] = {
    "not-entitled": (
        "Not included in the licence",
        "The licence does not include what you asked for. If you need it, ask the people who run this application.",
    ),
    "entitlement-exhausted": (
        "All licensed units are in use",
        "The licence includes what you asked for, but others are using all of it. Try again when one of them is done.",
    ),
    "entitlement-unavailable": (
        "The licence cannot be checked",
        "The licence could not be checked just now. Nothing is wrong with your request: try again in a while.",
    ),
    "internal-error": ("Internal Server Error", "The server is not set up correctly."),
}
"""A title and a detail for each kind of refusal."""

_USED_UP = (
    "Too few licensed units are left",
    "The licence includes what you asked for, but too few units are left. Ask the people who run this application.",
)

# A no that says nothing of the licence. Its type stays: a client can do no more about it than about any other no.
_NOT_OF_THE_LICENCE = {
    Reason.REFUSED: (
        "Not allowed to ask for the licence",
        "This application is not allowed to ask for its licence. Tell the people who run this application.",
    ),
    Reason.UNTRUSTED: (
        "The licence could not be verified",
        "The answer about the licence could not be verified. Tell the people who run this application.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The answer to a client whose request was refused. Change it with ``HttpOptions.customize``."""

    status: int
    slug: str
    """``not-entitled``, ``entitlement-exhausted``, ``entitlement-unavailable`` or ``internal-error``."""
    title: str
    detail: str
    """For the person who reads it."""
    type: str
    retry_after: int | None = None
    """Seconds, for ``Retry-After``."""
    entitlements: tuple[Entitlement, ...] = ()
    """The entitlements asked for; empty for a mistake in the set-up."""
    reason: str = ""
    ahead: int | None = None
    """How many calls were before it in the queue when ``wait=`` ran out, at most; None where it did not wait."""
    error: MeterGuardError
    """The exception that was raised. Not for clients: its text is the operator's."""

    def problem(self, instance: str) -> dict[str, object]:
        """Return the members of a problem document (RFC 9457) about the address ``instance``."""
        members: dict[str, object] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        wanted = [
            {"entitlement": one.name, "requested": one.value, "unit": one.unit.value} for one in self.entitlements
        ]
        if wanted:
            members |= wanted[0]
        if len(wanted) > 1:
            members["entitlements"] = wanted
        if self.reason:
            members["reason"] = self.reason
        if self.retry_after is not None:
            members["retry_after"] = self.retry_after
        if self.ahead is not None:
            members["ahead"] = self.ahead
        return members


def texts_of(error: MeterGuardError, slug: Slug) -> tuple[str, str]:
    """Return the title and the detail of a refusal."""
    if slug == "entitlement-exhausted" and isinstance(error, EntitlementDenied) and error.reason is Reason.USED_UP:
        return _USED_UP
    if slug == "not-entitled" and isinstance(error, EntitlementDenied):
        return _NOT_OF_THE_LICENCE.get(error.reason, TEXTS[slug])
    return TEXTS[slug]


def reason_of(error: MeterGuardError, slug: Slug) -> str:
    """Return the word for the reason of a refusal; empty for a mistake in the set-up."""
    if slug == "entitlement-exhausted":
        return "used_up" if isinstance(error, EntitlementDenied) and error.reason is Reason.USED_UP else "exhausted"
    if slug == "entitlement-unavailable":
        return "unavailable"
    return error.reason.value if isinstance(error, EntitlementDenied) else ""
