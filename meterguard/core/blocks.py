"""Sizes of blocks, where the declaration leaves them to us."""

from __future__ import annotations

BUSY = 10.0  # seconds; a block that is used up sooner is a small one
EXACT = 3  # small blocks in a row before the next one is larger: what is drawn never goes back
LARGEST = 1000  # units that are drawn at once without being told to


def in_a_row(small: int, lasted: float) -> int:
    """Return how many blocks in a row were used up soon.

    :param small: how many had been before the last one.
    :param lasted: seconds since the last one was drawn.
    """
    return small + 1 if lasted < BUSY else 0


def next_block(need: int, small: int) -> int:
    """Return how many units to draw next: as many as are needed at first, and more when they go fast."""
    return max(need, min(need << max(0, small - EXACT), LARGEST))
