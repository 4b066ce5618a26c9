"""Law 3: a retry re-sends its ClientToken; a lost answer never takes a second seat."""

from __future__ import annotations

import pytest

from meterguard import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable


def tokens(lm):
    return [request.client_token for request in lm.requests if request.operation == "CheckoutLicense"]


@pytest.fixture
def seat(guard):
    return guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")


LOST = [
    {"drop": "after"},
    {"drop": "before"},
    {"body": "garbled"},
    {"body": "cut"},
    {"body": "empty"},
    {"strip": ["LicenseConsumptionToken"]},
    {"status": 503, "applied": True},
    {"error": "ServerInternalException", "applied": True},
    {"error": "ServerInternalException"},
    {"error": "RateLimitExceededException"},
    {"error": "RateLimitExceededException", "status": 429},
    {"error": "ThrottlingException"},
    {"status": 504},
]


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_lost_answer_is_asked_for_again_with_the_same_token(lm, seat, fault):
    lm.faults.add("CheckoutLicense", times=2, **fault)
    assert seat() == "ran"
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert len(tokens(lm)) == 3
    assert len(set(tokens(lm))) == 1


def test_an_intent_that_ended_unknown_is_taken_up_by_the_next_call(lm, licence, make_warm, landed):
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            seat()
        landed(guard)
    assert seat() == "ran"
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert len(set(tokens(lm))) == 1


def test_new_intents_have_new_tokens(lm, licence, make_warm):
    guard = make_warm(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    for _ in range(3):
        seat()
    assert len(set(tokens(lm))) == 3


def test_calls_with_seats_of_their_own_take_up_lost_ones_one_each(lm, licence, make_warm, together, landed):
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    with lm.faults.active("CheckoutLicense", drop="after"):
        assert [type(outcome) for outcome in together(3, seat)] == [EntitlementUnavailable] * 3
        landed(guard)
    assert lm.usage("ACME-1") == {"Seats": 3}
    lost = set(tokens(lm))
    assert together(3, seat) == ["ran"] * 3
    assert set(tokens(lm)) == lost
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_an_intent_too_old_for_the_service_to_know_is_dropped(lm, licence, make_warm, landed):
    import time_machine

    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with lm.faults.active("CheckoutLicense", drop="before"):
        with pytest.raises(EntitlementUnavailable):
            seat()
        landed(guard)
    with time_machine.travel(lm.clock.now() + 300):
        assert seat() == "ran"
    assert len(set(tokens(lm))) == 2


def test_a_replayed_answer_past_its_end_is_refused_and_a_new_intent_begins(lm, make_warm, landed):
    licence = lm.add_license("ACME-9", entitlements=[("Seats", 3, "Count")], ttl=60)
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            seat()
        landed(guard)
    lm.clock.advance(61)
    assert seat() == "ran"
    assert guard.leases()[0].expires_at.timestamp() > lm.clock.now()
    assert lm.usage("ACME-9") == {"Seats": 1}
    assert len(set(tokens(lm))) == 2


def test_many_replayed_answers_past_their_end_refuse_no_call(lm, make_warm, landed, together):
    licence = lm.add_license("ACME-9", entitlements=[("Seats", 5, "Count")], ttl=60)
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    with lm.faults.active("CheckoutLicense", drop="after"):
        assert [type(outcome) for outcome in together(3, seat)] == [EntitlementUnavailable] * 3
        landed(guard)
    lm.clock.advance(61)
    assert seat() == "ran"
    assert lm.usage("ACME-9") == {"Seats": 0}


def test_a_resumed_lease_counts_from_its_first_request(lm, make_warm, landed):
    import time_machine

    licence = lm.add_license("ACME-9", entitlements=[("Seats", 3, "Count")], ttl=100)
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            seat()
        landed(guard)
    with time_machine.travel(lm.clock.now() + 60):
        assert seat() == "ran"
        assert guard.leases()[0].expires_in < 41


@pytest.mark.parametrize("code", ["NoEntitlementsAllowedException", "ResourceNotFoundException"])
def test_a_no_is_not_retried(lm, seat, code):
    lm.faults.add("CheckoutLicense", error=code)
    with pytest.raises(EntitlementDenied):
        seat()
    assert lm.calls("CheckoutLicense") == 1


def test_a_refusal_is_not_retried(lm, seat):
    lm.faults.add("CheckoutLicense", error="AccessDeniedException")
    with pytest.raises(AuthorizationRefused, match="license-manager:CheckoutLicense"):
        seat()
    assert lm.calls("CheckoutLicense") == 1


def test_closing_gives_back_what_a_lost_answer_took(lm, licence, make_warm, landed):
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
        landed(guard)
    assert lm.usage("ACME-1") == {"Seats": 1}
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}
