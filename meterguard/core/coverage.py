"""Coverage: what the lines of an answer cover of what was asked."""

from __future__ import annotations

from ..model import Entitlement
from ..ports import Allowed
from .requirements import Requirement


def uncovered(asked: Requirement, allowed: tuple[Allowed, ...]) -> Requirement:
    """The entitlements that an answer leaves out. A line without a value or unit means as asked."""
    return tuple(one for one in asked if not any(_covers(line, one) for line in allowed))


def _covers(line: Allowed, asked: Entitlement) -> bool:
    if not _is_about(line, asked):
        return False
    if line.value is None or asked.value is None:
        return True
    if not asked.is_counted:
        return line.value == asked.value
    whole = line.value.isascii() and line.value.isdigit() and len(line.value) < 20
    return whole and int(line.value) >= int(asked.value)


def drawn(asked: Entitlement, allowed: tuple[Allowed, ...]) -> int:
    """Return how many units an answer to a draw gave, never more than were asked for.

    Units that came cannot be returned, so fewer than asked count too. A line without a value or unit means as asked.
    """
    most = int(asked.value or 0)
    return max((_units(line, most) for line in allowed if _is_about(line, asked)), default=0)


def _is_about(line: Allowed, asked: Entitlement) -> bool:
    return line.name == asked.name and (line.unit is None or line.unit is asked.unit)


def _units(line: Allowed, most: int) -> int:
    if line.value is None:
        return most
    is_whole = line.value.isascii() and line.value.isdigit() and len(line.value) < 20
    return min(most, int(line.value)) if is_whole else 0
