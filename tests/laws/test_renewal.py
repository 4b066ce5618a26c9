"""Renewal: ahead of the end, off the request path, one at a time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from meterguard.events import LeaseRenewed


@pytest.mark.timeout(90)
def test_a_lease_of_2_s_under_steady_load_for_8_s(lm, make_guard):
    """No call fails or waits for a renewal, and there are never two renewals at once."""
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=2)
    # early, so that a machine that does something else as well is not late
    guard = make_guard(lm, licence, refresh_ahead=0.7, on_unknown="deny")
    gate = guard.requires_entitlement("Seats", 1, "Count")
    covered = threading.local()

    @gate
    def plain():
        return threading.get_ident()

    @gate
    async def coroutine():
        return "ran"

    # a renewal that takes 200 ms, so that a call which waited for one would be seen to
    lm.faults.add("ExtendLicenseConsumption", latency=0.2, times=None)
    plain()
    renewing = threading.Event()
    guard.subscribe(lambda event: renewing.set() if isinstance(event, LeaseRenewed) else None)
    end = time.monotonic() + 8
    outcomes = []

    def load():
        count = waited = 0
        while time.monotonic() < end:
            extends = lm.calls("ExtendLicenseConsumption")
            began = time.monotonic()
            assert plain() == threading.get_ident()
            took = time.monotonic() - began
            count += 1
            # a call that waited for a renewal takes as long as one, while one is in the air
            waited += took > 0.15 and lm.calls("ExtendLicenseConsumption") >= extends
            time.sleep(0.002)
        outcomes.append((count, waited))

    async def tasks():
        async def one():
            while time.monotonic() < end:
                assert await coroutine() == "ran"
                await asyncio.sleep(0.005)

        await asyncio.gather(*(one() for _ in range(5)))

    threads = [threading.Thread(target=load) for _ in range(4)]
    threads.append(threading.Thread(target=lambda: asyncio.run(tasks())))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    del covered
    assert len(outcomes) == 4, "no call failed"
    assert sum(waited for _, waited in outcomes) == 0
    assert lm.calls("CheckoutLicense") == 1, "it never ended"
    extends = [request for request in lm.requests if request.operation == "ExtendLicenseConsumption"]
    assert max(request.in_flight for request in extends) == 1
    assert 8 / 2 - 1 <= len(extends) <= 8 / (2 * 0.3) + 1


def test_work_that_outlasts_its_lease_is_renewed_under_it(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=1)
    for hold in ("shared", "call"):
        guard = make_guard(lm, licence, refresh_ahead=0.7)
        lm.requests.clear()
        with guard.requires_entitlement("Seats", 1, "Count", hold=hold) as lease:
            lm.wait_for_calls("ExtendLicenseConsumption", 2, done=True)
            assert lease.is_live
            assert lm.usage("ACME-2") == {"Seats": 1}
        guard.close()
        assert lm.calls("CheckoutLicense") == 1


@pytest.mark.parametrize("code", ["ServerInternalException", "ExpiredTokenException", "AccessDeniedException"])
def test_a_failing_renewal_is_tried_again_until_it_works(lm, skip, make_warm, code):
    """Credentials rotate, and IAM policies are mended."""
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=8)
    guard = make_warm(lm, licence, timeout=1, refresh_ahead=0.9, on_unknown="deny")
    renewed = threading.Event()
    guard.subscribe(lambda event: renewed.set() if isinstance(event, LeaseRenewed) else None)
    lm.faults.add("ExtendLicenseConsumption", error=code, times=2)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        skip(guard, 2.6)
        assert renewed.wait(30)
        assert lease.is_live
    assert lm.calls("CheckoutLicense") == 1
    assert lm.calls("ExtendLicenseConsumption") >= 3


def test_a_renewed_token_is_the_one_that_goes_back(lm, licence, make_guard):
    import time_machine

    guard = make_guard(lm, licence)
    with guard.requires_entitlement("Seats", 1, "Count") as lease, time_machine.travel(lm.clock.now() + 90_000):
        guard.has_entitlement("Seats", 1)
        assert lm.calls("ExtendLicenseConsumption") == 1
        assert lease.is_live
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}
