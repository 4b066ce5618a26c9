"""Law 6: yes, no and unknown have separate exceptions, memories and clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

import meterguard.runtime.clock  # noqa: F401 - it takes the real clock when it is imported, so before one is frozen
from meterguard import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable, Reason
from meterguard.core.lease_state import unknown
from meterguard.events import GraceEnded, GraceEntered


@pytest.fixture
def short(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")], ttl=60)


class Time:
    """Both clocks of the client, which freezegun moves, and the service's clock along with them."""

    def __init__(self, frozen, lm):
        self.frozen = frozen
        self.lm = lm

    def advance(self, seconds):
        self.frozen.tick(seconds)
        self.lm.clock.advance(seconds)


@pytest.fixture
def world(lm, short, make_warm):
    """A guard with a 60 s lease and 100 s of grace, its events, and time to move."""
    events = []
    freezer = freeze_time(datetime.now(UTC))
    frozen = freezer.start()

    def make(**options):
        guard = make_warm(lm, short, **{"timeout": 0.3, "grace": 100, **options})
        guard.subscribe(events.append)
        return guard, guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran"), Time(frozen, lm)

    make.events = events
    yield make
    freezer.stop()


def test_an_outage_longer_than_the_lease_is_carried_by_grace_and_then_refused(lm, world):
    guard, seat, time = world()
    assert seat() == "ran"
    with lm.down():
        time.advance(59)
        assert seat() == "ran"
        time.advance(2)
        assert seat() == "ran", "grace"
        assert guard.decide("Seats", 1).reason is Reason.GRACE
        time.advance(38)
        assert seat() == "ran", "99 s after the last good answer"
        time.advance(2)
        with pytest.raises(EntitlementUnavailable):
            seat()
    assert seat() == "ran"
    kinds = [type(event) for event in world.events if isinstance(event, GraceEntered | GraceEnded)]
    assert kinds == [GraceEntered, GraceEnded]


def test_no_failure_restarts_grace(lm, world):
    _, seat, time = world()
    seat()
    with lm.down():
        for _ in range(9):
            time.advance(11)
            assert seat() == "ran"
        time.advance(2)
        with pytest.raises(EntitlementUnavailable):
            seat()


def test_in_grace_a_call_returns_at_once(lm, world):
    guard, seat, time = world(timeout=5)
    seat()
    with lm.faults.active("*", hold=True):
        time.advance(61)
        (record,) = guard.engine.registry.all_records()
        record.notice_end(guard.engine.clock.now())
        record.become(unknown)
        record.failed(EntitlementUnavailable("down"))
        with guard.requires_entitlement("Seats", 1, "Count") as lease:
            assert not lease.is_live
            assert lease.token is not None
        lm.wait_for_calls("CheckoutLicense", 2)


def test_a_definite_no_ends_access_at_once_and_is_asked_again_soon(lm, short, world):
    _, seat, time = world(denial_ttl=5)
    assert seat() == "ran"
    lm.update_license(short, status="SUSPENDED")
    time.advance(55)
    assert seat() == "ran"
    lm.wait_for_calls("CheckoutLicense", 2, done=True)
    with pytest.raises(EntitlementDenied):
        seat()
    time.advance(4)
    with pytest.raises(EntitlementDenied):
        seat()
    assert lm.calls("CheckoutLicense") == 2, "remembered"
    lm.update_license(short, status="AVAILABLE")
    time.advance(2)
    assert seat() == "ran"


def test_a_no_is_never_carried_by_grace_or_allow(lm, world):
    for policy in ("grace", "allow"):
        guard, seat, time = world(on_unknown=policy)
        lm.faults.clear()
        seat()
        time.advance(61)
        with lm.faults.active("*", error="NoEntitlementsAllowedException"), pytest.raises(EntitlementDenied):
            seat()
        guard.close()


def test_after_a_no_an_unknown_is_not_carried_by_grace(lm, world):
    _, seat, time = world(denial_ttl=0)
    seat()
    time.advance(61)
    with lm.faults.active("*", error="NoEntitlementsAllowedException"), pytest.raises(EntitlementDenied):
        seat()
    with lm.down(), pytest.raises(EntitlementUnavailable):
        seat()


@pytest.mark.parametrize("code", ["AccessDeniedException", "AuthorizationException", "ExpiredTokenException"])
@pytest.mark.parametrize("policy", ["grace", "allow"])
def test_a_refused_renewal_lets_the_lease_live_to_its_end_and_then_refuses(lm, world, landed, code, policy):
    guard, seat, time = world(on_unknown=policy, timeout=1.5)
    seat()
    with lm.faults.active("*", error=code):
        time.advance(55)
        assert seat() == "ran"
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        time.advance(4)
        assert seat() == "ran"
        time.advance(2)
        with pytest.raises(AuthorizationRefused):
            seat()
    time.advance(6)
    with lm.down(), pytest.raises(AuthorizationRefused):
        seat()
    landed(guard)
    time.advance(6)
    assert seat() == "ran"


def test_a_lost_lease_is_checked_out_afresh(lm, world):
    for code in ("ResourceNotFoundException", "InvalidParameterValueException", "ValidationException"):
        guard, seat, time = world()
        seat()
        before = lm.calls("CheckoutLicense")
        lm.faults.add("ExtendLicenseConsumption", error=code)
        time.advance(55)
        assert seat() == "ran"
        lm.wait_for_calls("CheckoutLicense", before + 1, done=True)
        assert seat() == "ran"
        guard.close()
        lm.faults.clear()


def test_deny_refuses_an_unknown_and_allow_lets_it_through(lm, world):
    with lm.down():
        _, deny, _ = world(on_unknown="deny")
        with pytest.raises(EntitlementUnavailable) as caught:
            deny()
        assert caught.value.retry_after is not None
        guard, allow, _ = world(on_unknown="allow")
        assert allow() == "ran"
        with guard.requires_entitlement("Seats", 1, "Count") as lease:
            assert not lease.is_live
            assert lease.token is None
        decision = guard.decide("Seats", 1)
        assert decision.allowed
        assert decision.is_fallback
        assert decision.reason is Reason.ALLOWED_UNKNOWN


def test_unknown_is_not_remembered_as_no(lm, world):
    _, seat, _ = world(on_unknown="deny")
    with lm.down(), pytest.raises(EntitlementUnavailable):
        seat()
    assert seat() == "ran"


def test_a_caller_who_catches_a_no_does_not_catch_an_outage():
    assert not issubclass(EntitlementUnavailable, EntitlementDenied)
    assert not issubclass(EntitlementDenied, EntitlementUnavailable)
