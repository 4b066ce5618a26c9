"""Exact numbers, from both systems alike: what is counted is what happened at the service."""

from __future__ import annotations

import os
import threading
import time

import pytest

import meterguard
from meterguard import EntitlementDenied, EntitlementUnavailable
from meterguard.testing import Control

OK = "ok", ""


def checkouts(name, outcome, error="", count=1):
    """A checkout is in the counter and in the histogram."""
    return {(what, name, outcome, error): count for what in ("checkouts", "checkout_duration")}


def test_nothing_is_counted_before_something_happens(system, guard, counts, active):
    system.instrument(guard)
    assert counts() == {}
    assert active() == {}


def test_a_checkout_a_hundred_calls_and_a_check_in(system, lm, guard, counts, active):
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    for _ in range(100):
        guarded()
    assert counts() == checkouts("Seats", *OK)
    assert active() == {"Seats": 1}
    guard.close()
    assert counts() == checkouts("Seats", *OK) | {("check_ins", "Seats", *OK): 1}
    assert active() == {"Seats": 0}
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense")) == (1, 1)


def test_what_is_borrowed_and_given_back(system, counts, active):
    with Control({"Seats": 5, "Export": True}, borrowed=True) as control:
        system.instrument(control.guard)
        for _ in range(2):
            control.guard.borrow("Seats", 1)
        assert counts() == {("borrow_changes", "Seats", "borrowed", ""): 2}
        control.guard.return_borrowed()
        assert counts() == {("borrow_changes", "Seats", outcome, ""): 2 for outcome in ("borrowed", "returned")}
        assert active() == {}, "nothing was held"


def test_a_borrowed_licence_in_use_is_a_lease_that_cost_no_checkout_and_its_end_is_told(system, counts, active):
    with Control({"Seats": 5, "Export": True}, borrowed=True) as control:
        control.borrow("Seats", 3)
        system.instrument(control.guard)
        with control.offline(), control.guard.requires_entitlement("Seats", 1):
            assert counts() == {}
            assert active() == {"Seats": 1}
        control.clock.shift(86_400 - 1800)
        assert control.guard.has_entitlement("Seats", 2)
        assert counts() == {("borrow_changes", "Seats", "ending", ""): 1}
        assert control.calls == []


def test_entitlements_that_are_taken_together_are_one_lease(system, guard, counts, active):
    system.instrument(guard)
    with guard.requires_entitlement("Seats", 1) & guard.requires_entitlement("Export"):
        assert active() == {"Seats & Export": 1}
    assert counts() == checkouts("Seats & Export", *OK)


def test_leases_of_different_users_are_counted_together(system, guard, counts, active):
    system.instrument(guard)
    for user in "jane", "joe", "joan":
        with guard.requires_entitlement("Seats", 1, per=user):
            pass
    assert counts() == checkouts("Seats", *OK, count=3)
    assert active() == {"Seats": 3}


def test_a_denial_is_counted_once_for_each_answer_of_the_service(system, lm, new_guard, counts, active):
    guard = new_guard(denial_ttl=60)
    system.instrument(guard)
    for _ in range(5):
        with pytest.raises(EntitlementDenied), guard.requires_entitlement("Nope"):
            pass
    assert counts() == checkouts("Nope", "denied", "not_entitled")
    assert lm.calls("CheckoutLicense") == 1
    assert active() == {"Nope": 0}


def test_an_answer_that_covers_less_is_a_denial_and_what_came_goes_back(system, lm, guard, counts, active):
    system.instrument(guard)
    lm.faults.add("CheckoutLicense", partial=["Jobs"])
    with (
        pytest.raises(EntitlementDenied),
        guard.requires_entitlement("Jobs", 1) & guard.requires_entitlement("Seats", 1),
    ):
        pass
    refused = checkouts("Jobs & Seats", "denied", "covers_less")
    assert counts() == refused | {("check_ins", "Jobs & Seats", *OK): 1}
    assert active() == {"Jobs & Seats": 0}


def test_an_outage(system, lm, new_guard, counts, active, landed):
    guard = new_guard(timeout=1, on_unknown="deny")
    guard.engine.registry.exchange.service.connect()
    system.instrument(guard)
    with (
        lm.down(error="RedirectException"),
        pytest.raises(EntitlementUnavailable),
        guard.requires_entitlement("Seats", 1),
    ):
        pass
    landed(guard)
    assert counts() == checkouts("Seats", "unknown", "RedirectException")
    assert active() == {"Seats": 0}


def test_retries_within_one_checkout_are_one_checkout(system, lm, guard, counts):
    system.instrument(guard)
    lm.faults.add("CheckoutLicense", error="ServerInternalException", times=2)
    with guard.requires_entitlement("Seats", 1):
        pass
    assert lm.calls("CheckoutLicense") == 3
    assert counts() == checkouts("Seats", *OK)


