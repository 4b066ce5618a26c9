"""Slices: the units of an account that are in this process's hands, and the calls that use them.

A call reserves units, uses them, and settles. Nothing here waits or does I/O: the lock is held for a few
instructions, so that no call waits for another one's request.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from ..account import account_key
from ..core import parts
from ..core.ledger import Batch
from ..core.parts import Parts
from ..errors import EntitlementDenied, EntitlementUnavailable
from ..usage import UsageKey, UsageLine, hour_of
from .clock import stopwatch
from .renewal import Errand


class Draft(NamedTuple):
    """A batch that is to be posted, kept until it surely was."""

    batch: Batch
    usage: tuple[UsageLine, ...]


class Reservation:
    """Units that one call may use. It is settled once."""

    __slots__ = ("on_credit", "per_unit", "slice", "units")

    def __init__(self, owner: Slice, units: int, on_credit: bool, per_unit: int = 1) -> None:
        self.slice = owner
        self.units = units
        """Units, or parts where so many (``per_unit``) make one."""
        self.per_unit = per_unit
        self.on_credit = on_credit
        """True for units of the overdraft."""


class Slice:
    """The units of one account in this process. The fields are guarded by ``lock``."""

    # Not only a matter of bytes: it has more fields than Python finds fast in an object without slots.
    __slots__ = (
        "_charged",
        "_credit_charged",
        "_credit_free",
        "_number",
        "_parts_on_credit",
        "_unposted",
        "counts_parts",
        "credit_open",
        "dealing",
        "denial",
        "draft",
        "errand",
        "fault",
        "fetched_at",
        "free",
        "is_flush_due",
        "is_idle",
        "key",
        "lock",
        "low",
        "name",
        "next_try",
        "open",
        "parts",
        "scope",
        "size",
        "small",
        "tries",
        "unit",
        "uses",
        "uses_seen",
    )

    def __init__(self, scope: str, name: str, unit: str) -> None:
        self.key = account_key(scope, name, unit)
        self.scope = scope
        self.name = name
        self.unit = unit
        self.lock = threading.RLock()
        self.dealing = threading.RLock()
        """Held for the length of a transaction; no call that finds units free waits for it."""
        self.free = 0
        self.open = 0
        """Units of calls that run."""
        self.credit_open = 0
        self.parts = Parts()
        """Parts of units; the units that are held for them are open, too."""
        self.counts_parts = False
        self._parts_on_credit = 0
        """Units of the overdraft among those that are held."""
        self.draft: Draft | None = None
        self.is_flush_due = self.is_idle = False
        self.errand: Errand | None = None
        self.uses = self.uses_seen = 0
        """Counts reservations, so that it can be seen whether there were any."""
        self.low = 0
        """The next block is drawn when fewer units than this are free."""
        self.size = 0
        """Units of the last block that was asked for."""
        self.fetched_at = -math.inf
        self.small = 0
        """Blocks in a row that were used up soon."""
        self.denial: tuple[int, EntitlementDenied, float] | None = None
        """So many units were denied, how, and until when that is remembered."""
        self.fault: EntitlementUnavailable | None = None
        self.next_try = self.tries = 0.0
        self._number = 0
        self._credit_free = 0
        self._credit_charged = 0
        self._unposted = 0
        """Units that are charged, not on credit, and not in a draft."""
        self._charged: defaultdict[tuple[str | None, int], int] = defaultdict(int)

    # -- calls -----------------------------------------------------------------------------------

    def needed(self, amount: int, per_unit: int) -> int:
        """Return how many units must be free for a call that wants so many units, or parts."""
        return amount if per_unit == 1 else parts.missing(self.parts, Fraction(amount, per_unit))

    def reserve(self, units: int, per_unit: int = 1) -> Reservation | None:
        """Reserve units, or parts, for a call; None where fewer are free."""
        with self.lock:
            if per_unit != 1:
                return self._reserve_parts(units, per_unit)
            if self.free >= units:
                self.free -= units
                self.open += units
                self.uses += 1
                return Reservation(self, units, on_credit=False)
            if self._credit_free >= units:
                self._credit_free -= units
                self.credit_open += units
                return Reservation(self, units, on_credit=True)
            return None

    def _reserve_parts(self, amount: int, per_unit: int) -> Reservation | None:
        need, self.counts_parts = Fraction(amount, per_unit), True
        more = parts.missing(self.parts, need)
        units = self.reserve(more)
        if units is None:
            return None
        if units.on_credit:
            self._parts_on_credit += more
        self.parts = parts.reserved(self.parts, need)
        return Reservation(self, amount, units.on_credit, per_unit)

    def settle(self, reservation: Reservation, used: int, subject: str | None, now: float) -> int:
        """Charge what a call used, and take back the rest of what it had reserved. Returns the units charged.

        :param now: seconds since the epoch, which tell the hour that it is charged in.
        """
        line = (subject, hour_of(now))
        with self.lock:
            if reservation.per_unit != 1:
                return self._settle_parts(reservation, used, subject, now)
            if used:  # first, so that an interruption here leaves no use uncharged
                self._charged[line] += used
            if reservation.on_credit:
                self._credit_charged += used
                self.credit_open -= reservation.units
                self._credit_free += reservation.units - used
            else:
                self._unposted += used
                self.open -= reservation.units
                self.free += reservation.units - used
            return used

    def _settle_parts(self, reservation: Reservation, used: int, subject: str | None, now: float) -> int:
        per_unit, held = reservation.per_unit, self.parts.held
        done = parts.settled(self.parts, Fraction(reservation.units, per_unit), Fraction(used, per_unit))
        own = min(done.charged, held - self._parts_on_credit)  # the overdraft's units are charged last, and go first
        lent = done.charged - own
        back = min(done.released, self._parts_on_credit - lent)
        self.settle(Reservation(self, own + done.released - back, on_credit=False), own, subject, now)
        self.settle(Reservation(self, lent + back, on_credit=True), lent, subject, now)
        self._parts_on_credit -= lent + back
        self.parts = done.parts
        return done.charged

    def add_parts(self, paid: Fraction) -> None:
        """Add parts that were taken out of the account."""
        with self.lock:
            self.parts = parts.added(self.parts, paid)

    def spare_parts(self) -> Fraction:
        """Take out the parts that are paid for and needed by no call that runs."""
        with self.lock:
            back = parts.spare(self.parts)
            self.parts = parts.added(self.parts, -back)
            return back

    def add(self, units: int, *, on_credit: bool = False) -> None:
        """Add units that were taken out of the account."""
        with self.lock:
            if on_credit:
                self._credit_free += units
            else:
                self.free += units

    def surplus(self, held: int, credit: int) -> tuple[int, int]:
        """Return how much more this process has, by the account, than it knows of: an answer was lost, or interrupted.

        :param held: its units by the account, without those in the draft.
        :param credit: its units on credit by the account, likewise.
        """
        with self.lock:
            known = self.free + self.open + self._unposted
            on_credit = self._credit_free + self.credit_open + self._credit_charged
        return max(0, held - known), max(0, credit - on_credit)

    # -- posting ---------------------------------------------------------------------------------

    def drafted(self, *, give_back: bool = False) -> Draft | None:
        """Return what is to be posted, None when there is nothing. It stays the same until it is confirmed.

        :param give_back: return the free units, too.
        """
        with self.lock:
            if self.draft is None:
                batch, usage = self._summed(give_back)
                if batch.is_empty:
                    return None
                self.draft = Draft(batch, usage)
                self._number = batch.number
                self._charged.clear()
                self._credit_charged = self._unposted = 0
                self.free -= batch.returned
                self._credit_free -= batch.credit_returned
            return self.draft

    def _summed(self, give_back: bool) -> tuple[Batch, tuple[UsageLine, ...]]:
        used = sum(self._charged.values())
        usage = tuple(
            UsageLine(UsageKey(self.scope, self.name, self.unit, subject, hour), Decimal(units))
            for (subject, hour), units in self._charged.items()
        )
        on_credit = self._credit_charged
        returned = self.free if give_back else 0
        return Batch(self._number + 1, used - on_credit, returned, on_credit, self._credit_free), usage

    def confirm(self, draft: Draft | None) -> None:
        """Forget a draft that was posted."""
        with self.lock:
            if draft is not None and self.draft is draft:
                self.draft = None

    # -- what is known ---------------------------------------------------------------------------

    def denied(self, units: int) -> EntitlementDenied | None:
        """Return the denial of as many units or fewer that is remembered."""
        denial = self.denial
        return denial[1] if denial is not None and units >= denial[0] and stopwatch() < denial[2] else None

    def heard(self) -> None:
        """Forget failures: the service answered."""
        self.fault, self.tries, self.next_try = None, 0, 0.0
