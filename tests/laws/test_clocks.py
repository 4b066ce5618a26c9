"""Law 7: server lifetimes, and local clocks that can only shorten them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from freezegun import freeze_time

from meterguard import EntitlementUnavailable
from meterguard.core.schedule import WINDOW
from meterguard.runtime import clock

DAY = 86_400


@pytest.fixture
def only(lm):
    """One seat: a second checkout beside the first would be denied."""
    return lm.add_license("ACME-1", entitlements=[("Seats", 1, "Count")], ttl=3600)


@pytest.fixture
def seat(lm, only, make_warm):
    guard = make_warm(lm, only, on_unknown="deny", timeout=2)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    assert seat() == "ran"
    return seat


def asked(lm):
    return [request.operation for request in lm.requests]


@pytest.mark.parametrize("days", [1, -1, 400, -400])
def test_a_wall_clock_that_jumps_costs_one_renewal_and_refuses_nothing(lm, seat, days):
    with time_machine.travel(lm.clock.now() + days * DAY):
        for _ in range(50):
            assert seat() == "ran"
    assert asked(lm) == ["CheckoutLicense", "ExtendLicenseConsumption"]


def test_a_wall_clock_that_jumps_and_jumps_back_costs_one_renewal_each(lm, seat):
    with time_machine.travel(lm.clock.now() + DAY):
        assert seat() == "ran"
    for _ in range(50):
        assert seat() == "ran"
    assert asked(lm) == ["CheckoutLicense"] + ["ExtendLicenseConsumption"] * 2


def test_a_wall_clock_set_back_never_lengthens_a_lease(lm, seat):
    lm.clock.advance(3601)
    with time_machine.travel(lm.clock.now() - 3601 - DAY), lm.down(), pytest.raises(EntitlementUnavailable):
        seat()


def test_a_machine_that_slept_through_the_end_checks_out_afresh(lm, seat):
    lm.clock.advance(2 * 3600)
    with time_machine.travel(lm.clock.now()):
        assert seat() == "ran"
    assert asked(lm) == ["CheckoutLicense", "ExtendLicenseConsumption", "CheckInLicense", "CheckoutLicense"]
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_a_machine_that_slept_a_while_keeps_its_lease_to_the_wall_clocks_end(lm, seat):
    with time_machine.travel(lm.clock.now() + 1800, tick=False):
        assert seat() == "ran"
    with lm.down():  # so that it is not renewed
        with time_machine.travel(lm.clock.now() + 3599, tick=False):
            assert seat() == "ran"
        with time_machine.travel(lm.clock.now() + 3601, tick=False), pytest.raises(EntitlementUnavailable):
            seat()


@pytest.mark.parametrize("library", ["freezegun", "time-machine"])
def test_a_lease_ends_when_a_tests_clock_passes_its_end(lm, only, make_warm, library):
    now = datetime.now(UTC)
    guard = make_warm(lm, only, on_unknown="deny", timeout=2)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with freeze_time(now) if library == "freezegun" else time_machine.travel(now, tick=False) as moving:
        assert seat() == "ran"
        moving.move_to(now + timedelta(seconds=3599))
        lm.faults.add("*", status=503, times=None)
        assert seat() == "ran"
        moving.move_to(now + timedelta(seconds=3601))
        with pytest.raises(EntitlementUnavailable):
            seat()
        lm.faults.clear()


def test_freezing_time_costs_one_renewal_on_entry_and_one_on_exit(lm, seat):
    with freeze_time(datetime.now(UTC)) as frozen:
        frozen.tick(10)
        for _ in range(20):
            assert seat() == "ran"
    for _ in range(20):
        assert seat() == "ran"
    assert asked(lm) == ["CheckoutLicense"] + ["ExtendLicenseConsumption"] * 2


def test_the_hot_path_closes_within_its_window(lm, seat):
    now = lm.clock.now()
    with lm.down():
        with time_machine.travel(now + WINDOW - 1, tick=False):
            assert seat() == "ran"
        with time_machine.travel(now - DAY, tick=False), pytest.raises(EntitlementUnavailable):
            seat()


def test_a_wall_clock_that_is_held_does_not_hold_the_window_open(lm, make_warm):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=2)
    guard = make_warm(lm, licence, on_unknown="deny", timeout=2)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with time_machine.travel(datetime.now(UTC), tick=False), lm.faults.active("ExtendLicenseConsumption", status=503):
        seat()
        refused = 0
        while not refused and threading.Event().wait(0.1) is False and lm.clock.now() < lm.requests[0].at + 10:
            refused = _is_refused(seat)
        assert refused


def _is_refused(seat):
    try:
        seat()
    except EntitlementUnavailable:
        return True
    return False


def test_clocks_that_both_go_back_do_not_lengthen_a_lease(lm, only, make_warm):
    guard = make_warm(lm, only, on_unknown="deny", timeout=2)
    clock.move(DAY)
    try:
        with guard.requires_entitlement("Seats", 1, "Count") as lease:
            clock.move(-DAY)
            assert not lease.is_live
            assert guard.has_entitlement("Seats", 1)
            assert 3590 < lease.expires_in <= 3600
    finally:
        clock.move(-clock._ahead)
    assert asked(lm) == ["CheckoutLicense", "ExtendLicenseConsumption"]


def test_an_idle_lease_in_doubt_costs_no_work(lm, make_warm):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=1)
    guard = make_warm(lm, licence)
    agenda = guard.engine.registry.renewal.agenda
    looked, looks = agenda._look, []

    def look(record):
        looks.append(record)
        return looked(record)

    agenda._look = look
    with time_machine.travel(lm.clock.now() - DAY):
        guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    threading.Event().wait(1.5)  # its end by the monotonic clock, while the wall clock is a day ahead
    before = len(looks)
    threading.Event().wait(0.5)
    assert len(looks) - before <= 1


@pytest.mark.parametrize("skew", [DAY, -DAY, 7])
def test_a_service_whose_clock_is_wrong_changes_nothing(lm, only, make_guard, skew):
    guard = make_guard(lm, only)
    with lm.faults.active("*", skew=skew), guard.requires_entitlement("Seats", 1, "Count") as lease:
        assert 3590 < lease.expires_in <= 3600
        with time_machine.travel(lm.clock.now() + 10 * DAY):
            assert guard.has_entitlement("Seats", 1)
            assert 3590 < lease.expires_in <= 3600


def test_a_renewal_cut_short_by_the_licences_end_is_not_believed_longer(lm, make_guard):
    licence = lm.add_license("ACME-3", entitlements=[("Seats", 1, "Count")], ttl=3600, end=lm.clock.now() + 5400)
    guard = make_guard(lm, licence)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        assert 3590 < lease.expires_in <= 3600
        lm.clock.advance(3100)
        with time_machine.travel(lm.clock.now(), tick=False):
            guard.engine.registry.join(next(iter(guard.engine.registry.all_records()))).future.result(5)
            assert asked(lm) == ["CheckoutLicense", "ExtendLicenseConsumption"]
            assert 2290 < lease.expires_in <= 2301
