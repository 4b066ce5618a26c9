"""What subscribers hear of a gate's life."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from meterguard import EntitlementDenied, EntitlementUnavailable
from meterguard.events import EntitlementRefused, LeaseCheckedIn, LeaseCheckedOut, LeaseLapsed, ServiceUnavailable


def test_a_lease_that_a_call_finds_ended_has_lapsed(lm, guard):
    events = []
    guard.subscribe(events.append)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    with freeze_time(datetime.now(UTC)) as frozen:
        guarded()
        frozen.tick(3601)
        lm.clock.advance(3601)
        guarded()
    assert [type(event) for event in events] == [LeaseCheckedOut, LeaseLapsed, LeaseCheckedOut]


def test_a_seat_for_one_call_is_told_of_twice(guard, per_call):
    events = []
    guard.subscribe(events.append)
    per_call(lambda: "ran")()
    assert [type(event) for event in events] == [LeaseCheckedOut, LeaseCheckedIn]


def test_who_unsubscribes_hears_no_more(guard, per_call):
    events = []
    unsubscribe = guard.subscribe(events.append)
    unsubscribe()
    per_call(lambda: "ran")()
    assert events == []


def test_a_subscriber_that_fails_breaks_no_call_and_no_other_subscriber(guard, per_call, caplog):
    def failing(event):
        raise ValueError(event)

    events = []
    guard.subscribe(failing)
    guard.subscribe(events.append)
    assert per_call(lambda: "ran")() == "ran"
    assert len(events) == 2
    assert "a subscriber failed on LeaseCheckedOut" in caplog.text


@pytest.mark.parametrize(
    ("code", "error", "kind"),
    [
        ("NoEntitlementsAllowedException", EntitlementDenied, EntitlementRefused),
        ("RedirectException", EntitlementUnavailable, ServiceUnavailable),
    ],
)
def test_a_checkout_that_fails_says_how_long_it_took(lm, new_guard, code, error, kind):
    events = []
    guard = new_guard(on_unknown="deny")
    guard.subscribe(events.append)
    lm.faults.add("CheckoutLicense", error=code, latency=0.2)
    with pytest.raises(error), guard.requires_entitlement("Seats", 1):
        pass
    (event,) = events
    assert type(event) is kind
    assert 0.2 <= event.duration < 5
    assert event.renewing is False


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDeniedException", EntitlementRefused), ("RedirectException", ServiceUnavailable)]
)
def test_a_renewal_that_fails_says_that_it_was_one(lm, guard, code, kind):
    events = []
    guard.subscribe(events.append)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    with freeze_time(datetime.now(UTC)) as frozen:
        guarded()
        guard.engine.registry.renewal.agenda.stop()  # which would try again
        lm.faults.add("ExtendLicenseConsumption", error=code, latency=0.2)
        frozen.tick(3590)
        guarded()
        for future in guard.engine.registry.in_air():
            future.result(10)
    (event,) = [one for one in events if type(one) is not LeaseCheckedOut]
    assert type(event) is kind
    assert 0.2 <= event.duration < 5
    assert event.renewing is True
