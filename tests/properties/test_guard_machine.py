"""One guard under random calls, probes, faults and leaps of time, against the emulator's own books."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import boto3
import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import meterguard
from meterguard import EntitlementDenied, EntitlementUnavailable

TTL = 60
FAULTS = [
    {"drop": "after"},
    {"drop": "before"},
    {"error": "RateLimitExceededException"},
    {"error": "NoEntitlementsAllowedException"},
    {"error": "AccessDeniedException"},
    {"status": 503, "applied": True},
]


class GuardLife(RuleBasedStateMachine):
    """The model knows one thing: until when a seat may be taken that the guard cannot know of."""

    lm = client = frozen = None
    serials = itertools.count()

    @initialize(on_unknown=st.sampled_from(["deny", "grace", "allow"]), linger=st.sampled_from([None, 20]))
    def begin(self, on_unknown, linger):
        self.options = {"on_unknown": on_unknown, "linger": linger}
        self.licence = self.lm.add_license(
            f"ACME-{next(self.serials)}", entitlements=[("Seats", 4, "Count"), ("Export", None, "None")], ttl=TTL
        )
        self.inside = []
        self.is_faulty = False
        self.unsure_until = 0.0
        self.open()

    def open(self):
        self.guard = meterguard.MeterGuard(
            self.licence.product_sku,
            self.licence.key_fingerprint,
            client=self.client,
            timeout=0.15,
            denial_ttl=0,
            **self.options,
        )

    # -- what may happen -----------------------------------------------------------------------------

    @rule(seats=st.integers(1, 3), hold=st.sampled_from(["shared", "call"]))
    def call(self, seats, hold):
        gate = self.guard.requires_entitlement("Seats", seats, "Count", hold=hold)
        self.attempt(gate(lambda: "ran"))

    @rule(hold=st.sampled_from(["shared", "call"]))
    def enter(self, hold):
        gate = self.guard.requires_entitlement("Seats", 1, "Count", hold=hold)
        if self.attempt(gate.__enter__):
            self.inside.append(gate)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data):
        gate = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        gate.__exit__(None, None, None)
        self.landed()

    @rule(requirement=st.sampled_from([("Seats", 1), ("Seats", 5), ("Export",)]))
    def probe(self, requirement):
        allowed = self.guard.has_entitlement(*requirement)
        self.landed()
        if not self.is_faulty and not self.is_unsure:
            assert allowed or requirement[0] == "Seats"

    @rule(seconds=st.sampled_from([1, 13, 50.5, 59.5, 61, 300]))
    def time_passes(self, seconds):
        self.frozen.tick(seconds)
        self.lm.clock.advance(seconds)

    @rule(operation=st.sampled_from(["*", "CheckoutLicense", "CheckInLicense"]), fault=st.sampled_from(FAULTS))
    def goes_wrong(self, operation, fault):
        self.lm.faults.clear()
        self.lm.faults.add(operation, times=None, **fault)
        self.is_faulty = True

    @rule()
    def goes_well(self):
        self.lm.faults.clear()
        self.is_faulty = False

    @rule()
    def close(self):
        self.guard.close()
        self.inside.clear()
        self.landed()
        if not self.is_faulty and not self.is_unsure:
            assert self.taken() == 0
        self.open()

    # -- what has to hold ----------------------------------------------------------------------------

    @invariant()
    def no_lease_that_the_service_does_not_know(self):
        if hasattr(self, "guard"):
            known = {checkout.token for checkout in self.lm.checkouts(self.licence)}
            assert {lease.token for lease in self.guard.leases()} <= known

    @invariant()
    def no_seat_that_the_guard_does_not_know(self):
        if hasattr(self, "guard") and not self.is_faulty and not self.is_unsure:
            held = [one for lease in self.guard.leases() for one in lease.entitlements if one.name == "Seats"]
            assert self.taken() == sum(one.value for one in held)

    # -- how it is told ------------------------------------------------------------------------------

    @property
    def is_unsure(self):
        return self.lm.clock.now() <= self.unsure_until

    def taken(self):
        return self.lm.usage(self.licence)["Seats"]

    def attempt(self, fn):
        try:
            return fn() is not None
        except (EntitlementDenied, EntitlementUnavailable):
            return False
        finally:
            self.landed()

    def landed(self):
        engine = self.guard._engine
        for future in engine.registry.in_air() if engine is not None else ():
            future.result(10)
        if self.is_faulty:  # an answer or a check-in may be lost, and nobody renews what it took
            self.unsure_until = self.lm.clock.now() + TTL

    def teardown(self):
        self.lm.faults.clear()
        if hasattr(self, "guard"):
            self.guard.close()


@pytest.mark.timeout(120)
def test_a_guard_and_the_service_agree(lm):
    client = boto3.client("license-manager", endpoint_url=lm.url, region_name=lm.region)
    lm.clock.freeze()
    with freeze_time(datetime.now(UTC)) as frozen:
        GuardLife.lm, GuardLife.client, GuardLife.frozen = lm, client, frozen
        run_state_machine_as_test(
            GuardLife,
            settings=settings(
                max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
