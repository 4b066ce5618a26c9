"""The lessor of processes that share their leases."""

from __future__ import annotations

import math
import platform
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import uuid4

from ..core import keys
from ..core import trust as trusting
from ..core.policy import Policy
from ..core.requirements import Requirement
from ..core.shared import checkout, departure, renewal
from ..core.shared.steps import OPEN, Got, Party, Plan
from ..core.terms import Term
from ..core.verdicts import Granted, Rejected
from ..errors import ConfigurationError
from ..interruption import must_pass
from ..lease import LeaseFacts
from ..ports import FaultKind, ServiceFault
from ..reasons import Reason
from ..rows import StoreFault
from . import owners
from .clock import stopwatch
from .execution import Execution, OneRow
from .lessor import Extended, Wish, extended
from .presence import Presence

T = TypeVar("T")
CLOSING_TIME = 2.0  # seconds


class Listed(NamedTuple):
    """A lease that this process is listed for among its holders."""

    mark: str
    fence: int
    token: str

    def __repr__(self) -> str:
        return f"Listed({self.mark!r}, {self.fence})"


UNLISTED = Listed("", 0, "")


class SharedLessor:
    """Gives leases that all processes of a store ride on together."""

    is_shared = True

    def __init__(self, execution: Execution, policy: Policy) -> None:
        self.execution = execution
        self._policy = policy
        self.owner = owners.silent(owners.new_owner()) if policy.inline else owners.new_owner()
        """The name of this guard among those that share."""
        self.presence = Presence(execution, self.owner)
        self._listed: dict[bytes, Listed] = {}
        """What this process is listed for, by key."""
        self._given_back: dict[str, float] = {}
        """When units were given back last, by the name of their entitlement, in seconds of the stopwatch."""
        self._extended_beside: set[bytes] = set()
        """The keys of leases that were extended while the store could not be had, so that it knows an earlier end."""
        self._open: set[bytes] = set()
        """The keys for which a checkout of ours may have got something that nobody knows of."""
        self.on_end: Callable[[], None] = lambda: None
        """A hook that is called before the store is closed."""

    # -- leases ----------------------------------------------------------------------------------

    def connect(self, requirement: Requirement) -> None:  # noqa: ARG002 - all needs one
        """Make the client."""
        self.execution.service.connect()

    def check_out(self, wish: Wish) -> Got:
        """Ride on the lease that others hold, or check one out for all."""
        denial_ttl = 0.0 if wish.is_fresh else min(self._policy.denial_ttl, self._since_return(wish.requirement))
        asked = checkout.Asked(wish.intent.client_token, wish.intent.acted_since, wish.judge, denial_ttl)
        self._open.add(wish.key)
        try:
            got = _told(self.execution.of(wish.key, wish.until), checkout.obtain(self.party(), asked))
        except ServiceFault as fault:
            # one that is refused may be the repetition of one that got something
            (self._open.add if fault.kind in (*OPEN, FaultKind.REFUSED) else self._open.discard)(wish.key)
            raise
        self._open.discard(wish.key)
        if got.mark:
            self._listed[wish.key] = Listed(got.mark, got.fence, got.token)
        return self._believed(wish.requirement, got)

    def _since_return(self, requirement: Requirement) -> float:
        """Return the seconds since units of this were given back here: noes of before are out of date."""
        return stopwatch() - max(self._given_back.get(one.name, -math.inf) for one in requirement)

    def extend(self, key: bytes, facts: LeaseFacts, term: Term, until: float) -> Extended:
        """Extend the lease for all who ride on it, or take the extension that another process got.

        Where the store cannot be had, the service is asked beside it: that takes no unit, and the lease goes on.
        """
        listed = self._listed.get(key, UNLISTED)
        plan = renewal.renew(self.party(), renewal.Held(facts, term, listed.fence, listed.mark))
        try:
            got = self.execution.of(key, until).carry_out(plan)
        except (StoreFault, ConfigurationError):
            execution, ahead = self.execution, self._policy.refresh_ahead
            self._extended_beside.add(key)
            return extended(execution.service, execution.clock, facts, term, ahead)
        if not isinstance(got.verdict, Granted):
            raise ServiceFault(FaultKind.NOT_FOUND, "the lease is another one by now")
        self._listed[key] = Listed(got.mark, got.fence, got.token)
        self._extended_beside.discard(key)
        return Extended(got.verdict.facts, got.verdict.term, got.is_ours)

    def check_in(self, key: bytes, mark: str, token: str, *, parting: bool = False) -> bool:
        """Leave a lease to those who ride on it, or give it back where nobody does."""
        was_extended, until = key in self._extended_beside, stopwatch() + (1.0 if parting else CLOSING_TIME)
        leave = departure.leave(self.party(), mark, token, was_extended=was_extended)
        plan = leave if mark else departure.return_due(token)
        is_back = _told(self.execution.of(key, until, parting=parting), plan)
        self._extended_beside.discard(key)
        if self.mark(key) == mark:
            self._listed.pop(key, None)
        if is_back:
            now = stopwatch()
            self._given_back.update((one.name, now) for one in keys.decoded(key).requirement)
        return is_back

    def mark(self, key: bytes) -> str:
        """Return the mark under which a lease is held."""
        return self._listed.get(key, UNLISTED).mark

    def has_others(self, key: bytes) -> bool:
        """Tell whether other processes ride on the lease too. Where the store cannot be had they may well."""
        try:
            return self.execution.of(key).carry_out(departure.has_others(self.party()))
        except (StoreFault, ConfigurationError):
            return True

    def leave_all(
        self, ridden: Callable[[], Collection[bytes]] = tuple, until: float = math.inf, *, parting: bool = False
    ) -> None:
        """Leave what this process is listed for, and rides on no longer: others may have renewed it.

        :param ridden: returns the keys of what it rides on. Asked last: what it takes up now, it takes up anew.
        :param until: begin nothing after this moment of the stopwatch.
        """
        listed = dict(self._listed)
        for key in listed.keys() - set(ridden()):
            if stopwatch() < until:
                _worked(partial(self.check_in, key, listed[key].mark, listed[key].token, parting=parting))

    @property
    def is_idle(self) -> bool:
        """True while this process is listed for nothing, and has asked for nothing."""
        return not (self._listed or self._open)

    def is_open(self, key: bytes) -> bool:
        """Tell whether a checkout of ours may have got something that nobody knows of."""
        return key in self._open

    def settle(self, key: bytes, *, parting: bool = False) -> None:
        """Give back what an unanswered checkout may have got, unless somebody rides on it or asks anew.

        :param parting: True where all that this process still has in the row is to go back.
        """
        if key not in self._open:
            return
        self._open.discard(key)  # first, for a call beside this may note it anew
        party = self.party()
        if parting:
            party = party._replace(is_alive=lambda owner: owner != self.owner and self.presence.is_alive(owner))
        row = self.execution.of(key, parting=parting)
        if not _worked(lambda: row.carry_out(departure.reap(party, gives_up=True))):
            self._open.add(key)

    def end(self, until: float) -> None:
        """Leave and give back what is left, as far as there is time, and let go of the store."""
        self.leave_all(until=until, parting=True)
        for key in list(self._open):
            if stopwatch() < until:
                self.settle(key, parting=True)
        for last in (self.presence.end, self.on_end):
            if stopwatch() < until:
                _worked(last)
        self.execution.store.close()

    # -- who shares ------------------------------------------------------------------------------

    def party(self) -> Party:
        """Return this process as the plans know it."""
        ahead, extends = self._policy.refresh_ahead, not self._policy.trust.is_required
        return Party(self.owner, platform.node(), self.presence.is_alive, _number, ahead, random.random, extends)

    def _believed(self, requirement: Requirement, got: Got) -> Got:
        """Verify anew what another process wrote into the store, where other people may write too."""
        trust, granted = self._policy.trust, got.verdict
        if got.is_ours or not isinstance(granted, Granted):
            return got
        token = granted.facts.signed_token
        proof = None if token is None else self.execution.service.proof(token)
        why = trusting.objection_to_lease(trust, requirement, granted.facts, granted.term, proof)
        if why is not None and trust.is_required:
            return replace(got, verdict=Rejected(Reason.UNTRUSTED, requirement, why))
        facts = replace(granted.facts, is_verified=proof is not None and why is None)
        return replace(got, verdict=Granted(facts, granted.term))


def _told(row: OneRow, plan: Plan[T]) -> T:
    """Carry a plan out. A store that cannot be had is an unknown, like a service that cannot be asked."""
    try:
        return row.carry_out(plan)
    except StoreFault as fault:
        raise ServiceFault(FaultKind.UNKNOWN, str(fault)) from None


def _worked(work: Callable[[], object]) -> bool:
    """Do something that is tried again where it fails: later, when the guard closes, or by another process."""
    try:
        work()
    except BaseException as problem:  # also of a hook of the client's, which may raise anything
        if must_pass(problem):
            raise
        return False
    return True


def _number() -> str:
    return uuid4().hex[:16]
