"""Sizes of blocks, where the declaration leaves them to us."""

from __future__ import annotations

BUSY, IDLE = 10.0, 60.0  # seconds in which a block was used up: fast, and slowly
LARGEST = 1000  # units that are drawn at once without being told to: what is drawn never goes back


def next_block(last: int, need: int, lasted: float) -> int:
    """Return how many units to draw next: as many as are needed at first, and more when they go fast.

    :param last: units of the last block, 0 when this is the first.
    :param lasted: seconds since it was drawn.
    """
    if lasted < BUSY and last:
        return max(need, min(2 * last, LARGEST))
    return max(need, last // 2 if lasted > IDLE else last)
