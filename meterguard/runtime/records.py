"""Records: this process's use of a lease. Who rides on it, through which windows, and what is told of it."""

from __future__ import annotations

from functools import partial

from ..core import lease_state as change
from ..core.lease_state import Refusal
from ..core.requirements import Requirement
from ..core.schedule import window, window_length
from ..core.terms import Phase, Term, elapsed, phase
from ..core.unknown import Unknown, answer_unknown, in_grace
from ..errors import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable, UntrustedLease
from ..events import GraceEnded, GraceEntered, LeaseLapsed
from ..lease import LeaseFacts
from ..ports import Moment
from ..reasons import OnUnknown
from . import setbacks
from .agenda import Entry
from .clock import stopwatch
from .holdings import Holding, Surroundings
from .returns import Owed
from .seats import Seats
from .window import Until, Window


class Record(Holding):
    """One key's lease in use."""

    __slots__ = ("entry", "pins", "sought", "used", "used_at", "wanted", "windows")

    parent: Record | None = None
    """For a seat that one call takes for itself: what all such calls have in common."""
    seats: Seats | None = None
    """For what calls with a seat of their own have in common: how many of them run."""

    def __init__(self, key: bytes, requirement: Requirement, around: Surroundings) -> None:
        super().__init__(key, requirement, around)
        self.windows: list[Window] | None = None
        self.pins = 0
        self.sought = 0  # by calls that are not let in yet; the registry's lock guards it
        self.wanted = False  # by somebody who does not merely probe
        self.used = False  # since the last renewal
        self.used_at: Moment | None = None  # where it matters, since idle leases linger
        self.entry: Entry | None = None  # in the agenda

    def _begin(self, now: Moment) -> None:
        self.used, self.used_at = False, None if self.around.linger is None else now
        self.empty_windows()  # so that the next use is noticed

    def _ended(self) -> None:
        self.empty_windows()

    def notice_end(self, now: Moment, *, joined: bool = False) -> None:
        """Let go of a lease whose time ran out by both clocks. A caller that ``joined`` a flight wants the next one."""
        with self.lock:
            has_ended = self._notice_end(now)
            if has_ended:
                self.wanted = self.pins > 0 or (joined and self.wanted)
        if has_ended:
            self.around.publisher.tell(LeaseLapsed(self.requirement))

    @property
    def is_single(self) -> bool:
        """True for ``hold="call"``."""
        return self.parent is not None or self.seats is not None

    def let_go(self, *, if_idle: bool = False) -> Owed | None:
        """Hold the lease no longer, for nobody wants it. Return what is owed to the service from now on."""
        with self.lock:
            if if_idle and self.pins:
                return None
            self._abandon()
            owed = self.part(change.returned)
            if owed is not None:
                self.wanted = False
            return owed

    def wants_renewal(self, now: Moment) -> bool:
        """Tell whether it is in use in its refresh window."""
        return self.used and self.phase(now) is Phase.DUE

    def is_unwanted(self) -> bool:
        """Tell whether it holds counted units that only a probe asked for."""
        with self.lock:
            return not self.wanted and not self.pins and any(one.is_counted for one in self.requirement)

    # -- use -------------------------------------------------------------------------------------

    def ride(self, now: Moment, hot: Window | None, *, wanted: bool = True) -> bool:
        """Pin the lease for one call if it is live, and open the caller's window over it."""
        with self.lock:
            term = self.term
            if term is None or phase(term, now) not in (Phase.LIVE, Phase.DUE):
                return False
            linger = self.around.linger
            self.pins += 1
            self.wanted = self.wanted or wanted
            quiet = window_length(term.lifetime, None) if self.is_fresh else 0.0
            self.used = self.used or (wanted and elapsed(term.start, now)[1] >= quiet)
            self.used_at = None if linger is None else now
            if hot is not None:
                self.windows = self.windows or []
                if hot not in self.windows:
                    self.windows.append(hot)
                lo, hi = window(term, now, linger)
                hot.slide(lo, Until(hi, hi - lo) if self.around.is_alone else hi)
            return True

    def unpin(self, now: Moment) -> None:
        """End the use by one call."""
        with self.lock:
            self.pins -= 1
            if self.term is not None and self.around.linger is not None:
                self.used_at = now

    def empty_windows(self) -> None:
        """Empty the windows of all gates, so that their next call looks."""
        with self.lock:
            for hot in self.windows or ():
                hot.empty()
            self.windows = None

    # -- unknown ---------------------------------------------------------------------------------

    def answer_unknown(self, declared: OnUnknown, now: Moment, grace: float) -> Unknown:
        """Return what an unknown counts as here."""
        with self.lock:
            return answer_unknown(declared, self.state.standing, self.last_good, now, grace)

    def failed(self, fault: EntitlementUnavailable) -> None:
        """Note that the service could not be asked."""
        with self.lock:
            noted = self.noted()
            noted.fault, noted.fault_at = fault, stopwatch()

    def kept_waiting(self, since: Moment | None, fault: EntitlementUnavailable) -> None:
        """Note that a call got no answer in time; no fault if one came just now, later than the one of ``since``."""
        with self.lock:
            if self.last_good == since:
                self.failed(fault)

    def denied(self, denial: EntitlementDenied) -> None:
        """Note that the service, or what stands in front of it, said no."""
        with self.lock:
            is_of_the_way = isinstance(denial, UntrustedLease) and self.state.standing.holds
            if isinstance(denial, AuthorizationRefused) or is_of_the_way:  # which says nothing of what is held
                refusal = Refusal(str(denial), denial.code, denial.request_id, is_untrusted=is_of_the_way)
                self.become(partial(change.refused, refusal=refusal))
            else:
                self.become(change.denied)
            if self.setbacks is not setbacks.NONE:
                self.setbacks.fault = self.setbacks.trouble = None
        if self.seats is not None:
            self.seats.refuse()

    def enter_grace(self, now: Moment, grace: float) -> None:
        """Tell that calls go on in grace, once."""
        with self.lock:
            was_told = self.setbacks.is_grace_told
            self.noted().is_grace_told = True
        if not was_told:
            self.around.publisher.tell(GraceEntered(self.requirement, in_grace(self.last_good, now, grace)))

    def leave_grace(self, *, recovered: bool) -> None:
        """Tell that grace is over, once."""
        with self.lock:
            was_told = self.setbacks.is_grace_told
            if was_told:
                self.setbacks.is_grace_told = False
        if was_told:
            self.around.publisher.tell(GraceEnded(self.requirement, recovered))


class SharedBySeats(Record):
    """The common record of all calls of one requirement that take a seat of their own each. It holds no lease."""

    __slots__ = ("seats",)

    def __init__(self, key: bytes, requirement: Requirement, around: Surroundings) -> None:
        super().__init__(key, requirement, around)
        self.seats = Seats()


class Seat(Record):
    """The lease of one call, whose answers its parent hears of."""

    __slots__ = ("is_abandoned", "parent")

    def __init__(self, key: bytes, parent: Record) -> None:
        super().__init__(key, parent.requirement, parent.around)
        self.parent = parent
        self.is_abandoned = False

    def _tell(self, facts: LeaseFacts, term: Term) -> None:
        if self.parent is not None:
            self.parent.learned(facts, term)

    def settled(self, token: str) -> None:
        """Hear that the service has a token back. Nobody asks for this seat again, so the store need not keep it."""
        with self.lock:
            super().settled(token)
            if self.is_abandoned and self.state.is_idle:
                self.become(change.closed)

    def _is_one_of_many(self) -> bool:
        return True

    def _abandon(self) -> None:
        self.is_abandoned = True
