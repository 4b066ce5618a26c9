"""A guard's declared behaviour, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..reasons import OnUnknown
from .trust import ANYBODY, Trust


@dataclass(frozen=True, slots=True)
class Policy:
    """A guard's declared behaviour. Durations in seconds."""

    on_unknown: OnUnknown
    grace: float
    denial_ttl: float
    linger: float | None
    refresh_ahead: float
    timeout: float
    max_leases: int
    check_in_on_exit: bool
    inline: bool = False
    """True where no thread of our own is started: renewals run on the caller's, as frozen environments need."""
    trust: Trust = ANYBODY
    """What an answer has to prove."""
