"""Laws 3 and 4 for renewals: an extension without a useful answer may have acted; a lease called lost may be live."""

from __future__ import annotations

import threading
import time

import pytest

from meterguard import AuthorizationRefused, Reason
from meterguard.events import LeaseLapsed, LeaseRenewed

TTL = 2
BEFORE_RENEWAL = 0.75 * TTL
USELESS = [
    {"drop": "after"},
    {"body": "cut"},
    {"body": "empty"},
    {"body": "garbled"},
    {"body": b"<html><body>Sign in to the hotel's network</body></html>"},
    {"strip": ["Expiration"]},
    {"lifetime": "soon"},
    {"status": 503, "applied": True},
    {"error": "ServerInternalException", "applied": True},
]


@pytest.fixture
def lapsed():
    """``lapsed(guard)``: set once a lease of it has ended."""

    def listen(guard):
        came = threading.Event()
        guard.subscribe(lambda event: came.set() if isinstance(event, LeaseLapsed) else None)
        return came

    return listen


@pytest.fixture
def most_at_once(lm):
    """``most_at_once(licence)``: a function that tells how many seats were in use at most since then."""
    done, threads = threading.Event(), []

    def begin(licence):
        most = [0]

        def watch():
            while not done.is_set():
                most[0] = max(most[0], lm.usage(licence)["Seats"])
                time.sleep(0.005)

        threads.append(threading.Thread(target=watch))
        threads[-1].start()
        return lambda: most[0]

    yield begin
    done.set()
    for thread in threads:
        thread.join()


