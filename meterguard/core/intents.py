"""Intents: one wish for a checkout, one ``ClientToken``, however often it is sent.

Why the age limit: the service does not say for how long it remembers a ``ClientToken``; ten minutes
is the only window it documents anywhere (``CreateToken``). Staying under five leaves room for both
clocks and for the request itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ports import FaultKind, Moment
from .lease_state import Pending
from .terms import elapsed

PENDING_FOR = 240.0  # seconds


@dataclass(frozen=True, slots=True)
class Intent:
    """A wish that has not been answered yet."""

    client_token: str
    born: Moment
    acted_since: Moment | None = None
    """When the first request was sent that may have had an effect; None when none may have."""
    resumed: bool = False
    """Whether an earlier call left it unanswered."""

    def sent(self, now: Moment) -> Moment:
        """Return the moment from which a lifetime counts if the request sent now is answered.

        The answer may be the replay of one that was lost, so the first request counts.
        """
        return self.acted_since or now

    def unanswered(self, sent_at: Moment, may_have_acted: bool) -> Intent:
        """The intent after a request that got no answer."""
        if may_have_acted and self.acted_since is None:
            return replace(self, acted_since=sent_at)
        return self


def kept(intent: Intent) -> Pending:
    """Return what a lease state keeps of an intent: no moment of a monotonic clock."""
    acted = intent.acted_since
    return Pending(intent.client_token, intent.born.wall, None if acted is None else acted.wall)


def recalled(pending: Pending, now: Moment) -> Intent:
    """Return an intent of another process, or of a record that was forgotten: only its wall clock tells its age."""

    def moment(wall: float) -> Moment:
        return Moment(wall, now.mono - (now.wall - wall))

    acted = pending.acted_since
    return Intent(pending.client_token, moment(pending.born), None if acted is None else moment(acted))


def take_up(pending: list[Intent], now: Moment, client_token: str) -> tuple[Intent, list[Intent]]:
    """The oldest pending intent that is young enough, else a new one; and what stays pending."""
    fresh = [intent for intent in pending if is_pending(intent, now)]
    if fresh:
        return replace(fresh[0], resumed=True), fresh[1:]
    return Intent(client_token, born=now), []


def is_pending(intent: Intent, now: Moment) -> bool:
    """Return True while the service surely knows its token. It is False where a clock ran backwards."""
    least, most = elapsed(intent.born, now)
    return least > -1.0 and most < PENDING_FOR


def is_open(intent: Intent, last: FaultKind) -> bool:
    """Return True when a request may have got a lease that nobody knows of, or should be sent again.

    A definite no to the same token says that it holds nothing; a refusal says nothing about the
    requests before it.
    """
    if last in (FaultKind.UNKNOWN, FaultKind.UNREACHABLE):
        return True
    return last is FaultKind.REFUSED and intent.acted_since is not None