def test_a_failure_without_a_code(system, lm, new_guard, counts, landed):
    guard = new_guard(timeout=0.3, on_unknown="deny")
    guard.engine.registry.exchange.service.connect()
    system.instrument(guard)
    lm.faults.add("CheckoutLicense", body="garbled", times=None)
    with pytest.raises(EntitlementUnavailable), guard.requires_entitlement("Seats", 1):
        pass
    landed(guard)
    assert counts() == checkouts("Seats", "unknown", "_OTHER")


@pytest.mark.parametrize(
    ("code", "outcome", "error"),
    [
        (None, "ok", ""),
        ("AccessDeniedException", "denied", "refused"),
        ("RedirectException", "unknown", "RedirectException"),
    ],
)
def test_a_renewal(system, lm, guard, counts, active, landed, later, code, outcome, error):
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded()
    guard.engine.registry.renewal.agenda.stop()  # which would try again
    if code:
        lm.faults.add("ExtendLicenseConsumption", error=code)
    later(3590)
    guarded()
    landed(guard)
    assert lm.calls("ExtendLicenseConsumption") == 1
    assert counts() == checkouts("Seats", *OK) | {("renewals", "Seats", outcome, error): 1}
    assert active() == {"Seats": 1}


def test_a_renewal_that_finds_the_lease_lost(system, lm, guard, counts, active, landed, later):
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded()
    lm.faults.add("ExtendLicenseConsumption", error="ResourceNotFoundException")
    later(3590)
    guarded()
    landed(guard)
    lost = {("renewals", "Seats", "lost", "ResourceNotFoundException"): 1}
    back = {("check_ins", "Seats", *OK): 1}
    assert counts() == checkouts("Seats", *OK, count=2) | lost | back, "it may be live all the same"
    assert active() == {"Seats": 1}


def test_a_lapse(system, guard, counts, active, later):
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded()
    later(3601)
    assert active() == {"Seats": 0}, "also when nobody has noticed yet"
    guarded()
    assert counts() == checkouts("Seats", *OK, count=2) | {("lapses", "Seats", "", ""): 1}
    assert active() == {"Seats": 1}


@pytest.mark.parametrize("recovers", [True, False])
def test_grace(system, lm, new_guard, counts, active, landed, later, recovers):
    guard = new_guard(grace=7200)
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded()
    later(3601)
    with lm.down(error="RedirectException"):
        guarded()
        assert active() == {"Seats": 0}
        landed(guard)
        if not recovers:
            later(3600)
            with pytest.raises(EntitlementUnavailable):
                guarded()
            landed(guard)
    if recovers:
        guarded()
        landed(guard)
    grace = {key[2]: number for key, number in counts().items() if key[0] == "grace_changes"}
    assert grace == {"entered": 1, "recovered" if recovers else "ran_out": 1}
    assert active() == {"Seats": 1 if recovers else 0}


def test_grace_begins_at_0_so_that_the_first_time_is_an_increase(system, guard):
    with guard.requires_entitlement("Export"):
        system.instrument(guard)
    with guard.requires_entitlement("Seats", 1):
        pass
    begun = {key[1:3]: number for key, number in system.samples() if key[0] == "grace_changes"}
    outcomes = "entered", "recovered", "ran_out"
    assert begun == {(name, outcome): 0 for name in ("Export", "Seats") for outcome in outcomes}


def test_a_check_in_that_fails(system, lm, guard, counts, active):
    system.instrument(guard)
    lm.faults.add("CheckInLicense", error="AccessDeniedException", times=None)
    with guard.requires_entitlement("Seats", 1, hold="call"):
        assert active() == {"Seats": 1}
    failed = {("check_ins", "Seats", "failed", "AccessDeniedException"): 1}
    assert counts() == checkouts("Seats", *OK) | failed
    assert active() == {"Seats": 0}


def test_closing_with_leases_held(system, lm, new_guard, counts, active):
    guard = new_guard()
    system.instrument(guard)
    with guard.requires_entitlement("Seats", 1), guard.requires_entitlement("Export"):
        assert active() == {"Seats": 1, "Export": 1}
    guard.close()
    assert active() == {"Seats": 0, "Export": 0}
    given_back = {key[1]: number for key, number in counts().items() if key[0] == "check_ins"}
    assert given_back == {"Seats": 1, "Export": 1}
    assert lm.calls("CheckInLicense") == 2


