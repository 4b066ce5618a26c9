"""Random sequences of operations: every unit is free, held or spent, and never two of these."""

from __future__ import annotations

import random
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from meterguard.emulator import Behavior, Emulator
from meterguard.emulator.protocol.errors import ServiceError
from meterguard.emulator.state.allocation import Ask
from meterguard.emulator.state.licenses import Wanted
from meterguard.emulator.state.pools import State
from meterguard.emulator.state.terms import build_license

TTL = 60
BEGIN = 1_000_000.0
ACCOUNTS = st.sampled_from(["111111111111", "222222222222"])


class Pools(RuleBasedStateMachine):
    """The pure tables, beside a naive account of every unit."""

    tokens = Bundle("tokens")

    @initialize(most=st.integers(0, 6), overage=st.booleans(), end=st.none() | st.integers(30, 600))
    def issue(self, most, overage, end):
        numbers = random.Random(0)
        self.now = BEGIN
        self.most, self.overage, self.end = most, overage, None if end is None else BEGIN + end
        self.state = State(Behavior(), lambda: f"{numbers.getrandbits(128):032x}")
        terms = {
            "product_sku": "SKU",
            "entitlements": [("Seats", most, "Count"), ("Export", None, "None")],
            "allow_check_in": True,
            "overage": overage,
            "ttl": TTL,
            "borrow_ttl": 2 * TTL,
            "borrow_early_check_in": True,
            "beneficiary": "Jo",
            "begin": BEGIN,
            "end": self.end,
            "issuer_account": "444455556666",
            "issuer_name": "Acme",
            "home_region": "us-east-1",
        }
        self.licence = build_license("arn:aws:license-manager::444455556666:license:l-1", BEGIN, terms)
        self.state.add(self.licence, ["111111111111", "222222222222"])
        self.held = {}
        self.borrowed = set()
        self.spent = 0

    @rule(
        target=tokens,
        account=ACCOUNTS,
        count=st.none() | st.integers(1, 4),
        feature=st.booleans(),
        kind=st.sampled_from(["PROVISIONAL", "PERPETUAL"]),
    )
    def check_out(self, account, count, feature, kind):
        self.forget_lapsed()
        wanted = [Wanted("Seats", "Count", count)] * (count is not None)
        wanted += [Wanted("Export", "None")] * (feature or not wanted)
        fits = count is not None and (self.overage or self.used + count <= self.most)
        is_open = self.end is None or self.now < self.end
        ask = Ask(account, "SKU", self.licence.key_fingerprint, kind, wanted)
        if not is_open or (not fits and not feature and count is not None):
            with refused("NoEntitlementsAllowedException"):
                self.state.check_out(ask, self.now)
            return multiple()
        checkout, _ = self.state.check_out(ask, self.now)
        taken = count if fits else 0
        assert [item.name for item in checkout.items] == ["Seats"] * fits + ["Export"] * (
            len(wanted) - (count is not None)
        )
        assert sum(item.count or 0 for item in checkout.items) == taken
        assert checkout.expires == min(self.now + TTL, self.end or self.now + TTL)
        if kind == "PERPETUAL":
            self.spent += taken
            return multiple()
        self.held[checkout.token] = (account, taken, checkout.expires)
        return checkout.token

    @rule(target=tokens, account=ACCOUNTS, count=st.integers(1, 4), feature=st.booleans())
    def borrow(self, account, count, feature):
        self.forget_lapsed()
        wanted = [Wanted("Seats", "Count", count), *([Wanted("Export", "None")] * feature)]
        fits = self.overage or self.used + count <= self.most
        is_open = self.end is None or self.now < self.end
        if not fits or not is_open:
            some = is_open and feature
            with refused("EntitlementNotAllowedException" if some else "NoEntitlementsAllowedException"):
                self.state.borrow(self.licence, account, wanted, self.now)
            return multiple()
        checkout = self.state.borrow(self.licence, account, wanted, self.now)
        assert checkout.expires == min(self.now + 2 * TTL, self.end or self.now + 2 * TTL)
        self.held[checkout.token] = (account, count, checkout.expires)
        self.borrowed.add(checkout.token)
        return checkout.token

    @rule(token=tokens, account=ACCOUNTS)
    def extend(self, token, account):
        self.forget_lapsed()
        holder, taken, _ = self.held.get(token, (None, 0, 0))
        if holder == account and token in self.borrowed:
            with refused("InvalidParameterValueException"):
                self.state.extend(token, account, self.now)
            return
        if holder != account:
            with refused("ResourceNotFoundException"):
                self.state.extend(token, account, self.now)
            return
        expires = self.state.extend(token, account, self.now).expires
        assert expires == min(self.now + TTL, self.end or self.now + TTL)
        self.held[token] = (account, taken, expires)

    @rule(token=tokens, account=ACCOUNTS)
    def check_in(self, token, account):
        self.forget_lapsed()
        if self.held.get(token, (None,))[0] != account:
            with refused("ResourceNotFoundException"):
                self.state.check_in(token, account, self.now)
            return
        self.state.check_in(token, account, self.now)
        del self.held[token]

    @rule(token=consumes(tokens))
    def check_in_twice(self, token):
        self.forget_lapsed()
        if token in self.held:
            account = self.held.pop(token)[0]
            self.state.check_in(token, account, self.now)
        for account in ("111111111111", "222222222222"):
            with refused("ResourceNotFoundException"):
                self.state.check_in(token, account, self.now)

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def every_unit_is_accounted_for(self):
        if not hasattr(self, "state"):
            return
        self.forget_lapsed()
        ((_, used),) = self.state.usage(self.licence.arn, self.now)
        assert used == self.used
        assert {one.token for one in self.state.checkouts(self.now)} == self.held.keys()
        assert self.overage or used <= self.most

    @property
    def used(self):
        return sum(taken for _, taken, _ in self.held.values()) + self.spent

    def forget_lapsed(self):
        self.held = {token: one for token, one in self.held.items() if one[2] > self.now}


