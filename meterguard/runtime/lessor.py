"""Lessors: who gives, extends and takes back leases - the service, or the processes of a shared store together."""

from __future__ import annotations

import random
from typing import NamedTuple, Protocol

from ..core import verdicts
from ..core.intents import Intent
from ..core.policy import Policy
from ..core.requirements import Requirement
from ..core.shared.checkout import Judge
from ..core.shared.renewal import moved
from ..core.shared.steps import Got
from ..core.terms import Term
from ..lease import LeaseFacts
from ..ports import Clock, LicenseService


class Wish(NamedTuple):
    """A lease that is wanted."""

    key: bytes
    requirement: Requirement
    intent: Intent
    judge: Judge
    until: float
    """When nobody waits for it any more, by the stopwatch."""
    is_fresh: bool = False
    """True where a no that another process got does not count: a call waits for a seat."""


class Extended(NamedTuple):
    """A lease after an extension."""

    facts: LeaseFacts
    term: Term | None
    """None where the answer leaves no time to live."""
    is_ours: bool = True
    """False where another process had asked the service."""


class Lessor(Protocol):
    """Gives leases, one attempt a call. Every failure is a ``ServiceFault``. Callers hold no lock."""

    is_shared: bool
    """True where other processes may ride on the same leases."""

    def connect(self, requirement: Requirement) -> None:
        """Make the client, unless this can be had without one. Idempotent."""
        ...

    def check_out(self, wish: Wish) -> Got:
        """Check a lease out, or ride on one that another process has checked out."""
        ...

    def extend(self, key: bytes, facts: LeaseFacts, term: Term, until: float) -> Extended:
        """Extend the lease that is held under a key, or take the extension that another process got."""
        ...

    def check_in(self, key: bytes, mark: str, token: str, *, parting: bool = False) -> bool:
        """Ride no longer on what was got under a mark. False where others still do, so that it stays checked out."""
        ...

    def mark(self, key: bytes) -> str:
        """Return the mark under which a lease is held; empty for a token that opens nothing. Takes no time."""
        ...

    def has_others(self, key: bytes) -> bool:
        """Tell whether other processes ride on the lease that is held under a key, as far as that can be told."""
        ...

    def is_open(self, key: bytes) -> bool:
        """Tell whether a checkout under a key may have got something that nobody knows of. Takes no time."""
        ...

    def settle(self, key: bytes) -> None:
        """Give back what such a checkout may have got."""
        ...

    def end(self, until: float) -> None:
        """Let go of what is open, for the guard closes. Begin nothing after a moment of the stopwatch."""
        ...


class DirectLessor:
    """The service itself, for a process that shares nothing."""

    is_shared = False

    def __init__(self, service: LicenseService, clock: Clock, policy: Policy) -> None:
        self._service = service
        self._clock = clock
        self._policy = policy

    def connect(self, requirement: Requirement) -> None:  # noqa: ARG002 - all needs one
        """Make the client."""
        self._service.connect()

    def check_out(self, wish: Wish) -> Got:
        """Check a lease out."""
        intent, sent_at = wish.intent, self._clock.now()
        answer = self._service.check_out(wish.requirement, intent.client_token)
        is_resumed = intent.resumed or intent.acted_since is not None
        return Got(wish.judge(answer, intent.sent(sent_at), self._clock.now(), is_resumed), answer.token)

    def extend(self, key: bytes, facts: LeaseFacts, term: Term, until: float) -> Extended:  # noqa: ARG002 - one attempt
        """Extend a lease."""
        return extended(self._service, self._clock, facts, term, self._policy.refresh_ahead)

    def check_in(self, key: bytes, mark: str, token: str, *, parting: bool = False) -> bool:  # noqa: ARG002 - shares none
        """Check a lease in."""
        self._service.check_in(token, parting=parting)
        return True

    def mark(self, key: bytes) -> str:  # noqa: ARG002 - nothing is listed
        """Return nothing."""
        return ""

    def has_others(self, key: bytes) -> bool:  # noqa: ARG002 - shares none
        """Return False."""
        return False

    def is_open(self, key: bytes) -> bool:  # noqa: ARG002 - intents are kept with their records
        """Return False."""
        return False

    def settle(self, key: bytes) -> None:
        """Nothing is open."""

    def end(self, until: float) -> None:
        """Nothing is open."""


def extended(service: LicenseService, clock: Clock, facts: LeaseFacts, term: Term, refresh_ahead: float) -> Extended:
    """Extend a lease at the service, whoever else rides on it."""
    sent = clock.now()
    answer = service.extend(facts.token or "")
    renewed = verdicts.renewed_term(facts, term, answer, sent, refresh_ahead, random.random())
    return Extended(moved(facts, answer), renewed)
