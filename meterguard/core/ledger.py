"""The arithmetic of an account: order, land, take, post, write off. Each returns the account as it is afterwards.

Every function keeps the balance: what was drawn is charged, held by a process, left or lost. A ledger applies one or
several of them in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from ..account import Account, Holding, Order, Unresolved
from .intents import PENDING_FOR

CLOCK_SLACK = 5.0  # seconds by which the clocks of processes may differ
MOST_DEAD = 64  # holdings of dead processes that are remembered
MOST_UNRESOLVED = 100


class Batch(NamedTuple):
    """All that one process has to account for since the last batch. Posting it twice changes nothing."""

    number: int
    charged: int = 0
    returned: int = 0
    credit_charged: int = 0
    credit_returned: int = 0

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to account for."""
        return not any(self[1:])


# -- blocks ------------------------------------------------------------------------------------------


def ordered(account: Account, order: Order) -> Account:
    """Note an order before its request leaves."""
    return replace(account, orders=(*account.orders, order))


def is_fresh(account: Account, order: Order, now: float) -> bool:
    """Return True while the service surely knows the order's token; False also where a clock was set back."""
    return now >= account.latest - CLOCK_SLACK and -CLOCK_SLACK <= now - order.born < PENDING_FOR


def claimable(account: Account, now: float) -> Order | None:
    """Return the oldest order that nobody is sending and that may be sent again."""
    return next((one for one in account.orders if one.owner is None and is_fresh(account, one, now)), None)


def in_air(account: Account) -> Order | None:
    """Return an order that a process is sending."""
    return next((one for one in account.orders if one.owner is not None), None)


def claimed(account: Account, token: str, owner: str | None) -> Account:
    """Note who sends an order; None: nobody does, and anybody may."""
    return replace(
        account, orders=tuple(replace(one, owner=owner) if one.token == token else one for one in account.orders)
    )


def landed(account: Account, token: str, allowed: int) -> Account:
    """Add the units of an order that was answered. An order that was settled already adds nothing."""
    orders = tuple(one for one in account.orders if one.token != token)
    if len(orders) == len(account.orders):
        return account
    return paid(replace(account, orders=orders, drawn=account.drawn + allowed, left=account.left + allowed))


def landed_lost(account: Account, token: str, units: int) -> Account:
    """Write off the units of an order whose answer is not believed: they may be drawn, and nobody uses them."""
    after = replace(account, orders=tuple(one for one in account.orders if one.token != token))
    if len(after.orders) == len(account.orders):
        return account
    return replace(after, drawn=account.drawn + units, lost=account.lost + units)


def given_up(account: Account, tokens: Iterable[str]) -> Account:
    """Give orders up whose units may have been drawn: they stay known as unresolved."""
    old = [one for one in account.orders if one.token in set(tokens)]
    if not old:
        return account
    unresolved = (*account.unresolved, *(Unresolved(one.units, one.born) for one in old))[-MOST_UNRESOLVED:]
    return replace(account, orders=tuple(one for one in account.orders if one not in old), unresolved=unresolved)


def aged(account: Account, now: float) -> Account:
    """Give up the orders that nobody sends and that are too old to be sent again."""
    old = (one for one in account.orders if one.owner is None and not is_fresh(account, one, now))
    return given_up(account, [one.token for one in old])


def stranded(account: Account, owner: str, in_air: Callable[[str], bool]) -> Account:
    """Release the orders that a process claims, and is not sending: it was interrupted, or could not write."""
    orders = tuple(
        replace(one, owner=None) if one.owner == owner and not in_air(one.token) else one for one in account.orders
    )
    return account if orders == account.orders else replace(account, orders=orders)


# -- units -------------------------------------------------------------------------------------------


def taken(account: Account, owner: str, least: int, most: int) -> tuple[Account, int]:
    """Let a process take units, between ``least`` and ``most``; none where there are fewer than ``least``."""
    granted = min(account.left, most)
    if granted < least or granted <= 0:
        return account, 0
    holding = account.holding(owner)
    lessened = replace(account, left=account.left - granted)
    return _put(lessened, replace(holding, units=holding.units + granted, is_dead=False)), granted


def credited(account: Account, owner: str, units: int, limit: int) -> tuple[Account, bool]:
    """Let a process use units on credit, where the overdraft has room for them."""
    if account.credit + units > limit:
        return account, False
    holding = account.holding(owner)
    return _put(account, replace(holding, credit=holding.credit + units, is_dead=False)), True


