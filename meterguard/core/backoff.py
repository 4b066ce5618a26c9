"""Delays between attempts: while a caller waits, and in the background."""

from __future__ import annotations

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds, between attempts that a caller waits for
RENEWAL_PAUSE = 5.0  # seconds between questions in the background that got no answer, at most


def pause(attempt: int, draw: float) -> float:
    """Return the seconds before the attempt after ``attempt`` (from 0): exponential, with full jitter."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * float(2 ** min(attempt, 16))) * draw


def retry_pause(tries: int, draw: float) -> float:
    """Return the seconds until a question in the background may be asked again: doubling, with some jitter."""
    return min(RENEWAL_PAUSE, 0.1 * 2.0 ** min(tries, 16)) * (0.75 + draw / 2)
