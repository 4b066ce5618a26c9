"""The rate of background requests, by a clock that is a number."""

from __future__ import annotations

import pytest

from meterguard.core import rate
from meterguard.core.rate import BURST, GAIN, LEAST, LONGEST_PAUSE, USUAL, Rate

NEW = Rate(0.0)


def send(one, count):
    """Send so many at once; return the rate, and how many were sent."""
    for sent in range(count):
        if rate.delay(one):
            return one, sent
        one = rate.taken(one)
    return one, count


def sent_in(one, seconds, *, pace=0.0, checkouts=0):
    """The requests sent in so many seconds in which there is always one to send, beside checkouts a second."""
    steps, total = 100, 0
    for step in range(int(seconds * steps)):
        one = rate.later(one, one.at + 1 / steps, pace)
        for _ in range(int((step + 1) * checkouts / steps) - int(step * checkouts / steps)):
            one = rate.checked_out(one)
        one, sent = send(one, 1000)
        total += sent
    return total


def test_who_has_few_leases_waits_for_nothing():
    assert send(NEW, 1000)[1] == BURST


def test_then_they_are_spread():
    used, _ = send(NEW, 1000)
    assert rate.delay(used) == pytest.approx(1 / USUAL)
    assert sent_in(used, 10) == pytest.approx(10 * USUAL, abs=1)


def test_what_is_not_used_is_not_saved_up():
    used, _ = send(NEW, 1000)
    assert send(rate.later(used, 1e6), 1000)[1] == BURST


def test_each_checkout_makes_room_for_a_check_in():
    used, _ = send(NEW, 1000)
    assert sent_in(used, 10, checkouts=300) == pytest.approx(10 * (USUAL + 300), rel=0.01)


def test_throttling_halves_the_rate_once_for_all_that_was_sent_together():
    once = rate.lowered(NEW)
    assert (once.limit, once.left) == (USUAL / 2, 0)
    assert rate.lowered(rate.later(once, 0.5)).limit == pytest.approx(USUAL / 2, abs=GAIN)
    assert rate.lowered(rate.later(once, 1.0)).limit == pytest.approx(USUAL / 4, abs=GAIN)


def test_it_never_ends_and_recovers():
    low = NEW
    for second in range(100):
        low = rate.lowered(rate.later(low, float(second)))
    assert low.limit == LEAST
    assert 0 < rate.delay(low) <= 1 / LEAST
    assert rate.later(low, low.at + (USUAL - LEAST) / GAIN - 1).is_lowered
    assert not rate.later(low, low.at + (USUAL - LEAST) / GAIN).is_lowered


def test_at_a_lowered_rate_checkouts_come_first_and_leave_a_quarter():
    low = rate.lowered(NEW)
    alone = sent_in(low, 4)
    for checkouts in (100, 1000):
        assert alone / 5 <= sent_in(low, 4, checkouts=checkouts) <= alone / 3
    assert sent_in(low, 4, checkouts=2) == pytest.approx(alone - 4 * 2, abs=2)


def test_it_waits_as_long_as_the_answer_says_but_not_for_ever():
    assert rate.delay(rate.lowered(NEW, 7.0)) == 7.0
    assert rate.delay(rate.lowered(NEW, 1e9)) == LONGEST_PAUSE


def test_a_clock_that_goes_back_takes_nothing_away():
    assert rate.later(NEW, -100.0).left == BURST


def test_what_cannot_wait_raises_the_rate():
    used, _ = send(NEW, 1000)
    assert sent_in(used, 2, pace=300) == pytest.approx(600, rel=0.02)
    assert rate.needed([]) == 0
    assert rate.needed([10, 10, 10, 100]) == pytest.approx(0.3)
    assert rate.needed([10, *[100] * 200]) == pytest.approx(2.01)
    assert rate.needed([-5, 0, 0.5]) == pytest.approx(2 / rate.AT_ONCE)
