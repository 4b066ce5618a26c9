"""A slot: what one guard knows of one requirement, and the lease it may hold for it."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Hashable
from concurrent.futures import Future
from typing import NamedTuple

from ..core.intents import Intent
from ..core.lifecycle import Signal, State, step
from ..core.requirements import Requirement
from ..core.schedule import window, window_length
from ..core.terms import Phase, Term, elapsed, phase, remaining
from ..core.unknown import Unknown, answer_unknown, in_grace
from ..errors import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable
from ..events import GraceEnded, GraceEntered, LeaseLapsed
from ..lease import Lease, LeaseFacts
from ..ports import Clock, Moment
from ..reasons import OnUnknown
from .announcing import Announcer
from .clock import stopwatch
from .returns import Owed, Returns
from .seats import Seats
from .window import Until, Window

LONGEST_SLACK = 2.0  # seconds


class Key(NamedTuple):
    """What makes two calls want the same lease."""

    requirement: Requirement
    per: Hashable = None
    single: bool = False
    serial: int = 0
    """Tells the seats of ``hold="call"`` apart; 0 for what is kept in the table."""


class Slot:
    """All its fields change under ``lock``; ``state`` changes through the lifecycle's table only."""

    __slots__ = (
        "__weakref__",
        "abandoned",
        "asked_at",
        "clock",
        "fault",
        "fault_at",
        "key",
        "last_good",
        "last_lease",
        "lease",
        "lock",
        "next_look",
        "next_try",
        "parent",
        "pending",
        "pins",
        "quiet_until",
        "refusal",
        "returning",
        "seats",
        "slack",
        "sought",
        "spent",
        "state",
        "term",
        "told_grace",
        "tries",
        "trouble",
        "unsure_until",
        "used",
        "used_at",
        "vacant_from",
        "wanted",
        "windows",
    )

    def __init__(self, key: Key, clock: Clock, parent: Slot | None = None) -> None:
        self.key = key
        self.clock = clock
        self.parent = parent
        self.lock = threading.RLock()
        self.state = State.VACANT
        self.lease: Lease | None = None
        self.term: Term | None = None
        self.spent: Term | None = None  # the last one, once the lease has ended
        self.windows: list[Window] = []
        # use
        self.pins = 0
        self.sought = 0  # by calls that are not let in yet; the fleet's lock guards it
        self.wanted = False  # by somebody who does not merely probe
        self.used = False
        self.used_at: Moment | None = None
        self.slack = 0.0  # seconds by which the service's end of the lease may come after ours
        self.quiet_until = 0.0  # seconds into the term
        self.abandoned = False
        self.seats = Seats() if key.single and parent is None else None
        # memory
        self.last_good: Moment | None = None
        self.last_lease: Lease | None = None
        self.fault: EntitlementUnavailable | None = None
        self.fault_at = 0.0  # stopwatch seconds
        self.refusal: EntitlementDenied | None = None  # by IAM or the credentials, until a better answer
        self.pending: list[Intent] = []
        self.told_grace = False
        self.trouble: EntitlementUnavailable | None = None  # how the last attempt failed
        # scheduling, in stopwatch seconds
        self.asked_at = math.inf  # when the checkout that has not begun yet was wanted
        self.tries = 0
        self.next_try = 0.0
        self.vacant_from = 0.0  # when the lease that ended here has surely ended at the service too
        self.unsure_until = 0.0  # until when an extension whose answer was lost may keep the lease alive there
        self.next_look = math.inf
        self.returning: Future[None] | None = None
        """Done when the lease given back last is back at the service."""

    # -- what happened ---------------------------------------------------------------------------

    def signal(self, signal: Signal) -> None:
        """Go on to the state that follows; without a lease there is no hot path."""
        with self.lock:
            if self.state is State.CLOSED:  # a flight may land after the guard has closed
                return
            self.state = step(self.state, signal)
            if not self.state.holds:
                self.spent, self.term = self.term or self.spent, None
                self.empty_windows()
            if signal in (Signal.LOST, Signal.RETURNED, Signal.CLOSE):
                self.lease = None

    def signal_held(self, signal: Signal) -> None:
        """A signal about the lease, which may have ended since it was asked about."""
        with self.lock:
            if self.state.holds:
                self.signal(signal)

    def granted(self, facts: LeaseFacts, term: Term, now: Moment) -> Lease | None:
        """A lease came. None when nobody can want it any more, so that it has to go back."""
        with self.lock:
            self.signal(Signal.GRANTED)
            if not self.state.holds or self.abandoned:
                return None
            self._answered(term, now)
            # the call that checked it out, and those beside it, are no reason to renew it
            self.quiet_until = window_length(term.lifetime, None)
            lease = self.lease = Lease(facts, RemainingOf(self, facts.token))
            if self.parent is None:
                self.last_lease = lease
        if self.parent is not None:
            self.parent.learned(lease, term.start)
        return lease

    def renewed(self, facts: LeaseFacts, term: Term, now: Moment) -> None:
        """The lease goes on, even when its end was noticed meanwhile; holders see the new facts."""
        with self.lock:
            if self.lease is None:
                return
            self.signal(Signal.RENEWED)
            if self.state.holds:
                self._answered(term, now)
                self.quiet_until = 0.0
                self.lease._facts = facts
                self.lease._remaining = RemainingOf(self, facts.token)

    def learned(self, lease: Lease, good: Moment) -> None:
        """One of the seats that calls take for themselves was granted."""
        with self.lock:
            self.signal(Signal.GRANTED)
            self.signal(Signal.RETURNED)
            self.last_lease, self.last_good = lease, good
            self.fault = self.refusal = self.trouble = None
            self.tries, self.next_try = 0, 0.0

    def _answered(self, term: Term, now: Moment) -> None:
        self.term, self.spent, self.unsure_until = term, None, 0.0
        self.slack = min(LONGEST_SLACK, elapsed(term.start, now)[1])
        self.last_good = term.start
        self.used, self.used_at = False, now
        self.fault = self.refusal = self.trouble = None
        self.tries, self.next_try = 0, 0.0
        self.empty_windows()  # so that the next use is noticed

    def notice_end(self, now: Moment, announcer: Announcer, *, boarded: bool = False) -> None:
        """Let go of a lease whose time ran out by both clocks. Who ``boarded`` a flight wants the next one."""
        with self.lock:
            if self.term is None or phase(self.term, now) is not Phase.ENDED:
                return
            overdue = elapsed(self.term.start, now)[1] - self.term.lifetime
            self.vacant_from = stopwatch() + max(0.0, self.slack - overdue)
            self.signal(Signal.ENDED)
            self.wanted = self.pins > 0 or (boarded and self.wanted)
        announcer.tell(LeaseLapsed(self.key.requirement))

    def let_go(self, signal: Signal, returns: Returns, *, if_idle: bool = False) -> Owed | None:
        """Hold the lease no longer. What is owed to the service from now on."""
        with self.lock:
            if if_idle and self.pins:
                return None
            # a seat was for one call: what still comes for it goes back too
            self.abandoned = self.parent is not None
            owed = self.lose(signal, returns)
            if owed is not None:
                self.wanted = False
            return owed

    def lose(self, signal: Signal, returns: Returns) -> Owed | None:
        """Part with the lease, which may be live at the service. Whoever uses it wants another."""
        with self.lock:
            token, term = self.token, self.term or self.spent
            if token is None or term is None:
                return None
            bars = None if self.parent is not None else self.key
            owed = returns.owe(self.key.requirement, token, term.ttl + LONGEST_SLACK, bars)
            if self.state.holds:
                self.signal(signal)
            self.lease, self.unsure_until = None, 0.0
            return owed

    def unanswered(self) -> None:
        """An extension may have acted: until it is asked about again, the lease may outlive its term at the service."""
        with self.lock:
            term = self.term or self.spent
            if term is not None:
                self.unsure_until = stopwatch() + term.ttl + LONGEST_SLACK

    def leave_pending(self, intent: Intent) -> None:
        """It may have got a lease that nobody knows of; the next call takes it up."""
        with self.lock:
            self.pending = [*self.pending, intent]

    def settled(self, intent: Intent) -> None:
        """It holds nothing any more."""
        with self.lock:
            self.pending = [one for one in self.pending if one is not intent]

    def forget(self) -> None:
        """In a forked child: the lease is the parent's, and so may be whoever held the lock."""
        self.lock = threading.RLock()
        self.signal(Signal.CLOSE)

    # -- questions -------------------------------------------------------------------------------

    @property
    def token(self) -> str | None:
        """The consumption token of what is held, or may still be live at the service; else None."""
        return self.lease.token if self.lease is not None and (self.state.holds or self.is_unsure) else None

    @property
    def is_unsure(self) -> bool:
        """Whether its lease may outlive what is known of its term."""
        return self.lease is not None and stopwatch() < self.unsure_until

    def look(self, now: Moment) -> Phase | None:
        """What the clocks say of the lease held, None when there is none."""
        with self.lock:
            return None if self.term is None else phase(self.term, now)

    def is_in_doubt(self, now: Moment) -> bool:
        """Whether a lease is held that only the service can tell the end of."""
        return self.look(now) is Phase.DOUBTFUL

    def wants_renewal(self, now: Moment) -> bool:
        """Whether it is in use in its refresh window."""
        return self.used and self.look(now) is Phase.DUE

    def is_busy(self) -> bool:
        """Whether work goes on under it."""
        return self.pins > 0

    def is_unwanted(self) -> bool:
        """Whether it holds counted units that only a probe asked for."""
        with self.lock:
            return not self.wanted and not self.pins and any(one.is_counted for one in self.key.requirement)

    def age(self, now: Moment) -> float:
        """Seconds since the last good answer."""
        return 0.0 if self.last_good is None else max(0.0, elapsed(self.last_good, now)[1])

    # -- use -------------------------------------------------------------------------------------

    def ride(
        self, now: Moment, hot: Window | None, linger: float | None, *, wanted: bool = True, is_alone: bool = False
    ) -> Lease | None:
        """Pin the lease for one call if it is live, and open the caller's window over it.

        ``is_alone`` when no thread of ours looks at the clocks between calls.
        """
        with self.lock:
            if self.term is None or phase(self.term, now) not in (Phase.LIVE, Phase.DUE):
                return None
            self.pins += 1
            self.wanted = self.wanted or wanted
            self.used = self.used or (wanted and elapsed(self.term.start, now)[1] >= self.quiet_until)
            self.used_at = now
            if hot is not None:
                if hot not in self.windows:
                    self.windows.append(hot)
                lo, hi = window(self.term, now, linger)
                hot.slide(lo, Until(hi, hi - lo) if is_alone else hi)
            return self.lease

    def unpin(self, now: Moment) -> None:
        """The call is over."""
        with self.lock:
            self.pins -= 1
            if self.term is not None:
                self.used_at = now

    def empty_windows(self) -> None:
        """Send every call of every gate past the hot path."""
        with self.lock:
            for hot in self.windows:
                hot.empty()
            self.windows.clear()

    # -- unknown ---------------------------------------------------------------------------------

    def answer_unknown(self, declared: OnUnknown, now: Moment, grace: float) -> Unknown:
        """What an unknown counts as here."""
        with self.lock:
            return answer_unknown(declared, self.state, self.last_good, now, grace)

    def failed(self, fault: EntitlementUnavailable, at: float) -> None:
        """The service could not be asked."""
        with self.lock:
            self.fault, self.fault_at = fault, at

    def kept_waiting(self, since: Moment | None, fault: EntitlementUnavailable, at: float) -> None:
        """A call got no answer in time; no fault if one came just now, later than the one of ``since``."""
        with self.lock:
            if self.last_good is since:
                self.failed(fault, at)

    def denied(self, denial: EntitlementDenied) -> None:
        """The service, or what stands in front of it, said no."""
        is_refusal = isinstance(denial, AuthorizationRefused)
        with self.lock:
            self.signal(Signal.REFUSED if is_refusal else Signal.DENIED)
            self.fault = self.trouble = None
            self.refusal = denial if is_refusal else None
        if self.seats is not None:
            self.seats.refuse()

    def enter_grace(self, now: Moment, grace: float, announcer: Announcer) -> None:
        """Tell that calls go on in grace, once."""
        with self.lock:
            was_told, self.told_grace = self.told_grace, True
        if not was_told:
            announcer.tell(GraceEntered(self.key.requirement, in_grace(self.last_good, now, grace)))

    def leave_grace(self, announcer: Announcer, *, recovered: bool) -> None:
        """Tell that grace is over, once."""
        with self.lock:
            was_told, self.told_grace = self.told_grace, False
        if was_told:
            announcer.tell(GraceEnded(self.key.requirement, recovered))


class RemainingOf:
    """Seconds a lease has left: none once its slot holds another lease or has let it go."""

    __slots__ = ("_slot", "_token")

    def __init__(self, slot: Slot, token: str | None) -> None:
        self._slot = weakref.ref(slot)  # else the slot would hold itself, by its lease
        self._token = token

    def __call__(self) -> float:
        slot = self._slot()
        if slot is None:
            return 0.0
        with slot.lock:
            if slot.term is None or slot.token != self._token:
                return 0.0
            return remaining(slot.term, slot.clock.now())
