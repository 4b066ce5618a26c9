"""Terms of a SaaS contract: what it says about the entitlements that a gate asks for, at a moment.

A contract names no units, so that all that it counts is in ``Count``. Lines of one dimension come from several
agreements, and are added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from ..contract import Bought, Contract
from ..model import Entitlement
from ..ports import Allowed
from ..units import Unit
from .requirements import Requirement


def live_lines(contract: Contract, name: str) -> list[Bought]:
    """Return the lines of a dimension that have not ended."""
    now = contract.served_at
    return [one for one in contract.lines if one.dimension == name and (one.ends_at is None or one.ends_at > now)]


def units(contract: Contract, name: str) -> int | None:
    """Return how many units of a dimension the customer has; None where it has no such dimension that is counted."""
    counts = [Fraction(one.value) for one in live_lines(contract, name) if _is_number(one)]
    return math.floor(sum(counts)) if counts else None


def lack(contract: Contract, asked: Entitlement) -> str | None:
    """Return why a contract does not cover an entitlement; None where it does, as far as others leave units free."""
    live = live_lines(contract, asked.name)
    if not live:
        has_ended = any(one.dimension == asked.name for one in contract.lines)
        why = "has ended" if has_ended else "has no such dimension, or no longer"
        return f"the customer's contract {why}"
    if asked.is_counted:
        bought = units(contract, asked.name)
        if bought is None:
            return "the customer's contract does not count this dimension"
        return None if bought >= int(asked.value or 0) else f"the customer's contract has {bought} of it"
    if asked.value is not None:
        return None if any(one.value == asked.value for one in live) else "the customer's contract has another value"
    return None if any(_is_open(one) for one in live) else "the customer's contract says no to it"


def allowed(contract: Contract, asked: Requirement) -> tuple[Allowed, ...]:
    """Return the lines of an answer that covers what was asked, with the texts that features carry."""
    return tuple(Allowed(one.name, _text(contract, one), one.unit) for one in asked)


def end(contract: Contract, asked: Iterable[Entitlement]) -> datetime | None:
    """Return when the first of the lines ends that cover what was asked; None where none does."""
    ends = [line.ends_at for one in asked for line in live_lines(contract, one.name) if line.ends_at is not None]
    return min(ends, default=None)


def is_countable(asked: Entitlement) -> bool:
    """Return True for what a contract can answer: a feature, or a number without a unit of its own."""
    return asked.unit in (Unit.NONE, Unit.COUNT)


def _text(contract: Contract, asked: Entitlement) -> str | None:
    if asked.value is not None:
        return str(asked.value)
    texts = (one.value for one in live_lines(contract, asked.name) if isinstance(one.value, str))
    return next(texts, None)


def _is_open(line: Bought) -> bool:
    """Tell whether a line opens a feature: a yes, a number above zero, or a text."""
    return float(line.value) > 0 if _is_number(line) else bool(line.value)


def _is_number(line: Bought) -> bool:
    return isinstance(line.value, int | float) and not isinstance(line.value, bool) and math.isfinite(line.value)
