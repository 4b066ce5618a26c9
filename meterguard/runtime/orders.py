"""Orders: blocks of units, drawn from the licence into an account of the ledger.

An order is written down before its request leaves, and struck off in the transaction that adds its units. So a crash
at any moment leaves one of three things: no order, an order whose token is sent again, or an order that is too old
for that and is reported as unresolved. Units are never drawn twice for one order, and never guessed.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from uuid import uuid4

from ..account import Account, Order
from ..core import ledger as books
from ..core import messages
from ..core.coverage import drawn
from ..core.trust import ANYBODY, Trust, objection
from ..errors import EntitlementDenied, EntitlementUnavailable
from ..events import EntitlementRefused, Event, ServiceUnavailable, UnitsDrawn, UnitsLost
from ..model import Entitlement
from ..ports import CheckoutAnswer, Clock, FaultKind, LicenseService, Moment, ServiceFault
from ..reasons import Reason
from .clock import stopwatch
from .retries import may_try_again
from .slices import Slice
from .teller import Teller, units_of

LOOK_AGAIN = 0.02  # seconds between looks at an order that another process has in the air, doubling
LONGEST_LOOK = 0.3  # seconds


@dataclass(frozen=True, slots=True)
class _Step:
    """The next thing to do for an account."""

    order: Order | None = None
    """To be sent now. None: there is enough, or it has to be waited for."""
    is_enough: bool = False
    is_new: bool = True
    floor: int = 1
    """The fewest units that would help."""


@dataclass(slots=True)
class _Request:
    """An order that is being sent."""

    order: Order
    wanted: Entitlement
    may_have_acted: bool
    began: float
    sent: Moment
    """When it was sent first, as far as this process knows."""
    is_resumed: bool
    """True where another call sent it before."""


@dataclass(slots=True)
class Orders:
    """Draws blocks. Every method blocks; callers hold no lock."""

    service: LicenseService
    teller: Teller
    leaving: threading.Event
    clock: Clock
    trust: Trust = ANYBODY

    def obtain(self, part: Slice, need: int, size: int, until: float, *, ahead: bool = False) -> Exception | None:
        """Draw units until the account has as many free as are needed. Returns what stood in the way.

        :param size: how many to ask for at once; fewer, down to what is needed, where the licence has fewer left.
        :param ahead: nobody waits for them, so a no is left to those who need them.
        :raises LedgerFault: the ledger cannot be had.
        """
        began, looks, most = stopwatch(), 0, part.most()
        while not (step := self._next(part, need, size, most)).is_enough:
            if step.order is None:
                delay = min(LONGEST_LOOK, LOOK_AGAIN * 2.0 ** min(looks, 8))
                looks += 1
                if ahead or stopwatch() + delay >= until or self.leaving.wait(delay):
                    return messages.busy_elsewhere((units_of(part, max(need, 1)),))
                continue
            problem = self._sent(part, step.order, until, is_new=step.is_new)
            if isinstance(problem, EntitlementDenied) and not step.is_new:
                continue  # another call's order; this one's is still to be sent
            if _may_be_smaller(problem) and step.order.units > step.floor and not ahead:
                most = max(step.floor, step.order.units // 2)
                part.found_low(most)
                continue
            if problem is not None:
                if not (ahead and isinstance(problem, EntitlementDenied)):
                    self._tell(problem, stopwatch() - began)
                return problem
        return None

    def _next(self, part: Slice, need: int, size: int, most: int | None) -> _Step:
        """Decide in one transaction what is to be done, and claim it."""
        me, token, steps = self.teller.owner, uuid4().hex, [_Step()]

        def deal(account: Account, now: float) -> Account:
            debt = account.owed + account.owed_lost
            again = books.claimable(account, now)
            if account.left >= max(need, 1):
                steps[0] = _Step(is_enough=True)
                return account
            if again is not None:
                steps[0] = _Step(again, is_new=False)
                return books.claimed(account, again.token, me)
            if books.in_air(account) is not None:
                steps[0] = _Step()
                return account
            floor, units = 1 if debt else max(need, 1), max(size, need + debt, 1)
            order = Order(token, units if most is None else max(floor, min(units, most)), now, me)
            steps[0] = _Step(order, floor=floor)
            return books.ordered(account, order)

        self.teller.in_air.add(token)
        try:
            self.teller.deal(part, deal)
        finally:
            sent = steps[0].order
            if sent is None or sent.token != token:
                self.teller.in_air.discard(token)
        return steps[0]

    def _sent(self, part: Slice, order: Order, until: float, *, is_new: bool) -> Exception | None:
        """Send an order until something definite comes of it, and write down what came."""
        request = self._request(part, order, is_new=is_new)
        self.teller.in_air.add(order.token)
        try:
            answer = self._answer(request, until)
            return self._landed(part, request, answer)
        except ServiceFault as fault:
            self._let_go(part, request, fault)
            return messages.draw_denied(request.wanted, fault)
        finally:
            # one that is still written down as ours was interrupted: from here on it may be sent again
            self.teller.in_air.discard(order.token)

    def _request(self, part: Slice, order: Order, *, is_new: bool) -> _Request:
        now = self.clock.now()
        sent = now if is_new else Moment(order.born, now.mono)
        return _Request(order, units_of(part, order.units), not is_new, stopwatch(), sent, not is_new)

    def _answer(self, request: _Request, until: float) -> CheckoutAnswer:
        self.service.connect()
        for attempt in itertools.count():
            acted, request.may_have_acted = request.may_have_acted, True
            try:
                return self.service.draw(request.wanted, request.order.token)
            except ServiceFault as fault:
                request.may_have_acted = acted or fault.may_have_acted
                if not may_try_again(fault, attempt, until, self.leaving):
                    raise
        raise AssertionError  # for type checkers

    def _landed(self, part: Slice, request: _Request, answer: CheckoutAnswer) -> Exception | None:
        order, units = request.order, drawn(request.wanted, answer.allowed)
        why = objection(self.trust, (request.wanted,), answer, request.sent, request.is_resumed)
        land = books.landed if why is None else books.landed_lost

        def deal(account: Account, _now: float) -> Account:
            # books that were lost meanwhile know nothing of the order, but its units were drawn
            known = account if account.drawn or account.orders else books.ordered(account, order)
            return land(known, order.token, units)

        self.teller.deal(part, deal)
        if why is not None:
            self.teller.publisher.tell(UnitsLost((units_of(part, units),), units))
            return messages.distrusted_draw(request.wanted, why)
        if not units:
            return messages.drew_nothing(request.wanted)
        self.teller.publisher.tell(UnitsDrawn((units_of(part, units),), units, stopwatch() - request.began))
        return None

    def _let_go(self, part: Slice, request: _Request, fault: ServiceFault) -> None:
        """Let another call send the order again, or strike it off where it surely drew nothing."""
        token = request.order.token
        is_open = fault.kind in (FaultKind.UNKNOWN, FaultKind.UNREACHABLE, FaultKind.REFUSED)

        def deal(account: Account, _now: float) -> Account:
            if not request.may_have_acted:
                return books.landed(account, token, 0)
            # a no says nothing for sure of an earlier request with this token, whose answer was lost
            return books.claimed(account, token, None) if is_open else books.given_up(account, [token])

        self.teller.deal(part, deal)

    def _tell(self, problem: Exception, took: float) -> None:
        if isinstance(problem, EntitlementDenied):
            told: Event = EntitlementRefused(
                problem.entitlements, problem.reason, problem.code, problem.request_id, took, False
            )
        elif isinstance(problem, EntitlementUnavailable):
            told = ServiceUnavailable(problem.entitlements, problem.code, problem.request_id, took, False)
        else:
            return
        self.teller.publisher.tell(told)


def _may_be_smaller(problem: Exception | None) -> bool:
    """Tell whether fewer units might be allowed where so many were denied."""
    return isinstance(problem, EntitlementDenied) and problem.reason is Reason.NOT_ENTITLED
