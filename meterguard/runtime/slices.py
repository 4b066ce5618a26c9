"""Slices: the units of an account that are in this process's hands, and the calls that use them.

A call reserves units, uses them, and settles. Nothing here waits or does I/O: the lock is held for a few
instructions, so that no call waits for another one's request.
"""

from __future__ import annotations

import math
import os
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
from ..ports import Clock
from ..usage import UsageKey, UsageLine, hour_of
from .agenda import Errand
from .clock import stopwatch

LOW_FOR = 60.0  # seconds in which no larger block is asked for after one was denied


class Draft(NamedTuple):
    """A batch that is to be posted, kept until it surely was."""

    batch: Batch
    usage: tuple[UsageLine, ...]


class Reservation:
    """Units, or parts of units, that one call may use. It is settled once, at the latest when it is lost."""

    __slots__ = ("is_open", "on_credit", "per_unit", "slice", "subject", "units", "used_if_lost")

    def __init__(self, part: Slice, units: int, *, on_credit: bool, per_unit: int = 1) -> None:
        self.slice = part
        self.units = units
        """So many units; so many parts where ``per_unit`` of them make one."""
        self.on_credit = on_credit
        """True for units of the overdraft."""
        self.per_unit = per_unit
        self.is_open = False
        """True while the slice counts it among those that are open."""
        self.used_if_lost = 0
        """What is charged when it is lost: nothing until its call begins, and then what the call may have used."""
        self.subject: str | None = None


class _Unsettled(Reservation):
    """One that is not settled. The others have no finalizer, in which a signal handler's exception would be lost."""

    __slots__ = ()

    def __del__(self) -> None:
        if self.is_open and self.slice.is_of_this_process():
            self.slice.settle(self, self.used_if_lost, self.subject)


class Slice:
    """The units of one account in this process. The fields are guarded by ``lock``."""

    # Not only a matter of bytes: it has more fields than Python finds fast in an object without slots.
    __slots__ = (
        "_charged",
        "_clock",
        "_credit_charged",
        "_credit_free",
        "_most",
        "_number",
        "_parts_on_credit",
        "_pid",
        "_unposted",
        "asked_at",
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

    def __init__(self, scope: str, name: str, unit: str, clock: Clock) -> None:
        self._clock = clock
        self._pid = os.getpid()
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
        self.asked_at = 0.0
        """When the licence was last asked for a block, ahead of need or not."""
        self.small = 0
        """Blocks in a row that were used up soon."""
        self._most: tuple[int, float] | None = None
        """So many units are asked for at most, and until when, since more were denied."""
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

    @property
    def in_hand(self) -> int:
        """The units that are free here, or in the hands of calls that run."""
        with self.lock:
            return self.free + self.open

    def is_of_this_process(self) -> bool:
        """False in a forked child: what is reserved there is the parent's, and a lock may be held by another thread."""
        return self._pid == os.getpid()

    # -- calls -----------------------------------------------------------------------------------

    def needed(self, amount: int, per_unit: int) -> int:
        """Return how many units must be free for a call that wants so many units, or parts."""
        return amount if per_unit == 1 else parts.missing(self.parts, Fraction(amount, per_unit))

    # Signal handlers, and with them their exceptions, come in where something is called. So all that belongs together
    # is computed first, and then written down in a few lines that call nothing.

    def reserve(self, units: int, per_unit: int = 1) -> Reservation | None:
        """Reserve units, or parts, for a call; None where fewer are free."""
        with self.lock:
            if per_unit != 1:
                return self._reserve_parts(units, per_unit)
            on_credit = self.free < units
            if on_credit and self._credit_free < units:
                return None
            reservation = _Unsettled(self, units, on_credit=on_credit)
            if on_credit:
                self._credit_free -= units
                self.credit_open += units
            else:
                self.free -= units
                self.open += units
            self.uses += 1
            reservation.is_open = True
            return reservation

    def _reserve_parts(self, amount: int, per_unit: int) -> Reservation | None:
        self.counts_parts = True
        need = Fraction(amount, per_unit)
        more, after = parts.missing(self.parts, need), parts.reserved(self.parts, need)
        on_credit = self.free < more
        if on_credit and self._credit_free < more:
            return None
        reservation = _Unsettled(self, amount, on_credit=on_credit, per_unit=per_unit)
        if on_credit:
            self._credit_free -= more
            self.credit_open += more
            self._parts_on_credit += more
        else:
            self.free -= more
            self.open += more
        self.uses += 1
        self.parts = after
        reservation.is_open = True
        return reservation

    def settle(self, reservation: Reservation, used: int, subject: str | None) -> int:
        """Charge what a call used, and take back the rest of what it had reserved. Returns the units charged."""
        line = (subject, hour_of(self._clock.wall()))
        with self.lock:
            if not reservation.is_open:
                return 0
            if reservation.per_unit != 1:
                return self._settle_parts(reservation, used, line)
            units = reservation.units
            if used:
                self._charged[line] += used
            if reservation.on_credit:
                self._credit_charged += used
                self.credit_open -= units
                self._credit_free += units - used
            else:
                self._unposted += used
                self.open -= units
                self.free += units - used
            reservation.is_open = False
            reservation.__class__ = Reservation  # pyright: ignore[reportAttributeAccessIssue] - it has the same slots
            return used

    def _settle_parts(self, reservation: Reservation, used: int, line: tuple[str | None, int]) -> int:
        per_unit, held = reservation.per_unit, self.parts.held
        done = parts.settled(self.parts, Fraction(reservation.units, per_unit), Fraction(used, per_unit))
        own = min(done.charged, held - self._parts_on_credit)  # the overdraft's units are charged last, and go first
        lent = done.charged - own
        lent_back = min(done.released, self._parts_on_credit - lent)
        own_back, charged = done.released - lent_back, done.charged
        if charged:
            self._charged[line] += charged
        self._credit_charged += lent
        self._unposted += own
        self.credit_open -= lent + lent_back
        self._credit_free += lent_back
        self.open -= own + own_back
        self.free += own_back
        self._parts_on_credit -= lent + lent_back
        self.parts = done.parts
        reservation.is_open = False
        reservation.__class__ = Reservation  # pyright: ignore[reportAttributeAccessIssue]
        return charged

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
                draft, fresh = Draft(batch, usage), defaultdict[tuple[str | None, int], int](int)
                self.draft = draft
                self._number = batch.number
                self._charged = fresh
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

    def most(self) -> int | None:
        """Return how many units to ask for at most, where more were denied a while ago."""
        most = self._most
        return most[0] if most is not None and stopwatch() < most[1] else None

    def found_low(self, most: int) -> None:
        """Note that more units than this are not left, so that the tail of a licence is found in few requests."""
        self._most = (most, stopwatch() + LOW_FOR)

    def heard(self) -> None:
        """Forget failures: the service answered."""
        self.fault, self.tries, self.next_try = None, 0, 0.0