def live_again(seat):
    """Whether calls run under a live lease again, soon."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with seat as lease:
            if lease.is_live:
                return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize("fault", USELESS, ids=str)
def test_a_lost_extension_never_takes_a_second_seat_nor_locks_its_customer_out(
    lm, skip, make_warm, lapsed, most_at_once, fault, seats
):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", seats, "Count")], ttl=TTL)
    guard = make_warm(lm, licence, timeout=3)
    seat = guard.requires_entitlement("Seats", 1, "Count")
    has_lapsed, most = lapsed(guard), most_at_once(licence)
    with lm.faults.active("ExtendLicenseConsumption", **fault), seat:
        skip(guard, BEFORE_RENEWAL)
        assert has_lapsed.wait(10)
        assert seat(lambda: "ran")() == "ran"
    assert live_again(seat)
    assert [lease.is_live for lease in guard.leases()] == [True]
    assert lm.usage(licence) == {"Seats": 1}
    assert most() == 1
    guard.close()
    assert lm.usage(licence) == {"Seats": 0}


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_grace_carries_the_calls_of_an_outage_and_one_seat_is_taken_after_it(
    lm, skip, make_warm, lapsed, most_at_once, hold
):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 2, "Count")], ttl=TTL)
    guard = make_warm(lm, licence, timeout=2)
    seat = guard.requires_entitlement("Seats", 1, "Count", hold=hold)
    has_lapsed, most = lapsed(guard), most_at_once(licence)
    with seat:
        skip(guard, BEFORE_RENEWAL)
        lm.faults.add("ExtendLicenseConsumption", drop="after")
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        with lm.down():
            assert has_lapsed.wait(10)
            if hold == "shared":
                assert seat(lambda: "ran")() == "ran"
                assert guard.decide("Seats", 1).reason is Reason.GRACE
        lm.wait_for_calls("CheckoutLicense", 1)
    if hold == "shared":
        assert live_again(seat)
        assert lm.usage(licence) == {"Seats": 1}
    assert most() == 1
    guard.close()
    assert lm.usage(licence) == {"Seats": 0}


def test_an_idle_lease_whose_extension_was_lost_goes_back_at_its_end(lm, skip, make_warm, lapsed):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=4)
    guard = make_warm(lm, licence, timeout=1, refresh_ahead=0.5)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    has_lapsed = lapsed(guard)
    with lm.faults.active("ExtendLicenseConsumption", drop="after"):
        with guard.requires_entitlement("Seats", 1, "Count"):
            skip(guard, 1.9)
            lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        assert has_lapsed.wait(10)
        lm.wait_for_calls("CheckInLicense", done=True)
    assert lm.usage(licence) == {"Seats": 0}, "long before the service would have let it lapse"
    assert seat() == "ran"


def test_closing_gives_back_what_a_lost_extension_keeps_alive(lm, skip, make_warm, lapsed):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=TTL)
    guard = make_warm(lm, licence, timeout=1)
    has_lapsed = lapsed(guard)
    with guard.requires_entitlement("Seats", 1, "Count"):
        skip(guard, BEFORE_RENEWAL)
        lm.faults.add("ExtendLicenseConsumption", drop="after")
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        with lm.down():
            assert has_lapsed.wait(10)
    guard.close()
    assert lm.usage(licence) == {"Seats": 0}


def test_work_that_goes_on_has_its_lease_extended_again(lm, skip, make_warm, lapsed):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=TTL)
    guard = make_warm(lm, licence, timeout=1)
    has_lapsed, renewed = lapsed(guard), threading.Event()
    with guard.requires_entitlement("Seats", 1, "Count", hold="call") as lease:
        guard.subscribe(
            lambda event: renewed.set() if isinstance(event, LeaseRenewed) and has_lapsed.is_set() else None
        )
        with lm.faults.active("ExtendLicenseConsumption", hold=True, applied=True):
            skip(guard, BEFORE_RENEWAL)
            assert has_lapsed.wait(10)
        assert renewed.wait(10)
        assert lease.is_live
        assert lm.calls("CheckoutLicense") == 1
    assert lm.usage(licence) == {"Seats": 0}


LOST = [
    {"error": "ValidationException"},
    {"error": "InvalidParameterValueException"},
    {"error": "ResourceNotFoundException"},
    {"error": "NoEntitlementsAllowedException"},
    {"error": "LicenseUsageException"},
    {"error": "SomethingNewException", "status": 400},
    {"error": "ValidationException", "applied": True},
]


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_lease_that_a_renewal_calls_lost_goes_back_before_another_is_taken(
    lm, skip, make_warm, most_at_once, fault, seats
):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", seats, "Count")], ttl=3)
    guard = make_warm(lm, licence, on_unknown="deny")
    most = most_at_once(licence)
    lm.faults.add("ExtendLicenseConsumption", **fault)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        skip(guard, 0.75 * 3)
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
        assert [one.is_live for one in guard.leases()] == [True] or guard.has_entitlement("Seats", 1)
        assert not lease.is_live or lease in guard.leases()
        assert lm.usage(licence) == {"Seats": 1}
    assert [one.operation for one in lm.requests][:4] == [
        "CheckoutLicense",
        "ExtendLicenseConsumption",
        "CheckInLicense",
        "CheckoutLicense",
    ]
    assert most() == 1
    guard.close()
    assert lm.usage(licence) == {"Seats": 0}


def test_a_lease_that_a_renewal_calls_lost_after_its_end_goes_back_too(lm, skip, make_warm, most_at_once, lapsed):
    """The extension took effect, and its answer came when both clocks had said that the lease was over."""
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=60)
    guard = make_warm(lm, licence, on_unknown="deny")
    most, has_lapsed = most_at_once(licence), lapsed(guard)
    fault = lm.faults.add("ExtendLicenseConsumption", hold=True, applied=True, error="ValidationException")
    with guard.requires_entitlement("Seats", 1, "Count"):
        skip(guard, 0.9 * 60)
        lm.wait_for_calls("ExtendLicenseConsumption")
        skip(guard, 0.2 * 60)
        assert has_lapsed.wait(10)
        fault.release()
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
    assert [one.operation for one in lm.requests][1:4] == [
        "ExtendLicenseConsumption",
        "CheckInLicense",
        "CheckoutLicense",
    ]
    guard.close()
    assert most() == 1
    assert lm.usage(licence) == {"Seats": 0}


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException"])
def test_a_refused_renewal_throws_nothing_away(lm, skip, make_warm, lapsed, code):
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=TTL)
    guard = make_warm(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count")
    has_lapsed = lapsed(guard)
    with seat, lm.faults.active("*", error=code):
        skip(guard, BEFORE_RENEWAL)
        lm.wait_for_calls("ExtendLicenseConsumption", 2, done=True)
        assert lm.calls("CheckInLicense") == 0
        assert has_lapsed.wait(10)
        with pytest.raises(AuthorizationRefused):
            seat.__enter__()
