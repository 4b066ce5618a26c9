"""Marks of low water: parts of a licence's units after which its owner wants to know."""

from __future__ import annotations

MARKS = (80, 95, 100)  # percent


def marks_passed(consumed: int, maximum: int | None) -> frozenset[int]:
    """Return the marks, in percent, that consumption has reached; none where the licence has no maximum."""
    if not maximum:
        return frozenset()
    return frozenset(mark for mark in MARKS if consumed * 100 >= maximum * mark)
