"""The books of a guard, as a test asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from ..account import Account
from ..guard import MeterGuard
from ..ports import Ledger, Posting
from ..usage import UsageLine

__all__ = ("charged", "metered", "plain", "reserved", "story", "told", "written_off")


def charged(guard: MeterGuard, subject: str | None = None) -> Counter[str]:
    """Return the units that draws were charged for, by the entitlement's name.

    :param subject: None: of all subjects.
    """
    sums: Counter[str] = Counter()
    for line in _lines(guard, subject):
        if not line.key.is_metered:
            sums[line.key.name] += int(line.quantity)
    return sums


def metered(guard: MeterGuard, subject: str | None = None) -> Counter[str]:
    """Return what meters have written down, by name: whole numbers as ``int``."""
    sums: Counter[str] = Counter()
    for line in _lines(guard, subject):
        if line.key.is_metered:
            sums[line.key.name] += plain(line.quantity)  # type: ignore[assignment] # a number
    return sums


def plain(quantity: Decimal) -> int | Decimal:
    """Return a quantity, a whole one as ``int``."""
    return int(quantity) if quantity == quantity.to_integral_value() else quantity


def _lines(guard: MeterGuard, subject: str | None) -> list[UsageLine]:
    till = guard.till_in_use
    if till is None:
        return []
    till.postings.settle()
    lines = [line for line in _ledger(guard).usage() if line.key.scope == guard.scope]
    return [line for line in lines if subject is None or line.key.subject == subject]


def reserved(guard: MeterGuard) -> list[str]:
    """Return the units that calls have in their hands, as texts."""
    till = guard.till_in_use
    parts = [] if till is None else till.draws.slices()
    open_units = {(one.name, one.unit): one.open + one.credit_open for one in parts}
    return sorted(f"{units} {unit} of {name}" for (name, unit), units in open_units.items() if units)


def written_off(guard: MeterGuard) -> dict[str, int]:
    """Write off the units that were drawn ahead and not used, and return how many they were, by name."""
    if guard.ledger_in_use is None:
        return {}
    ledger, gone = _ledger(guard), Counter[str]()
    for account in [one for one in ledger.accounts() if one.scope == guard.scope and one.left]:
        gone[account.name] += account.left
        ledger.transact(account.key, _without_rest)
    return gone


def _without_rest(account: Account | None, _now: float) -> Posting:
    if account is None:
        raise RuntimeError("the account is gone")
    return Posting(replace(account, left=0, lost=account.lost + account.left))


def _ledger(guard: MeterGuard) -> Ledger:
    return guard.till.teller.ledger


def told(units: Mapping[str, int]) -> str:
    """Return units as a text."""
    return " and ".join(f"{value} of {name}" for name, value in units.items()) or "nothing"


def story(guard: MeterGuard, subject: str | None) -> str:
    """Return what was charged, and what is still in the hands of calls, as a text."""
    whose = {name: value for name, value in charged(guard).items() if subject is not None}
    elsewhere = f" (of all subjects: {told(whose)})" if whose else ""
    running = f"; reserved by calls that are not over: {', '.join(reserved(guard))}" if reserved(guard) else ""
    return f"charged: {told(charged(guard, subject))}{elsewhere}{running}"