def posted(account: Account, owner: str, batch: Batch) -> Account:
    """Account for what a process used and gives back.

    A process that was taken for dead posts out of what was written off as lost.
    """
    holding = account.holding(owner)
    if batch.number <= holding.posted:
        return account
    account, holding = _spent(account, replace(holding, posted=batch.number), batch.charged + batch.returned)
    account, holding = _repaid(account, holding, batch.credit_charged + batch.credit_returned)
    return paid(
        replace(
            _put(account, holding),
            charged=account.charged + batch.charged,
            left=account.left + batch.returned,
            owed=account.owed + batch.credit_charged,
        )
    )


def _spent(account: Account, holding: Holding, units: int) -> tuple[Account, Holding]:
    """Take units out of a holding, then out of what was lost. What neither has was drawn by books that are gone."""
    held = min(units, holding.units)
    lost = min(units - held, account.lost)
    unknown = units - held - lost
    account = replace(account, lost=account.lost - lost, drawn=account.drawn + unknown)
    return account, replace(holding, units=holding.units - held)


def _repaid(account: Account, holding: Holding, credit: int) -> tuple[Account, Holding]:
    held = min(credit, holding.credit)
    lost = min(credit - held, account.owed_lost)
    return replace(account, owed_lost=account.owed_lost - lost), replace(holding, credit=holding.credit - held)


def paid(account: Account) -> Account:
    """Pay what is owed out of what is left."""
    owed = min(account.owed, account.left)
    lost = min(account.owed_lost, account.left - owed)
    if not owed + lost:
        return account
    return replace(
        account,
        left=account.left - owed - lost,
        charged=account.charged + owed,
        lost=account.lost + lost,
        owed=account.owed - owed,
        owed_lost=account.owed_lost - lost,
    )


def parted(account: Account, parts: Fraction) -> Account:
    """Add parts of units that are paid for and not used; negative: a process takes them."""
    return replace(account, parts=str(Fraction(account.parts) + parts)) if parts else account


def left_by(account: Account, owner: str, still: int = 0, credit: int = 0) -> Account:
    """Let a process go that has posted everything.

    What it holds beyond what its running calls have (``still``, ``credit``) was never used, and goes back.
    """
    holding = account.holding(owner)
    back = max(0, holding.units - still)
    account = replace(account, left=account.left + back)
    kept = replace(holding, units=holding.units - back, credit=min(holding.credit, credit))
    others = tuple(one for one in account.holdings if one.owner != owner)
    is_gone = not (kept.units or kept.credit)
    return paid(replace(account, holdings=others) if is_gone else _put(account, kept))


def written_off(account: Account, is_dead: Callable[[Holding], bool]) -> tuple[Account, int]:
    """Write off as lost what dead processes hold, and release their orders. Returns how many units were lost."""
    dead = {one.owner for one in account.holdings if not one.is_dead and is_dead(one)}
    owners = {one.owner for one in account.orders if one.owner is not None} - {one.owner for one in account.holdings}
    gone = dead | {owner for owner in owners if is_dead(Holding(owner, seen=account.latest))}
    if not gone:
        return account, 0
    lost = sum(one.units for one in account.holdings if one.owner in dead)
    credit = sum(one.credit for one in account.holdings if one.owner in dead)
    holdings = tuple(
        replace(one, units=0, credit=0, is_dead=True) if one.owner in dead else one for one in account.holdings
    )
    orders = tuple(replace(one, owner=None) if one.owner in gone else one for one in account.orders)
    written = replace(account, lost=account.lost + lost, owed_lost=account.owed_lost + credit, orders=orders)
    return paid(replace(written, holdings=_without_oldest_dead(holdings))), lost


def _without_oldest_dead(holdings: tuple[Holding, ...]) -> tuple[Holding, ...]:
    dead = sorted((one for one in holdings if one.is_dead), key=lambda one: one.seen)
    forgotten = {one.owner for one in dead[: max(0, len(dead) - MOST_DEAD)]}
    return tuple(one for one in holdings if one.owner not in forgotten)


def seen(account: Account, owner: str, now: float) -> Account:
    """Note that a process is alive, and what time it is."""
    known = any(one.owner == owner for one in account.holdings)
    account = replace(account, latest=max(account.latest, now))
    return _put(account, replace(account.holding(owner), seen=now)) if known else account


def _put(account: Account, holding: Holding) -> Account:
    others: Iterable[Holding] = (one for one in account.holdings if one.owner != holding.owner)
    return replace(account, holdings=(*others, holding))
