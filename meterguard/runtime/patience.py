"""Patience: how a call with ``wait=`` asks, stands in a queue after a no, and asks again when it is its turn."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from ..core.causes import may_pass
from .admission import Admission
from .clock import stopwatch
from .queue import Place, Queues, Standing, Wanted
from .waits import Wait

Outcome = Admission | Exception
Attempt = Generator[Wait, Any, Outcome]


class Asks(NamedTuple):
    """The ways in which one call asks."""

    wanted: Wanted
    check_open: Callable[[], None]
    ride: Callable[[], Admission | None]
    """Returns the admission under a lease that is held already; None where there is none."""
    attempt: Callable[[], Attempt]
    """Tries all alternatives once."""


def queue_up(queues: Queues, asks: Asks, seconds: float) -> Generator[Wait, Any, tuple[Outcome, Standing | None]]:
    """Ask, and while the answer is a no wait in order for a better one. End with the place of a call in vain, too."""
    give_up = stopwatch() + seconds
    ticket, standing = queues.ticket(asks.wanted), None
    outcome = (yield from asks.attempt()) if queues.may_ask_first(asks.wanted) else asks.ride()
    while outcome is None or may_pass(outcome):
        place = queues.join(ticket, outcome)
        try:
            outcome = yield from _wait_in(place, asks, give_up)
            standing = place.standing() if may_pass(outcome) else None
        finally:
            place.leave()
        if stopwatch() >= give_up:
            break
    return outcome, standing


def _wait_in(place: Place, asks: Asks, give_up: float) -> Attempt:
    queue = place.queue
    while True:
        asks.check_open()
        delay, news = place.look()
        left = give_up - stopwatch()
        if delay > 0 and left > 0:
            yield Wait(news, min(delay, left))
            continue
        if delay > 0 and queue.denial is not None:
            return queue.denial
        outcome = yield from asks.attempt()
        if not may_pass(outcome):
            if not isinstance(outcome, Admission) or outcome.fault is not None:
                queue.dissolve()
            return outcome
        if queue.is_dissolved:
            return outcome
        place.denied(outcome)
