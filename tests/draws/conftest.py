"""What the tests of draws share: a licence with units to use up, and threads that start together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard import MeterGuardError


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Pages", 1000, "Count"), ("Words", 1_000_000, "Count")])


@pytest.fixture
def guard(lm, licence, make_guard):
    return make_guard(lm, licence, denial_ttl=0)


@pytest.fixture
def books(lm, licence):
    """``books(guard)``: the balance of Pages, which has to agree with the service's own books."""

    def balance(guard, name="Pages"):
        before = lm.usage(licence)[name]
        found = guard.ledger.summary()[name]
        assert found.drawn == found.charged + found.reserved + found.left + found.lost
        assert found.drawn <= lm.usage(licence)[name]
        assert before <= found.drawn + found.pending  # the next block may be on its way
        return found

    return balance


@pytest.fixture
def checkouts(lm):
    """``checkouts()``: how often the service was asked for units."""
    return lambda: lm.calls("CheckoutLicense")


@pytest.fixture
def together():
    """``together(n, fn)``: the outcomes (value or exception) of ``n`` threads that call ``fn`` at one moment."""

    def run(count, fn):
        barrier = threading.Barrier(count)

        def one(index):
            barrier.wait()
            try:
                return fn(index)
            except MeterGuardError as raised:
                return raised

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    return run


@pytest.fixture
def move(lm):
    """``move(seconds)``: let time go on for the service and for this process, or set this process's clock back."""
    import time
    from unittest.mock import patch

    real, ahead = time.time, [0.0]
    with patch.object(time, "time", lambda: real() + ahead[0]):

        def shift(seconds):
            ahead[0] += seconds
            if seconds > 0:
                lm.clock.advance(seconds)

        yield shift
