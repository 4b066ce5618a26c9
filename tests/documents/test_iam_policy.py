"""The policies that the page on IAM shows are enough, and none of their actions is too much."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from meterguard import AuthorizationRefused, EntitlementDenied
from meterguard.emulator import Emulator
from meterguard.events import CheckInFailed
from tests.documents.pages import blocks

POLICIES = {
    (one := json.loads(block.text))["Statement"][0]["Sid"]: one
    for block in blocks("json")
    if block.place.startswith("docs/how-to/iam-policy.md")
}


def without(action, *names):
    """One policy of the statements shown, without one of their actions."""
    statements = [statement for name in names for statement in POLICIES[name]["Statement"]]
    kept = [[one for one in statement["Action"] if one != f"license-manager:{action}"] for statement in statements]
    return {
        "Version": "2012-10-17",
        "Statement": [{**one, "Action": rest} for one, rest in zip(statements, kept, strict=True)],
    }


class World:
    """Two guards under a policy, and time that moves for it and the service alike."""

    def __init__(self, lm, guard, others, frozen):
        self.lm, self.guard, self.others, self.frozen = lm, guard, others, frozen
        self.events = []
        guard.subscribe(self.events.append)
        # before a short time-out begins: on a busy machine making the client takes longer
        guard.engine.registry.exchange.service.connect()
        self.gate = guard.requires_entitlement("Seats", 1, "Count")
        self.run = self.gate(lambda: "ran")

    def advance(self, seconds):
        self.frozen.tick(seconds)
        self.lm.clock.advance(seconds)

    def land(self):
        """Wait until nothing is in the air that the service refused to answer."""
        for future in self.guard.engine.registry.in_air():
            future.result(10)

    def refused(self):
        """The operations that were refused so far."""
        return {one.operation for one in self.lm.requests if one.error == "AccessDeniedException"}


@pytest.fixture
def world(environment, make_guard):
    """``world(policy)``: a product with three seats, leases of a minute."""
    opened = []

    def make(policy, **options):
        lm = Emulator(policy=policy).start()
        opened.append(lm)
        own = {"issuer_account": lm.account_id, "beneficiary": "a customer"} if "beneficiary" in options else {}
        licence = lm.add_license("ACME-1", [("Seats", 3, "Count")], ttl=60, **own)
        return World(lm, make_guard(lm, licence, **options), make_guard(lm, licence, **options), frozen)

    freezer = freeze_time(datetime.now(UTC))
    frozen = freezer.start()
    yield make
    freezer.stop()
    for lm in opened:
        lm.close()


class TestLeases:
    def test_the_policy_is_enough_for_a_whole_life(self, world):
        here = world(POLICIES["MeterguardLeases"])
        assert here.run() == "ran"
        here.advance(55)
        assert here.run() == "ran"
        here.lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        here.advance(55)
        assert here.run() == "ran"
        here.guard.close()
        assert here.refused() == set()
        assert here.lm.usage("ACME-1") == {"Seats": 0}
        assert {one.operation for one in here.lm.requests} == {
            action.removeprefix("license-manager:") for action in POLICIES["MeterguardLeases"]["Statement"][0]["Action"]
        }

    @pytest.mark.parametrize("on_unknown", ["grace", "deny", "allow"])
    def test_without_checkout_nothing_runs(self, world, on_unknown):
        here = world(without("CheckoutLicense", "MeterguardLeases"), on_unknown=on_unknown)
        with pytest.raises(AuthorizationRefused, match="license-manager:CheckoutLicense") as refused:
            here.run()
        assert refused.value.code == "AccessDeniedException"
        assert "arn:" not in str(refused.value)
        assert here.refused() == {"CheckoutLicense"}

    @pytest.mark.parametrize("on_unknown", ["grace", "allow"])
    def test_without_renewal_a_lease_lives_to_its_end_and_no_grace_follows(self, world, on_unknown):
        here = world(without("ExtendLicenseConsumption", "MeterguardLeases"), on_unknown=on_unknown, timeout=0.5)
        here.run()
        here.advance(55)
        assert here.run() == "ran"
        here.lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        here.advance(4)
        assert here.run() == "ran"
        here.advance(2)
        with here.lm.down(), pytest.raises(AuthorizationRefused, match="license-manager:ExtendLicenseConsumption"):
            here.run()
        here.land()
        here.advance(6)
        assert here.run() == "ran"
        assert here.refused() == {"ExtendLicenseConsumption"}
        assert here.lm.usage("ACME-1") == {"Seats": 1}

    def test_without_check_in_a_seat_stays_taken_until_its_lease_ends(self, world):
        here = world(without("CheckInLicense", "MeterguardLeases"))
        here.run()
        here.guard.close()
        assert here.refused() == {"CheckInLicense"}
        assert here.lm.usage("ACME-1") == {"Seats": 1}
        assert [event.code for event in here.events if isinstance(event, CheckInFailed)] == ["AccessDeniedException"]
        here.advance(60)
        assert here.lm.usage("ACME-1") == {"Seats": 0}


class TestDraws:
    def test_the_policy_is_enough(self, world):
        here = world(POLICIES["MeterguardDraws"], denial_ttl=0)
        draw = here.guard.consumes_entitlement("Seats", 2)
        with draw:
            pass
        with pytest.raises(EntitlementDenied) as denied, draw:
            pass
        here.guard.close()
        assert denied.value.is_exhausted is None  # which the policy does not let it find out
        assert here.lm.usage("ACME-1") == {"Seats": 2}
        assert here.refused() <= {"GetLicenseUsage", "ListReceivedLicenses"}

    def test_with_the_policy_for_usage_a_denial_is_proven(self, world):
        both = [*POLICIES["MeterguardDraws"]["Statement"], *POLICIES["MeterguardUsage"]["Statement"]]
        here = world({"Version": "2012-10-17", "Statement": both})
        with here.guard.consumes_entitlement("Seats", 3):
            pass
        with pytest.raises(EntitlementDenied) as denied, here.guard.consumes_entitlement("Seats", 1):
            pass
        assert denied.value.is_exhausted is True
        assert here.refused() == set()

    def test_without_it_nothing_is_drawn(self, world):
        here = world(without("CheckoutLicense", "MeterguardDraws"))
        draw = here.guard.consumes_entitlement("Seats", 1)
        with pytest.raises(AuthorizationRefused, match="license-manager:CheckoutLicense"), draw:
            pass
        assert here.guard.ledger.summary()["Seats"].drawn == 0


class TestBorrows:
    @pytest.fixture
    def borrow(self, environment, make_guard, tmp_path):
        """``borrow(action, *names)``: borrow and return a seat under these policies without that action."""

        def make(action, *names, named=False):
            with Emulator(policy=without(action, *names)) as lm:
                terms = {"borrow_ttl": 60, "borrow_early_check_in": True}
                licence = lm.add_license("ACME-1", [("Seats", 3, "Count")], **terms)
                file = tmp_path / f"{action}.jwt"
                guard = make_guard(lm, licence, trusted_keys=licence.public_key_pem, borrowed=file)
                guard.borrow("Seats", 1, license_arn=licence.arn if named else None)
                guard.return_borrowed()
                assert lm.usage("ACME-1") == {"Seats": 0}

        return make

    def test_the_policies_are_enough(self, borrow):
        borrow("", "MeterguardLeases", "MeterguardUsage", "MeterguardBorrow")
        borrow("", "MeterguardLeases", "MeterguardBorrow", named=True)

    @pytest.mark.parametrize("action", ["CheckoutBorrowLicense", "ListReceivedLicenses", "CheckInLicense"])
    def test_without_one_of_them_it_is_refused(self, borrow, action):
        with pytest.raises(AuthorizationRefused) as refused:
            borrow(action, "MeterguardLeases", "MeterguardUsage", "MeterguardBorrow")
        assert f"license-manager:{action}" in str(refused.value)


# What an account that received its licence may list, and one that asks for its own.
LISTS = {"ListReceivedLicenses": {}, "ListLicenses": {"beneficiary": "a customer"}}


class TestUsage:
    def exhausted(self, here):
        """Whether it is proven that all seats are taken, when they are."""
        here.others.requires_entitlement("Seats", 3, "Count")(lambda: None)()
        with pytest.raises(EntitlementDenied) as denied, here.gate:
            pass
        assert not isinstance(denied.value, AuthorizationRefused)
        return bool(denied.value.is_exhausted)

    @pytest.mark.parametrize("listing", sorted(LISTS))
    def test_the_policies_are_enough_to_prove_it(self, world, listing):
        here = world(without("", "MeterguardLeases", "MeterguardUsage"), **LISTS[listing])
        assert self.exhausted(here)
        assert here.refused() == set()

    @pytest.mark.parametrize("listing", sorted(LISTS))
    def test_without_the_list_it_stays_unproven_for_the_account_that_needs_it(self, world, listing):
        for needed, options in LISTS.items():
            here = world(without(listing, "MeterguardLeases", "MeterguardUsage"), **options)
            assert self.exhausted(here) == (listing != needed)
            assert here.refused() == ({listing} if listing == needed else set())

    @pytest.mark.parametrize("listing", sorted(LISTS))
    def test_without_usage_it_stays_unproven(self, world, listing):
        here = world(without("GetLicenseUsage", "MeterguardLeases", "MeterguardUsage"), **LISTS[listing])
        assert not self.exhausted(here)
        assert here.refused() == {"GetLicenseUsage"}
