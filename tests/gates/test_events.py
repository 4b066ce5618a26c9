"""What subscribers hear of a gate's life."""

from __future__ import annotations

from datetime import UTC, datetime

from freezegun import freeze_time

from meterguard.events import LeaseCheckedIn, LeaseCheckedOut, LeaseLapsed


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
