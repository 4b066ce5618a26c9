"""``on_unknown=`` on a gate: overrides the guard's policy for when the service cannot be asked."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from meterguard import EntitlementDenied, EntitlementUnavailable


@pytest.mark.parametrize("of_guard", ["grace", "deny", "allow"])
@pytest.mark.parametrize("of_gate", [None, "grace", "deny", "allow"])
def test_the_word_of_the_gate_beats_that_of_the_guard(unreachable, new_guard, of_guard, of_gate):
    guarded = new_guard(on_unknown=of_guard).requires_entitlement("Seats", 1, on_unknown=of_gate)(lambda: "ran")
    with unreachable():
        if (of_gate or of_guard) == "allow":
            assert guarded() == "ran"
        else:
            with pytest.raises(EntitlementUnavailable):
                guarded()


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_allowed_without_an_answer_the_lease_is_not_live_and_has_no_token(unreachable, new_guard, hold):
    gate = new_guard().requires_entitlement("Seats", 1, on_unknown="allow", hold=hold)

    async def main():
        async with gate as lease:
            return lease

    with unreachable():
        with gate as lease:
            pass
        for one in lease, asyncio.run(main()):
            assert [str(entitlement) for entitlement in one.entitlements] == ["Seats (1 Count)"]
            assert (one.is_live, one.expires_in, one.token, one.license_arn) == (False, 0.0, None, None)
            assert (one.issued_at, one.expires_at) == (None, None)


def test_a_no_is_not_an_unknown(guard):
    for policy in "grace", "deny", "allow":
        with pytest.raises(EntitlementDenied):
            guard.requires_entitlement("Nope", on_unknown=policy)(lambda: "never")()


def test_gates_on_one_lease_may_differ(unreachable, new_guard):
    """The same seat, three words on what to do without it."""
    guard = new_guard(grace=600)
    policies = {
        policy: guard.requires_entitlement("Seats", 1, on_unknown=policy) for policy in ("grace", "deny", "allow")
    }
    with freeze_time(datetime.now(UTC)) as frozen:
        with policies["deny"] as lease:
            assert lease.is_live
        frozen.tick(3601)
        with unreachable():
            with pytest.raises(EntitlementUnavailable), policies["deny"]:
                pass
            with pytest.raises(EntitlementUnavailable), policies["grace"]:
                pass
            with policies["allow"] as allowed:
                assert allowed.token is None


def test_in_grace_the_lease_is_the_one_that_ended(unreachable, new_guard):
    guard = new_guard(grace=7200)
    with freeze_time(datetime.now(UTC)) as frozen:
        with guard.requires_entitlement("Seats", 1) as held:
            token = held.token
        frozen.tick(3601)
        with unreachable():
            with guard.requires_entitlement("Seats", 1, on_unknown="grace") as lease:
                assert (lease.is_live, lease.token, lease.entitlements) == (False, token, held.entitlements)
            with pytest.raises(EntitlementUnavailable), guard.requires_entitlement("Seats", 1, on_unknown="deny"):
                pass


def test_grace_covers_calls_with_seats_of_their_own(unreachable, new_guard):
    guarded = new_guard(grace=7200).requires_entitlement("Seats", 1, hold="call")(lambda: "ran")
    with unreachable(), pytest.raises(EntitlementUnavailable):
        guarded()
    assert guarded() == "ran"
    with unreachable():
        assert guarded() == "ran"


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_grace_also_covers_calls_while_the_service_hangs(lm, new_guard, hold):
    """No answer within the time-out is an unknown like any other, though the request is still in the air."""
    guard = new_guard(grace=7200)
    guarded = guard.requires_entitlement("Seats", 1, hold=hold)(lambda: "ran")
    with freeze_time(datetime.now(UTC)) as frozen:
        guarded()
        frozen.tick(3601)
        engine = guard._engine
        engine.policy = dataclasses.replace(engine.policy, timeout=0.05)
        with lm.faults.active("CheckoutLicense", hold=True):
            assert guarded() == "ran"


@pytest.mark.parametrize(("variable", "value"), [("METERGUARD_ON_UNKNOWN", "allow"), ("METERGUARD_GRACE", "3e9")])
def test_the_buyers_environment_opens_nothing(new_guard, unreachable, monkeypatch, caplog, variable, value):
    monkeypatch.setenv(variable, value)
    with new_guard(grace=0).requires_entitlement("Seats", 1), unreachable():
        guarded = new_guard(grace=0).requires_entitlement("Seats", 1)(lambda: "ran")
        with pytest.raises(EntitlementUnavailable):
            guarded()
    assert [one.getMessage().split()[0] for one in caplog.records if "is ignored" in one.getMessage()] == [variable] * 2


def test_the_buyers_environment_may_be_stricter(new_guard, unreachable, monkeypatch):
    monkeypatch.setenv("METERGUARD_ON_UNKNOWN", "deny")
    guarded = new_guard(on_unknown="allow").requires_entitlement("Seats", 1)(lambda: "ran")
    with unreachable(), pytest.raises(EntitlementUnavailable):
        guarded()
