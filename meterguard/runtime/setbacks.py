"""Setbacks: what went wrong with a lease since the last good answer. Most leases have none."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Final

from ..core.intents import Intent
from ..core.terms import Term
from ..errors import EntitlementUnavailable
from ..ports import Moment


class Setbacks:
    """Kept apart from the record, since there are many records, and few have any. Times are stopwatch seconds."""

    __slots__ = (
        "fault",
        "fault_at",
        "good",
        "intents",
        "is_grace_told",
        "next_try",
        "returning",
        "spent",
        "tries",
        "trouble",
        "unsure_until",
        "vacant_from",
    )

    def __init__(self) -> None:
        self.fault: EntitlementUnavailable | None = None
        self.fault_at = 0.0
        self.trouble: EntitlementUnavailable | None = None
        """How the last attempt failed."""
        self.tries = 0
        self.next_try = 0.0
        self.spent: Term | None = None
        """The term of the lease that ended, or was given back."""
        self.good: Moment | None = None
        """The last good answer, once nothing is held."""
        self.vacant_from = 0.0
        """When the lease that ended has surely ended at the service too."""
        self.unsure_until = 0.0
        """Until when an extension whose answer was lost may keep the lease alive at the service."""
        self.returning: Future[None] | None = None
        """Done when the lease given back last is back at the service."""
        self.is_grace_told = False
        self.intents: dict[str, Intent] = {}
        """The pending intents of this process, whose age two clocks tell."""


NONE: Final = Setbacks()
"""Shared by all records without any. Never written to."""
