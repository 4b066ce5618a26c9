"""Balances of accounts, under the names by which people ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from ..account import Account
from ..ports import Usage
from ..usage import Balance, Comparison


class Book(NamedTuple):
    """One entitlement in one unit, of all licences together."""

    name: str
    unit: str
    balance: Balance


def books(accounts: Iterable[Account], free: Mapping[str, int]) -> dict[str, Book]:
    """Return the books by title: the entitlement's name, with the unit behind it for its second unit and further ones.

    :param free: by account's key, how many of the units that this process holds are in no call's hands.
    """
    found: dict[tuple[str, str], Balance] = {}
    for account in accounts:
        key, balance = (account.name, account.unit), _balance(account, free.get(account.key, 0))
        found[key] = _sum(found[key], balance) if key in found else balance
    titles = _titles(found)
    return {titles[key]: Book(*key, found[key]) for key in sorted(found)}


def compared(found: Mapping[str, Book], licensed: Iterable[Usage]) -> list[Comparison]:
    """Compare each book with what the service says. What was never drawn, as a gate's seats, is left out."""
    consumed = {(one.name, one.unit.value): one.consumed for one in licensed}
    return [
        Comparison(title, book.unit, consumed.get((book.name, book.unit)), book.balance.drawn, book.balance.pending)
        for title, book in found.items()
    ]


def _balance(account: Account, free: int) -> Balance:
    # Calls go on while the account is read, so that the two may not be of the same moment.
    free = max(0, min(free, account.held))
    return Balance(
        unit=account.unit,
        drawn=account.drawn,
        charged=account.charged,
        reserved=account.held - free,
        left=account.left + free,
        lost=account.lost,
        owed=account.credit,
        pending=sum(one.units for one in account.orders) + sum(one.units for one in account.unresolved),
    )


def _sum(one: Balance, other: Balance) -> Balance:
    return replace(
        one,
        drawn=one.drawn + other.drawn,
        charged=one.charged + other.charged,
        reserved=one.reserved + other.reserved,
        left=one.left + other.left,
        lost=one.lost + other.lost,
        owed=one.owed + other.owed,
        pending=one.pending + other.pending,
    )


def _titles(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    titles: dict[tuple[str, str], str] = {}
    ordered = sorted(keys)
    names = {name for name, _ in ordered}  # an entitlement may be called "Pages (Seconds)" itself
    for name, unit in ordered:
        title = name
        if name in titles.values():
            title = f"{name} ({unit})"
            while title in names:
                title = f"{title} ({unit})"
        titles[name, unit] = title
    return titles
