"""Refills: how units come into this process, from the ledger, and from the licence where the ledger has none.

All of it runs on workers, one flight at a time for all calls that want the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..core import messages
from ..core.backoff import retry_pause
from ..core.blocks import in_a_row, next_block
from ..core.policy import Policy
from ..core.requirements import Wish
from ..errors import EntitlementDenied, EntitlementUnavailable
from ..events import UnitsOwed
from ..ports import LedgerFault
from .clock import stopwatch
from .low_water import LowWaterWatch
from .orders import Orders
from .single_flight import Flight, Landing, SingleFlight
from .slices import Slice
from .teller import Teller, units_of
from .usage import UsageSurvey
from .workers import Submit

LOOKS = 16  # how often it is tried again to take units that other processes were faster to take
PARTS = 10  # slices of a block
ALL = 2**64
ASKING = 0.8  # of the time-out, in which attempts begin
LOW = 4  # a block is fetched ahead when less than this part of one is left


@dataclass(slots=True, frozen=True)
class Limits:
    """The declared behaviour of the draws of one guard."""

    policy: Policy
    scope: str
    overdraft: Mapping[str, int]


class Refills:
    """The refills of one guard's slices."""

    def __init__(self, orders: Orders, teller: Teller, limits: Limits, submit: Submit, survey: UsageSurvey) -> None:
        self.teller = teller
        self._orders = orders
        self._limits = limits
        self._submit = submit
        self._low_water = LowWaterWatch(teller, survey)
        self.flights = SingleFlight()
        self.is_closed = False
        """True once no unit may be taken any more: what was taken is given back."""

    def refill(self, part: Slice, amount: int, wish: Wish) -> tuple[Flight, bool]:
        """Return the flight that brings units in, and True where it was this call that began it."""
        return self._fly(part, "", partial(self._refill, part, amount, wish))

    def look(self, part: Slice, need: int, wish: Wish) -> Flight:
        """Return a flight that brings in what the ledger has."""
        return self._fly(part, "", partial(self._look, part, need, wish))[0]

    def lend(self, part: Slice, amount: int, wish: Wish) -> Flight:
        """Return a flight that brings in units of the overdraft."""
        return self._fly(part, "credit", partial(self._lend, part, amount, wish))[0]

    def fetch_ahead(self, part: Slice, size: int) -> None:
        """Have the next block drawn, once for the slice that runs low."""
        part.low = 0
        if size < LOW or self._limits.policy.inline or part.denied(size) or part.fault is not None:
            return
        self._fly(part, "ahead", partial(self._fetch, part, size))

    def _fly(self, part: Slice, kind: str, work: Callable[[], Landing]) -> tuple[Flight, bool]:
        key = (part.name, part.unit, kind)
        flight, is_leader = self.flights.join(key)
        if is_leader:
            self._submit(partial(self.flights.fly, key, flight, work))
        return flight, is_leader

    # -- on a worker -----------------------------------------------------------------------------

    def _look(self, part: Slice, need: int, wish: Wish) -> Landing:
        try:
            self._take(part, need, wish)
        except LedgerFault as fault:
            return Landing(self.teller.unavailable(part, need, fault))
        return Landing()

    def _lend(self, part: Slice, amount: int, wish: Wish) -> Landing:
        units = part.needed(amount, wish.per_unit)
        try:
            self._lent(part, units)
        except LedgerFault as fault:
            return Landing(self.teller.unavailable(part, units, fault))
        return Landing()

    def _refill(self, part: Slice, amount: int, wish: Wish) -> Landing:
        """Bring units into this process, enough for so many units or parts."""
        # a little earlier than the call gives up, which then hears of it
        until = stopwatch() + ASKING * self._limits.policy.timeout
        try:
            return Landing(self._refilled(part, amount, wish, until))
        except LedgerFault as fault:
            return Landing(self.teller.unavailable(part, part.needed(amount, wish.per_unit), fault))

    def _refilled(self, part: Slice, amount: int, wish: Wish, until: float) -> Exception | None:
        for _ in range(LOOKS):
            if self.is_closed:
                return messages.closed()
            units = part.needed(amount, wish.per_unit)
            need = units - part.free
            if need <= 0 or self._take(part, need, wish):
                return None
            if part.needed(amount, wish.per_unit) < units:
                continue  # the ledger had parts that were paid for
            error = self._draw(part, need, wish, until)
            if isinstance(error, EntitlementUnavailable) and self._lent(part, units):
                return None
            if error is not None:
                return error
        return None

    def _take(self, part: Slice, need: int, wish: Wish) -> bool:
        """Take the next slice from the ledger; have the next block drawn ahead of need."""
        with part.dealing:  # in which a slice is given back for good
            return not self.is_closed and self._take_open(part, need, wish)

    def _take_open(self, part: Slice, need: int, wish: Wish) -> bool:
        size = part.size if wish.block is None else wish.block
        if not self.teller.ledger.is_shared:  # nothing is lost with this process that is not lost with its ledger
            taken, _ = self.teller.take(part, need, ALL)
            part.low = size // LOW
            return bool(taken)
        # what a crash can lose is a slice in all, with the units of the calls that run
        taken, account = self.teller.take(part, need, max(need, max(size // PARTS, 1) - part.in_hand))
        if taken and account.left + part.free <= size // LOW:
            self.fetch_ahead(part, size)
        return bool(taken)

    def _draw(self, part: Slice, need: int, wish: Wish, until: float) -> Exception | None:
        """Draw the next block, unless the service was asked a moment ago in vain."""
        if part.fault is not None and stopwatch() < part.next_try:
            return part.fault
        now = stopwatch()
        part.small = in_a_row(part.small, now - part.fetched_at)
        part.size = wish.block or next_block(need, part.small)
        part.fetched_at = part.asked_at = now
        error = self._orders.obtain(part, need, part.size, until)
        self._note(part, need, error)
        return error

    def _note(self, part: Slice, need: int, error: Exception | None) -> None:
        if isinstance(error, EntitlementUnavailable):
            part.fault = error
            part.next_try = stopwatch() + retry_pause(int(part.tries), random.random())
            part.tries += 1
            return
        part.heard()
        self._look_at_the_licence(part, error)
        if isinstance(error, EntitlementDenied):
            part.denial = (need, error, stopwatch() + self._limits.policy.denial_ttl)

    def _lent(self, part: Slice, units: int) -> bool:
        limit = self._limits.overdraft.get(part.name, 0)
        if not limit or not self.teller.borrow(part, units, limit):
            return False
        self.teller.publisher.tell(UnitsOwed((units_of(part, units),), units))
        return True

    def _fetch(self, part: Slice, size: int) -> Landing:
        until = stopwatch() + self._limits.policy.timeout
        part.asked_at = stopwatch()
        try:
            error = self._orders.obtain(part, size // LOW + 1, size, until, ahead=True)
        except LedgerFault as fault:
            return Landing(self.teller.unavailable(part, size, fault))
        self._look_at_the_licence(part, error)
        if isinstance(error, EntitlementDenied):
            part.denial = (size, error, stopwatch() + self._limits.policy.denial_ttl)
        return Landing(error)

    def _look_at_the_licence(self, part: Slice, error: Exception | None) -> None:
        if not self._limits.policy.inline:
            since = stopwatch() if error is None else 0.0  # nothing was drawn: what is known will do
            self._submit(partial(self._low_water.look, part, since))
