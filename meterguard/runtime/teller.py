"""The teller: every transaction of this process with the ledger.

Each transaction also writes off what dead processes held, and notes that this one is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from ..account import Account, Holding
from ..core import ledger as books
from ..core import messages
from ..errors import EntitlementUnavailable
from ..events import LedgerUnavailable, UnitsLost
from ..model import Entitlement
from ..ports import Ledger, Posting
from ..units import Unit
from ..usage import UsageLine
from . import owners
from .clock import stopwatch
from .publisher import Publisher
from .slices import Draft, Slice

LOOK_FOR_THE_DEAD = 1.0  # seconds between looks

Deal = Callable[[Account, float], Account]


class Teller:
    """Changes accounts for the slices of this process. Every method blocks, and raises ``LedgerFault``."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        owner: str | None = None,
        is_dead: Callable[[Holding, float], bool] = owners.is_dead,
    ) -> None:
        self.ledger = ledger
        self.publisher = publisher
        self.owner = owner or owners.new_owner()
        """The name of this till."""
        self._is_dead = is_dead
        self.in_air: set[str] = set()
        """The tokens of the orders that this process is sending."""
        self._looked_at: dict[str, float] = {}

    def deal(self, part: Slice, deal: Deal, draft: Draft | None = None) -> None:
        """Change the account of a slice, once what it used is posted."""
        me, lost = self.owner, [0]
        key = part.key
        looks = stopwatch() - self._looked_at.get(key, -LOOK_FOR_THE_DEAD) >= LOOK_FOR_THE_DEAD

        def change(account: Account | None, now: float) -> Posting:
            known = account or Account(part.scope, part.name, part.unit)
            if looks:
                known, lost[0] = books.written_off(known, lambda one: self._is_dead(one, now))
            known = books.aged(books.stranded(known, me, self.in_air.__contains__), now)
            usage: tuple[UsageLine, ...] = ()
            if draft is not None and draft.batch.number > known.holding(me).posted:  # else it was posted already
                known, usage = books.posted(known, me, draft.batch), draft.usage
            return Posting(books.seen(deal(known, now), me, now), usage)

        self.ledger.transact(key, change)
        part.confirm(draft)
        if looks:
            self._looked_at[key] = stopwatch()
        if lost[0]:
            self.publisher.tell(UnitsLost((units_of(part, lost[0]),), lost[0]))

    def take(self, part: Slice, least: int, most: int) -> tuple[int, Account]:
        """Post what was used, and take units: between ``least`` and ``most``, or none. Returns the account, too.

        A slice that counts parts also takes those that other processes left: up to one unit's, for a crash loses them.
        """
        taken, parts = [(0, Account(part.scope, part.name, part.unit))], [Fraction(0)]

        def deal(account: Account, _now: float) -> Account:
            mine = account.holding(self.owner)
            surplus, _ = part.surplus(mine.units, mine.credit)
            known, granted = account, 0
            if surplus < least:
                known, granted = books.taken(account, self.owner, least - surplus, most - surplus)
            taken[0] = (granted + surplus, known)
            if part.counts_parts:
                parts[0] = max(Fraction(0), min(Fraction(account.parts), 1 - part.parts.paid))
            return books.parted(known, -parts[0])

        with part.dealing:
            self.deal(part, deal, part.drafted())
            part.add(taken[0][0])
            part.add_parts(parts[0])
        return taken[0]

    def borrow(self, part: Slice, units: int, limit: int) -> bool:
        """Take units on credit, where the overdraft has room."""
        lent = [0]

        def deal(account: Account, _now: float) -> Account:
            mine = account.holding(self.owner)
            _, surplus = part.surplus(mine.units, mine.credit)
            known, is_lent = books.credited(account, self.owner, max(0, units - surplus), limit)
            lent[0] = max(units, surplus) if is_lent else surplus
            return known

        with part.dealing:
            self.deal(part, deal, part.drafted())
            part.add(lent[0], on_credit=True)
        return lent[0] >= units

    def post(self, part: Slice, *, give_back: bool = False) -> bool:
        """Post what was used. Returns True when there was anything.

        :param give_back: return the free units, too.
        """
        with part.dealing:
            draft = part.drafted(give_back=give_back)
            if draft is not None:
                self.deal(part, lambda account, _: account, draft)
        return draft is not None

    def leave(self, part: Slice) -> None:
        """Post everything and return all but the units of calls that still run."""
        parts = [Fraction(0)]

        def deal(account: Account, _now: float) -> Account:
            with part.lock:
                left = books.left_by(account, self.owner, part.open, part.credit_open)
            return books.parted(left, parts[0])

        with part.dealing:
            while self.post(part, give_back=True):
                pass
            parts[0] = part.spare_parts()
            self.deal(part, deal)

    def write(self, lines: Iterable[UsageLine], token: str) -> None:
        """Add to the usage, once for a token."""
        self.ledger.post(lines, token)

    def unavailable(self, part: Slice, units: int, fault: Exception) -> EntitlementUnavailable:
        """Return the error of a call that needs the ledger, and tell of it."""
        what = (units_of(part, max(units, 1)),)
        self.publisher.tell(LedgerUnavailable(what, str(fault)))
        return messages.ledger_unavailable(what, str(fault))


def units_of(part: Slice, units: int) -> Entitlement:
    """Return so many units of a slice, as an entitlement."""
    return Entitlement(part.name, units, Unit(part.unit))
