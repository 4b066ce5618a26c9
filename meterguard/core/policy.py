"""A guard's declared behaviour, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..reasons import OnUnknown


@dataclass(frozen=True, slots=True)
class Policy:
    """A guard's declared behaviour. Durations in seconds."""

    on_unknown: OnUnknown = OnUnknown.GRACE
    grace: float = 1800.0
    denial_ttl: float = 5.0
    linger: float | None = None
    refresh_ahead: float = 0.2
    timeout: float = 10.0
    max_leases: int = 10_000
    check_in_on_exit: bool = True
    inline: bool = False
    """True where no thread of our own is started: renewals run on the caller's, as frozen environments need."""
