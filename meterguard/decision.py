"""The answer to an entitlement check, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from .lease import Lease
from .reasons import Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to an entitlement check, with its reason. It is true when the call is allowed."""

    allowed: bool
    """True when a call would be let through."""
    reason: Reason
    """The reason for it."""
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
