"""Postings: what was used is seen by others soon, and what is not used goes back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterguard.usage import DAY, UsageKey, UsageLine


@pytest.fixture
def pair(lm, licence, make_guard, tmp_path):
    """Two guards over one ledger, as two processes have."""
    return [make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db") for _ in range(2)]


def wait_until(look):
    deadline = time.monotonic() + 10
    while not look() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert look()


def use(guard, times=1):
    for _ in range(times):
        with guard.consumes_entitlement("Pages", 1, block=100):
            pass


def test_others_see_soon_what_was_used(pair):
    use(pair[0], 3)
    wait_until(lambda: pair[1].ledger.summary()["Pages"].charged == 3)


def test_units_that_nobody_uses_go_back(pair):
    use(pair[0])
    assert pair[0].ledger.summary()["Pages"].left == 99
    wait_until(lambda: pair[1].ledger.summary()["Pages"].reserved == 0)
    use(pair[1], 99)
    assert pair[1].ledger.summary()["Pages"].charged == 100


def test_close_gives_everything_back(lm, pair):
    use(pair[0], 7)
    pair[0].close()
    found = pair[1].ledger.summary()["Pages"]
    assert (found.charged, found.reserved, found.left) == (7, 0, 93)
    assert lm.calls("CheckoutLicense") == 1


def test_a_call_that_outlives_its_guard_is_charged(pair):
    draw = pair[0].consumes_entitlement("Pages", 5, block=100)
    admission = draw.enter()
    pair[0].close()
    assert pair[1].ledger.summary()["Pages"].reserved == 5
    admission.release()
    found = pair[1].ledger.summary()["Pages"]
    assert (found.charged, found.reserved, found.left) == (5, 0, 95)


def test_what_was_drawn_before_is_used_up_first(lm, licence, make_guard, tmp_path):
    for _ in range(5):
        guard = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db")
        use(guard, 14)
        guard.close()
    assert lm.calls("CheckoutLicense") == 1
    assert lm.usage(licence)["Pages"] == 100


def test_old_hours_become_days_when_it_is_time(pair):
    use(pair[0])
    till = pair[0].till
    hour = int(time.time() // 3600 * 3600)
    keys = [UsageKey(till.draws.limits.scope, "Pages", "Count", None, hour - 60 * DAY + 3600 * n) for n in range(48)]
    till.teller.write([UsageLine(key, Decimal(1)) for key in keys], "a token")
    till.postings._compaction._done_at -= 7200
    use(pair[0])
    since = datetime.now(UTC) - timedelta(days=70)
    until = datetime.now(UTC) - timedelta(days=40)
    wait_until(lambda: len(pair[1].ledger.records(since, until)) <= 3)
    assert sum(one.quantity for one in pair[1].ledger.records(since, until)) == 48
