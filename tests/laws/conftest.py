"""What the law tests share: one licence with three seats and a feature, and threads that start together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard.testing import Clock


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")], ttl=3600)


@pytest.fixture
def guard(lm, licence, make_guard):
    return make_guard(lm, licence)


@pytest.fixture
def together():
    """``together(n, fn)``: the outcomes (value or exception) of ``n`` threads that call ``fn`` at one moment."""

    def run(count, fn):
        barrier = threading.Barrier(count)

        def one(index):
            barrier.wait()
            try:
                return fn()
            except Exception as raised:  # noqa: BLE001 - the outcome, whatever it is
                return raised

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    return run


@pytest.fixture
def make_warm(make_guard):
    """A guard whose client is made already, for tests with a time-out shorter than that takes on a busy machine."""

    def make(lm, licence, **options):
        guard = make_guard(lm, licence, **options)
        guard.engine.registry.exchange.service.connect()
        return guard

    return make


@pytest.fixture
def skip(lm):
    """``skip(guard, seconds)``: let seconds pass in which nothing is due, and have leases looked at from there on.

    The last part of a lease's life then takes its real time. Asked for before ``make_warm``, it ends after guards do.
    """
    clock = Clock(lm)

    def past(guard, seconds):
        clock.shift(seconds)
        for record in guard.engine.registry.all_records():
            guard.engine.registry.renewal.watch(record)

    yield past
    clock.restore()


@pytest.fixture
def landed():
    """``landed(guard)``: wait until nothing it asked is in the air, also what its callers gave up on."""

    def wait(guard):
        for future in guard.engine.registry.in_air():
            future.result(10)

    return wait
