"""Rate: how many requests a second background work makes, and how many it may make now.

AWS publishes no request rates for License Manager, and every process of an account counts towards whatever they are.
So background work has a pace of its own from the start, below what AWS allows for most of its APIs, and learns the
rest from throttling: each such answer halves the pace, and time without one raises it step by step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

# 20 a second renew 57,600 leases of an hour (at 0.8 of their life), six times as many as a guard holds unless told
# otherwise, and check 10,000 idle ones in within minutes. 50 at once: who has fewer leases than that waits for nothing.
USUAL = 20.0  # requests a second
BURST = 50.0  # requests
LEAST = 1.0  # requests a second, however often AWS throttles
GAIN = 0.25  # requests a second, for each second without throttling: from 1 to 20 in 76 seconds
TOGETHER = 1.0  # seconds in which throttling answers count as one, for what they answer was sent together
OF_CHECKOUTS = 0.75  # of a lowered rate, what checkouts take from it at most
AT_ONCE = 0.1  # seconds in which all is sent that should have been sent already
LONGEST_PAUSE = 30.0  # seconds, whatever an answer says


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate at one moment. Times are seconds of one clock."""

    at: float
    """The moment of which all this is true."""
    limit: float = USUAL
    """Requests a second."""
    left: float = BURST
    """Requests that may be sent now; below one, none may."""
    asked_at: float = -math.inf
    """When the last checkout was sent."""
    lowered_at: float = -math.inf
    closed_until: float = -math.inf
    """When AWS wants to be asked again."""

    @property
    def is_lowered(self) -> bool:
        """True from a throttling answer until the rate is the usual one again."""
        return self.limit < USUAL


def later(rate: Rate, now: float, pace: float = 0.0) -> Rate:
    """Return what is left later on.

    :param pace: requests a second that cannot wait, where they are more than the limit.
    """
    seconds = max(0.0, now - rate.at)
    limit = min(USUAL, rate.limit + GAIN * seconds)
    most = BURST if limit >= USUAL else limit
    return replace(rate, at=now, limit=limit, left=min(most, rate.left + max(rate.limit, pace) * seconds))


def delay(rate: Rate, pace: float = 0.0) -> float:
    """Return the seconds until a request may be sent in the background; 0.0 when it may be sent now."""
    missing = 0.0 if rate.left >= 1 else (1 - rate.left) / max(rate.limit, pace)
    return max(missing, rate.closed_until - rate.at, 0.0)


def taken(rate: Rate) -> Rate:
    """Send a request in the background."""
    return replace(rate, left=rate.left - 1)


def checked_out(rate: Rate) -> Rate:
    """Send a checkout, which never waits.

    While AWS does not throttle it makes room for one more in the background: whoever takes a seat a call, or has more
    users than seats, gives back as fast as it takes. At a lowered rate it counts like any other request, but background
    work keeps a quarter of the rate.
    """
    if not rate.is_lowered:
        return replace(rate, left=min(BURST, rate.left + 1), asked_at=rate.at)
    cost = min(1.0, OF_CHECKOUTS * rate.limit * (rate.at - rate.asked_at))
    return replace(rate, left=rate.left - cost, asked_at=rate.at)


def lowered(rate: Rate, pause: float = 0.0) -> Rate:
    """Hear that AWS throttles, and that it wants no request for so many seconds."""
    closed_until = max(rate.closed_until, rate.at + min(pause, LONGEST_PAUSE))
    if rate.at - rate.lowered_at < TOGETHER:
        return replace(rate, closed_until=closed_until)
    limit = max(LEAST, rate.limit / 2)
    return replace(rate, limit=limit, left=min(rate.left, 0.0), lowered_at=rate.at, closed_until=closed_until)


def needed(waits: Iterable[float]) -> float:
    """Return the requests a second with which each is sent in time, the most urgent one first.

    :param waits: the seconds that each of them can wait, ascending.
    """
    return max(((place + 1) / max(left, AT_ONCE) for place, left in enumerate(waits)), default=0.0)