@contextmanager
def refused(code):
    with pytest.raises(ServiceError) as refusal:
        yield
    assert refusal.value.code == code


class Service(RuleBasedStateMachine):
    """The same through boto3 and HTTP, with retries, lost answers and faults."""

    held = Bundle("held")

    def __init__(self):
        super().__init__()
        self.lm = Emulator(random_seed=1).start()
        self.lm.clock.freeze()
        self.licence = self.lm.add_license("SKU", [("Seats", 4, "Count")], ttl=TTL)
        self.client = boto3.client(
            "license-manager",
            endpoint_url=self.lm.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.live = {}
        self.asked = 0

    def teardown(self):
        self.client.close()
        self.lm.stop()

    def ask(self, token, count):
        return self.client.checkout_license(
            ProductSKU="SKU",
            KeyFingerprint=self.licence.key_fingerprint,
            CheckoutType="PROVISIONAL",
            ClientToken=token,
            Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": str(count)}],
        )["LicenseConsumptionToken"]

    @rule(target=held, count=st.integers(1, 3), lost=st.sampled_from([None, "before", "after"]))
    def check_out(self, count, lost):
        self.asked += 1
        token = f"token-{self.asked}"
        if lost is not None:
            self.lm.faults.add("CheckoutLicense", drop=lost)
            with pytest.raises(ConnectionClosedError):
                self.ask(token, count)
        if sum(one[0] for one in self.live.values()) + count > 4:
            with pytest.raises(ClientError, match="NoEntitlementsAllowedException"):
                self.ask(token, count)
            return multiple()
        consumption = self.ask(token, count)
        assert self.ask(token, count) == consumption
        self.live[consumption] = (count, self.lm.clock.now() + TTL)
        return consumption

    @rule(token=held)
    def check_in(self, token):
        if self.live.pop(token, None) is not None:
            self.client.check_in_license(LicenseConsumptionToken=token)
            return
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            self.client.check_in_license(LicenseConsumptionToken=token)

    @rule(seconds=st.integers(1, 70))
    def wait(self, seconds):
        self.lm.clock.advance(seconds)
        now = self.lm.clock.now()
        self.live = {token: one for token, one in self.live.items() if one[1] > now}

    @invariant()
    def the_pool_is_what_is_held(self):
        assert self.lm.usage("SKU") == {"Seats": sum(count for count, _ in self.live.values())}


TestPools = Pools.TestCase
TestPools.settings = settings(max_examples=60, stateful_step_count=40)
TestService = Service.TestCase
TestService.settings = settings(max_examples=8, stateful_step_count=12)
