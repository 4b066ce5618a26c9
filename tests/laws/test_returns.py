"""Law 4 when check-ins fail: what could not be given back is tried again until the service has it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from meterguard import EntitlementUnavailable
from meterguard.core import backoff
from meterguard.events import CheckInFailed, LeaseCheckedIn
from meterguard.runtime import exchange, returns


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    """Attempts that follow each other at once end sooner, and those in the background come sooner."""
    for module in (returns, exchange):
        monkeypatch.setattr(module, "SERIES", 0.5)
    monkeypatch.setattr(backoff, "RENEWAL_PAUSE", 0.5)


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=60)


@pytest.fixture
def heard():
    """``heard(guard, kind)``: set once such an event came."""

    def hear(guard, kind):
        came = threading.Event()
        guard.subscribe(lambda event: came.set() if isinstance(event, kind) else None)
        return came

    return hear


FAILURES = [
    {"status": 503},
    {"error": "ServerInternalException"},
    {"error": "ConflictException"},
    {"error": "RateLimitExceededException"},
    {"error": "AccessDeniedException"},
    {"error": "ExpiredTokenException"},
    {"error": "ValidationException"},
    {"error": "InvalidParameterValueException"},
    {"drop": "before"},
    {"drop": "after"},
]


@pytest.mark.parametrize("fault", FAILURES, ids=str)
def test_a_failed_check_in_is_tried_again_in_the_background(lm, licence, make_guard, heard, fault):
    guard = make_guard(lm, licence)
    failed, returned = heard(guard, CheckInFailed), heard(guard, LeaseCheckedIn)
    with lm.faults.active("CheckInLicense", **fault):
        assert guard.requires_entitlement("Seats", 1, hold="call")(lambda: "ran")() == "ran"
        assert failed.wait(10)
    assert returned.wait(10)
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert guard.leases() == []


def test_a_failed_check_in_is_told_once(lm, licence, make_guard, heard):
    guard = make_guard(lm, licence)
    events = []
    guard.subscribe(events.append)
    with lm.faults.active("CheckInLicense", error="AccessDeniedException"):
        guard.requires_entitlement("Seats", 1, hold="call")(lambda: "ran")()
        lm.wait_for_calls("CheckInLicense", 4, done=True)
    guard.close()
    assert [type(event) for event in events].count(CheckInFailed) == 1
    assert [type(event) for event in events].count(LeaseCheckedIn) == 1


def test_the_next_call_returns_the_seat_before_it_takes_one(lm, licence, make_guard):
    guard = make_guard(lm, licence, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, hold="call")(lambda: lm.usage("ACME-1"))
    fault = lm.faults.add("CheckInLicense", status=503, times=None)
    assert seat() == {"Seats": 1}
    releaser = threading.Timer(1, lm.faults.remove, (fault,))
    releaser.start()
    assert seat() == {"Seats": 1}
    releaser.join()
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_one_that_comes_back_beside_a_denied_checkout_is_there_for_it(lm, licence, make_guard, heard):
    guard = make_guard(lm, licence, on_unknown="deny")
    returned = heard(guard, LeaseCheckedIn)
    seat = guard.requires_entitlement("Seats", 1, hold="call")(lambda: lm.usage("ACME-1"))
    failing = lm.faults.add("CheckInLicense", status=503, times=None)
    assert seat() == {"Seats": 1}
    denied = lm.faults.add("CheckoutLicense", error="NoEntitlementsAllowedException", hold=True)
    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(seat)
        lm.wait_for_calls("CheckoutLicense", 2)
        lm.faults.remove(failing)
        assert returned.wait(20)
        denied.release()
        assert called.result(20) == {"Seats": 1}


def test_a_seat_of_ours_that_cannot_be_returned_makes_a_denial_unknown(lm, licence, make_warm):
    guard = make_warm(lm, licence, on_unknown="deny", timeout=2)
    seat = guard.requires_entitlement("Seats", 1, hold="call")(lambda: "ran")
    with lm.faults.active("CheckInLicense", status=503):
        assert seat() == "ran"
        with pytest.raises(EntitlementUnavailable):
            seat()
    assert seat() == "ran"


def test_other_units_do_not_wait_for_it(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count"), ("Jobs", 1, "Count")], ttl=60)
    guard = make_guard(lm, licence, on_unknown="deny")
    with lm.faults.active("CheckInLicense", status=503):
        guard.requires_entitlement("Seats", 1, hold="call")(lambda: "ran")()
        asked = lm.calls("CheckoutLicense")
        assert guard.requires_entitlement("Jobs", 1)(lambda: "ran")() == "ran"
        assert lm.calls("CheckoutLicense") == asked + 1


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_later_close_gives_back_what_the_first_could_not(lm, licence, make_guard, hold):
    guard = make_guard(lm, licence)
    with lm.faults.active("CheckInLicense", status=503):
        guard.requires_entitlement("Seats", 1, hold=hold)(lambda: "ran")()
        guard.close()
        assert lm.usage("ACME-1") == {"Seats": 1}
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}
    asked = lm.calls("CheckInLicense")
    guard.close()
    assert lm.calls("CheckInLicense") == asked, "nothing is left to give back"


def test_a_later_close_settles_a_lost_checkout(lm, licence, make_warm, landed):
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            guard.requires_entitlement("Seats", 1)(lambda: "ran")()
        landed(guard)
        guard.close()
        assert lm.usage("ACME-1") == {"Seats": 1}
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_where_no_thread_may_run_the_next_call_returns_it(lm, licence, make_guard, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "export")
    guard = make_guard(lm, licence, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, hold="call")(lambda: lm.usage("ACME-1"))
    with lm.faults.active("CheckInLicense", status=503):
        assert seat() == {"Seats": 1}
    assert seat() == {"Seats": 1}
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_check_in_that_nothing_is_found_for_is_done(lm, licence, make_guard):
    guard = make_guard(lm, licence)
    lm.faults.add("CheckInLicense", error="ResourceNotFoundException", times=None)
    guard.requires_entitlement("Seats", 1, hold="call")(lambda: "ran")()
    guard.close()
    assert lm.calls("CheckInLicense") == 1


def test_an_explicit_close_gives_back_whatever_is_said_of_the_exit(lm, licence, make_guard):
    for close in (lambda guard: guard.close(), lambda guard: guard.__exit__(None, None, None)):
        guard = make_guard(lm, licence, check_in_on_exit=False)
        guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
        assert lm.usage("ACME-1") == {"Seats": 1}
        close(guard)
        assert lm.usage("ACME-1") == {"Seats": 0}


def test_with_a_short_time_out_a_seat_that_is_free_is_taken_all_the_same(lm, make_warm):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 2, "Count")], ttl=60)
    guard = make_warm(lm, licence, on_unknown="deny", timeout=1)
    seat = guard.requires_entitlement("Seats", 1, hold="call")(lambda: "ran")
    with lm.faults.active("CheckInLicense", status=503):
        assert [seat(), seat()] == ["ran", "ran"]
    guard.close()
    assert lm.usage(licence) == {"Seats": 0}


def test_a_lease_that_a_late_renewal_names_anew_goes_back_too(lm, licence, skip, make_guard):
    """The call has ended and has given its seat back under the old token while the renewal was in the air."""
    asked, given_back = threading.Event(), threading.Event()
    client = boto3.client("license-manager", region_name=lm.region, endpoint_url=lm.url)
    another = {
        "ProductSKU": "ACME-1",
        "KeyFingerprint": licence.key_fingerprint,
        "CheckoutType": "PROVISIONAL",
        "Entitlements": [{"Name": "Seats", "Value": "1", "Unit": "Count"}],
        "ClientToken": "another",
    }

    def name_anew(parsed, **_):
        asked.set()
        assert given_back.wait(20)
        parsed["LicenseConsumptionToken"] = client.checkout_license(**another)["LicenseConsumptionToken"]

    client.meta.events.register("after-call.license-manager.ExtendLicenseConsumption", name_anew)
    guard = make_guard(lm, licence, client=client, endpoint_url=None, region_name=None)
    with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
        skip(guard, 0.9 * 60)
        assert asked.wait(20)
    lm.wait_for_calls("CheckInLicense", 1, done=True)
    given_back.set()
    lm.wait_for_calls("CheckInLicense", 2, done=True)
    assert lm.usage(licence) == {"Seats": 0}
