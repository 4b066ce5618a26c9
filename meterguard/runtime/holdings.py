"""Holdings: a lease as this process holds it. Its facts are a ``LeaseState``, changed in a store; its term is local."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..core import lease_state as change
from ..core import messages
from ..core.intents import Intent, kept, recalled
from ..core.lease_state import VACANT, LeaseState
from ..core.lifecycle import State
from ..core.requirements import Requirement
from ..core.terms import Phase, Term, elapsed, phase, remaining
from ..errors import AuthorizationRefused, UntrustedLease
from ..lease import Lease, LeaseFacts, follow
from ..lease_store import LeaseStore
from ..ports import Clock, Moment
from . import setbacks
from .clock import stopwatch
from .publisher import Publisher
from .returns import Owed, Returns
from .setbacks import Setbacks

LEAST_SLACK, LONGEST_SLACK = 0.01, 2.0  # seconds
LOCKS = 16


def new_locks() -> tuple[threading.RLock, ...]:
    """Make the locks that the records of one guard share."""
    return tuple(threading.RLock() for _ in range(LOCKS))


@dataclass(slots=True)
class Surroundings:
    """The parts that all records of one guard share."""

    clock: Clock
    store: LeaseStore[LeaseState]
    publisher: Publisher
    returns: Returns
    linger: float | None = None
    is_alone: bool = False
    """True when no thread of ours looks at the clocks between calls."""
    locks: tuple[threading.RLock, ...] = field(default_factory=new_locks)


class Holding:
    """The facts about one key, and the lease held for it.

    Its fields change under ``lock``, and its state by replacing it in the store if nobody else has.
    A lock is shared by many: whoever holds one takes no other, and does nothing that takes time. The store is asked
    under it, for it is this process's memory; one that does I/O is to be asked in a flight.
    """

    __slots__ = (
        "__weakref__",
        "_lease",
        "around",
        "is_fresh",
        "key",
        "requirement",
        "setbacks",
        "slack",
        "state",
        "term",
    )

    is_abandoned = False
    """True when nobody can want the lease any more, so that what still comes for it goes back too."""

    def __init__(self, key: bytes, requirement: Requirement, around: Surroundings) -> None:
        self.key = key
        self.requirement = requirement
        self.around = around
        self.state: LeaseState = around.store.get(key) or VACANT
        self.term: Term | None = None
        self.is_fresh = False  # as it was checked out
        self.slack = 0.0  # seconds by which the service's end of the lease may come after ours
        self._lease: Lease | None = None
        self.setbacks: Setbacks = setbacks.NONE

    def _begin(self, now: Moment) -> None:
        """Begin a term, in which nothing was used yet."""

    def _ended(self) -> None:
        """End a term."""

    def _tell(self, facts: LeaseFacts, term: Term) -> None:
        """Pass on that a lease was granted."""

    def _is_one_of_many(self) -> bool:
        """Tell whether others have leases of the same kind."""
        return False

    def _abandon(self) -> None:
        """See to it that what still comes for one call goes back too; a record that is shared outlives its calls."""

    @property
    def lock(self) -> threading.RLock:
        """The lock under which its fields change."""
        return self.around.locks[hash(self.key) % LOCKS]

    # -- what happened ---------------------------------------------------------------------------

    def become(self, follow: Callable[[LeaseState], LeaseState]) -> None:
        """Go on to the state that follows, in the store too; without a lease there is no hot path."""
        with self.lock:
            while (after := follow(self.state)) is not self.state:
                written = self.around.store.replace(self.key, after)
                self.state = written or self.around.store.get(self.key) or VACANT
                if written is not None:
                    break
            if not self.state.standing.holds and self.term is not None:
                noted = self.noted()
                noted.spent, noted.good, self.term = self.term, self.term.start, None
                self._ended()

    def noted(self) -> Setbacks:
        """Return this record's own setbacks, to write one down."""
        if self.setbacks is setbacks.NONE:
            self.setbacks = Setbacks()
        return self.setbacks

    def granted(self, facts: LeaseFacts, term: Term, now: Moment) -> bool:
        """Take a lease that came. False when nobody can want it any more, so that it has to go back."""
        with self.lock:
            if self.state.standing is State.CLOSED or self.is_abandoned:
                return False
            old = self._outdone(facts)
            self.become(partial(change.granted, facts=facts, ttl=term.ttl, good_at=term.wall))
            if old is None or self._lease is None:
                self._lease = None
            else:
                follow(self._lease, facts, RemainingOf(self, facts.token))
            # the call that checked it out, and those beside it, are no reason to renew it
            self._answered(term, now, is_fresh=old is None)
        self._tell(facts, term)
        if old is not None:
            self.around.returns.give_back(old)
        return True

    def _outdone(self, facts: LeaseFacts) -> Owed | None:
        """Owe the lease that is held, where another takes its place; those who ride on it ride on that one then."""
        token = self.state.token
        if token is None or token == facts.token:
            return None
        lasting = self.state.ttl + LONGEST_SLACK
        return self.around.returns.owe(self.requirement, token, lasting, self.settled, self.key)

    def renewed(self, fence: int, facts: LeaseFacts, term: Term, now: Moment) -> bool:
        """Let the lease go on, even when its end was noticed meanwhile. False when it was given back meanwhile."""
        with self.lock:
            if self.state.fence != fence or self.state.standing is State.CLOSED:
                return False
            self.become(partial(change.renewed, fence=fence, facts=facts, good_at=term.wall))
            self._answered(term, now, is_fresh=False)
            if self._lease is not None:
                follow(self._lease, facts, RemainingOf(self, facts.token))
            return True

    def learned(self, facts: LeaseFacts, term: Term) -> None:
        """Hear that one of the seats that calls take for themselves was granted."""
        with self.lock:
            self.become(partial(change.learned, facts=facts, ttl=term.ttl, good_at=term.wall))
            self._lease = None
            self._recovered().good = term.start

    def _answered(self, term: Term, now: Moment, *, is_fresh: bool) -> None:
        self.term, self.is_fresh = term, is_fresh
        self.slack = max(LEAST_SLACK, min(LONGEST_SLACK, elapsed(term.start, now)[1]))
        self._begin(now)
        if self.setbacks is not setbacks.NONE and not (self.setbacks.is_grace_told or self.setbacks.intents):
            self.setbacks = setbacks.NONE
        elif self.setbacks is not setbacks.NONE:
            self._recovered()

    def _recovered(self) -> Setbacks:
        old, new = self.setbacks, Setbacks()
        new.is_grace_told, new.intents = old.is_grace_told, old.intents
        self.setbacks = new
        return new

    def _notice_end(self, now: Moment) -> bool:
        """Let go of a lease whose time ran out by both clocks. True when it did just now."""
        if self.term is None or phase(self.term, now) is not Phase.ENDED:
            self._notice_lapse()
            return False
        overdue = elapsed(self.term.start, now)[1] - self.term.lifetime
        self.become(change.ended)
        self.noted().vacant_from = stopwatch() + max(0.0, self.slack - overdue)
        return True

    def _notice_lapse(self) -> None:
        """Owe a token no longer than it can live."""
        token = self.state.unsure_token
        if token is not None and stopwatch() >= self.setbacks.unsure_until:
            self.become(partial(change.settled, token=token))

    def unanswered(self, fence: int, *, may_have_acted: bool) -> None:
        """Note that an extension got no answer: it may keep the lease alive at the service beyond its term."""
        with self.lock:
            self.become(partial(change.unanswered, fence=fence, may_have_acted=may_have_acted))
            if may_have_acted and self.state.fence == fence:
                self.noted().unsure_until = stopwatch() + self.state.ttl + LONGEST_SLACK

    def part(self, follow: Callable[[LeaseState], LeaseState]) -> Owed | None:
        """Part with the lease, which may be live at the service. Whoever uses it wants another."""
        with self.lock:
            token = self.token
            if token is None:
                return None
            lasting, bars = self.state.ttl + LONGEST_SLACK, not self._is_one_of_many()
            owed = self.around.returns.owe(self.requirement, token, lasting, self.settled, self.key, bars=bars)
            self.become(follow if self.state.standing.holds else partial(change.giving_back, token=token))
            return owed

    def owe(self, token: str, ttl: float, mark: str = "") -> Owed:
        """Owe the service a token that opens nothing, or that nobody wants any more who holds it under a mark."""
        with self.lock:
            self.become(partial(change.owing, token=token, ttl=ttl))
            return self.around.returns.owe(self.requirement, token, ttl, self.settled, self.key, mark=mark)

    def settled(self, token: str) -> None:
        """Hear that the service has a token back, or that it has lapsed."""
        self.become(partial(change.settled, token=token))

    def close(self) -> None:
        """End with the guard."""
        with self.lock:
            self._abandon()
            self.part(change.closed)
            self.become(change.closed)

    def forget(self) -> None:
        """In a forked child: the lease is the parent's."""
        self.state, self.term = LeaseState(State.CLOSED), None
        self._ended()

    # -- intents ---------------------------------------------------------------------------------

    def pending(self, now: Moment) -> list[Intent]:
        """Return the intents that were left without an answer, oldest first."""
        with self.lock:
            known = self.setbacks.intents
            return [known.get(one.client_token) or recalled(one, now) for one in self.state.pending]

    def leave_pending(self, intent: Intent) -> None:
        """Note an intent that may have got a lease which nobody knows of; the next call takes it up."""
        with self.lock:
            self.noted().intents[intent.client_token] = intent
            self.become(partial(change.pending, intent=kept(intent)))

    def answered(self, *intents: Intent) -> None:
        """Take up intents, or let go of those that hold nothing any more."""
        with self.lock:
            for intent in intents:
                self.setbacks.intents.pop(intent.client_token, None)
            tokens = [intent.client_token for intent in intents]
            self.become(lambda state: change.taken_up(state, *tokens) if state.pending else state)

    # -- questions -------------------------------------------------------------------------------

    @property
    def token(self) -> str | None:
        """The consumption token of what is held, or may still be live at the service; else None."""
        return self.state.token or (self.state.unsure_token if self.is_unsure else None)

    @property
    def is_unsure(self) -> bool:
        """True while the lease that ended here may live on at the service, and nobody gives it back."""
        return self.state.unsure_token is not None and stopwatch() < self.setbacks.unsure_until

    @property
    def last_good(self) -> Moment | None:
        """The last good answer."""
        term = self.term
        return self.setbacks.good if term is None else term.start

    @property
    def refusal(self) -> AuthorizationRefused | UntrustedLease | None:
        """The refusal that stopped the last question; None after a better answer."""
        refusal = self.state.refusal
        return None if refusal is None else messages.refused(self.requirement, refusal)

    def lease(self) -> Lease | None:
        """Return the lease held, else the one held last, as its holders see it."""
        with self.lock:
            facts = self.state.facts
            if self._lease is None and facts is not None:
                self._lease = Lease(facts, RemainingOf(self, facts.token))
            return self._lease

    def remaining(self) -> float:
        """Return the seconds that the lease held still lives; 0.0 when there is none."""
        with self.lock:
            return 0.0 if self.term is None else remaining(self.term, self.around.clock.now())

    def phase(self, now: Moment) -> Phase | None:
        """Return what the clocks say of the lease held, None when there is none."""
        with self.lock:
            return None if self.term is None else phase(self.term, now)

    def is_in_doubt(self, now: Moment) -> bool:
        """Tell whether a lease is held that only the service can tell the end of."""
        return self.phase(now) is Phase.DOUBTFUL

    def age(self, now: Moment) -> float:
        """Return the seconds since the last good answer."""
        good = self.last_good
        return 0.0 if good is None else max(0.0, elapsed(good, now)[1])


class RemainingOf:
    """The seconds that a lease has left: none once its holding holds another lease or has let it go."""

    __slots__ = ("_holding", "_token")

    def __init__(self, holding: Holding, token: str | None) -> None:
        self._holding = weakref.ref(holding)  # else the holding would hold itself, by its lease
        self._token = token

    def __call__(self) -> float:
        holding = self._holding()
        if holding is None:
            return 0.0
        with holding.lock:
            if holding.term is None or holding.state.token != self._token:
                return 0.0
            return remaining(holding.term, holding.around.clock.now())