def test_many_threads_that_take_seats_of_their_own(system, lm, make_guard, counts, active):
    crowd = 8
    guard = make_guard(lm, lm.add_license("ACME-2", entitlements=[("Seats", crowd, "Count")]))
    system.instrument(guard)
    seat = guard.requires_entitlement("Seats", 1, hold="call")
    inside = threading.Barrier(crowd + 1)

    def call():
        with seat:
            inside.wait(30)  # all are in
            inside.wait(30)  # all were counted

    threads = [threading.Thread(target=call) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    inside.wait(30)
    assert active() == {"Seats": crowd}
    inside.wait(30)
    for thread in threads:
        thread.join()
    until = time.monotonic() + 20
    while counts().get(("check_ins", "Seats", *OK)) != crowd and time.monotonic() < until:
        time.sleep(0.01)  # what the budget of requests has put off
    assert counts() == checkouts("Seats", *OK, count=crowd) | {("check_ins", "Seats", *OK): crowd}
    assert active() == {"Seats": 0}


def test_threads_that_share_one_checkout(system, lm, guard, counts):
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    fault = lm.faults.add("CheckoutLicense", hold=True)
    threads = [threading.Thread(target=guarded) for _ in range(8)]
    for thread in threads:
        thread.start()
    lm.wait_for_calls("CheckoutLicense")
    fault.release()
    for thread in threads:
        thread.join()
    assert counts() == checkouts("Seats", *OK)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_holds_nothing_of_its_parents(system, guard, active):
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded()
    active()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            seen = [active()["Seats"]]
            guarded()
            seen.append(active()["Seats"])
            guard.close()
            seen.append(active()["Seats"])
            os.write(write, repr(seen).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "[0, 1, 0]"
    os.waitpid(pid, 0)
    assert active() == {"Seats": 1}


@pytest.fixture
def settings(lm, licence):
    """Arguments of a guard for the licence."""
    return {
        "product_sku": licence.product_sku,
        "key_fingerprint": licence.key_fingerprint,
        "endpoint_url": lm.url,
        "region_name": lm.region,
    }


def test_the_default_guard_is_followed_when_it_is_replaced(system, settings, counts, active):
    system.instrument()
    for count in 1, 2, 3:
        meterguard.configure(**settings)
        with meterguard.requires_entitlement("Seats", 1):
            assert active() == {"Seats": 1}
        given_back = {("check_ins", "Seats", *OK): count - 1} if count > 1 else {}
        assert counts() == checkouts("Seats", *OK, count=count) | given_back
    meterguard.get_guard().close()
    assert counts() == checkouts("Seats", *OK, count=3) | {("check_ins", "Seats", *OK): 3}
    assert active() == {"Seats": 0}


def test_the_default_guard_that_the_environment_makes_is_followed(system, lm, licence, counts, monkeypatch):
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    system.instrument()
    assert meterguard.has_entitlement("Export")
    assert counts() == checkouts("Export", *OK)


def test_a_default_guard_that_is_closed_and_used_again_is_heard_once(system, settings, counts):
    system.instrument()
    guard = meterguard.configure(**settings)
    guard.close()
    guard.reopen()
    with meterguard.requires_entitlement("Seats", 1):
        pass
    assert counts() == checkouts("Seats", *OK)


def test_a_guard_of_ones_own_is_not_the_default_one(system, settings, guard, counts):
    system.instrument(guard)
    meterguard.configure(**settings)
    assert meterguard.has_entitlement("Export")
    assert counts() == {}


def test_what_has_ended_counts_no_more_and_may_begin_again(system, guard, counts, active):
    end = system.instrument(guard)
    end()
    end()
    seat = guard.requires_entitlement("Seats", 1, hold="call")
    with seat:
        assert sum(active().values()) == 0
    assert counts() == {}
    system.instrument(guard)
    with seat:
        assert active() == {"Seats": 1}
    assert counts() == checkouts("Seats", *OK) | {("check_ins", "Seats", *OK): 1}


def test_leases_that_were_held_before_are_seen(system, guard, active):
    with guard.requires_entitlement("Seats", 1):
        system.instrument(guard)
        assert active() == {"Seats": 1}


def test_no_label_tells_a_secret(system, lm, licence, guard, active):
    system.instrument(guard)
    tokens = set()
    for user in "jane", "joe":
        with guard.requires_entitlement("Seats", 1, per=user) as lease:
            tokens |= {lease.token, lease.license_arn, user}
    lm.faults.add("CheckoutLicense", error="AccessDeniedException", message=licence.arn)
    with pytest.raises(EntitlementDenied), guard.requires_entitlement("Jobs", 1):
        pass
    said = repr(list(system.samples()))
    assert "Seats" in said
    assert "refused" in said
    assert [one for one in (*tokens, licence.key_fingerprint, lm.url, "111122223333") if one in said] == []
