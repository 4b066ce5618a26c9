"""Where no thread of ours may run, as on AWS Lambda between invocations: calls do what is due, on their own thread."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

import pytest
import time_machine

from meterguard import EntitlementDenied, EntitlementUnavailable
from meterguard.core import terms
from meterguard.runtime import engine


@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "export")


@pytest.fixture
def threads():
    """``threads()``: those of ours."""
    before = set(threading.enumerate())
    return lambda: [one for one in set(threading.enumerate()) - before if one.name.startswith("meterguard")]


def test_a_lease_in_use_is_renewed_by_the_call_that_finds_it_due(lm, skip, make_guard, threads):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=2)
    guard = make_guard(lm, licence, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    for renewals in range(3):
        assert seat() == "ran"
        skip(guard, 1.5)
        while lm.calls("ExtendLicenseConsumption") == renewals:
            assert seat() == "ran"
            time.sleep(0.02)
    assert lm.calls("CheckoutLicense") == 1, "it never ended"
    assert lm.calls("ExtendLicenseConsumption") >= 2
    assert threads() == []


def test_every_way_to_ask_needs_no_thread(lm, guard, threads):
    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    async def coroutine():
        return lm.usage("ACME-1")["Seats"]

    assert asyncio.run(coroutine()) == 1
    assert guard.has_entitlement("Seats", 3)
    with pytest.raises(EntitlementDenied):
        guard.requires_entitlement("Seats", 4, "Count").__enter__()
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        assert lease.is_live
    assert threads() == []
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_in_grace_few_calls_ask_and_each_asks_once(lm, skip, make_warm, monkeypatch):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=1)
    monkeypatch.setattr(engine, "SHORT_WAIT", 0.3)
    guard = make_warm(lm, licence, grace=600)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat()
    with lm.down():
        skip(guard, 1)
        while guard.leases():
            time.sleep(0.05)
        seat()  # finds out, and tries again for as long as a call that could be in grace waits
        asked, most = lm.calls("CheckoutLicense"), 0
        for _ in range(200):
            assert seat() == "ran"
            now = lm.calls("CheckoutLicense")
            most, asked = max(most, now - asked), now
            time.sleep(0.005)
    assert most == 1


@pytest.mark.parametrize("days", [0, -1, -400])
def test_a_wall_clock_that_is_held_or_set_back_lengthens_no_lease(lm, make_warm, threads, monkeypatch, days):
    monkeypatch.setattr(terms, "CLOCK_TOLERANCE", 1)  # as much of this lease as two seconds are of most
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=2)
    guard = make_warm(lm, licence, on_unknown="deny", timeout=0.5)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with time_machine.travel(lm.clock.now(), tick=False) as wall:
        assert seat() == "ran"
        began = time.monotonic()
        wall.shift(timedelta(days=days))
        with lm.down(), pytest.raises(EntitlementUnavailable):
            [seat() for _ in iter(lambda: time.monotonic() < began + 20, False)]
        assert time.monotonic() - began < 2 + 8, "its lifetime, and a call that found out"
        assert seat() == "ran", "by renewing it, or by a checkout once it went back"
        asked = lm.calls("ExtendLicenseConsumption")
        while lm.calls("ExtendLicenseConsumption") == asked and time.monotonic() < began + 20:
            assert seat() == "ran"
    assert lm.calls("ExtendLicenseConsumption") > asked, "the next one is renewed in time as well"
    assert lm.usage("ACME-2") == {"Seats": 1}
    assert threads() == []
