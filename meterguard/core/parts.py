"""Parts of units: an author counts in parts, the licence in whole units. Exact, in fractions of a unit.

A unit is charged before its first part is used. Its other parts are paid for then, and later calls use them, so that
what was charged is always what was used, rounded up to whole units.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import NamedTuple


class Parts(NamedTuple):
    """The parts of one entitlement in one process. ``held + paid`` always covers what is reserved."""

    paid: Fraction = Fraction(0)
    """Charged, and not used."""
    reserved: Fraction = Fraction(0)
    """May be used by calls that run."""
    held: int = 0
    """Whole units that are reserved for those calls, and not charged."""


class Settlement(NamedTuple):
    """The outcome of a call that used parts."""

    parts: Parts
    charged: int
    """Whole units of those that were held."""
    released: int
    """Whole units that need not be held any more."""


def missing(parts: Parts, need: Fraction) -> int:
    """Return how many more units have to be held, so that a call may use so much."""
    return max(0, ceil(parts.reserved + need - parts.paid) - parts.held)


def reserved(parts: Parts, need: Fraction) -> Parts:
    """Let a call use so much. Its missing units are held."""
    return parts._replace(reserved=parts.reserved + need, held=parts.held + missing(parts, need))


def settled(parts: Parts, need: Fraction, used: Fraction) -> Settlement:
    """Charge what a call used of what it had reserved."""
    charged = max(0, ceil(used - parts.paid))
    paid, rest = parts.paid - used + charged, parts.reserved - need
    held = max(0, ceil(rest - paid))
    return Settlement(Parts(paid, rest, held), charged, parts.held - charged - held)


def added(parts: Parts, paid: Fraction) -> Parts:
    """Add parts that another process has paid for and not used."""
    return parts._replace(paid=parts.paid + paid)


def spare(parts: Parts) -> Fraction:
    """Return what is paid for and needed by no call that runs."""
    return max(Fraction(0), parts.paid - parts.reserved)
