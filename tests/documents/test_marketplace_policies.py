"""The policies that the page on the way to an invoice shows are enough, and what they allow is needed."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from meterguard import MeterGuard
from meterguard.emulator import Emulator
from meterguard.events import UsagePending
from meterguard.marketplace import Sink
from meterguard.testing import Clock
from tests.documents.pages import blocks

POLICIES = {
    (one := json.loads(block.text))["Statement"][0]["Sid"]: one
    for block in blocks("json")
    if block.place.startswith("docs/how-to/from-ledger-to-invoice.md")
}
NOTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:*"], "Resource": "*"}]}
DIMENSIONS = {"Pages": "pages"}


def report(policy, how):
    """Report three pages under a policy. Returns the bill, and what was told of those that wait."""
    told = []
    with Emulator(policy=policy) as lm, MeterGuard("prod-1", "metered-only") as guard:
        (customer,) = lm.add_product("prod-1", ["pages"]).customers
        guard.subscribe(told.append)
        client = boto3.client("meteringmarketplace", endpoint_url=lm.url)
        with guard.meters_usage("Pages", 3, subject="acme"):
            pass
        sink = Sink(guard, DIMENSIONS, client=client, **how(client, customer))
        clock = Clock(lm)
        clock.shift(3600)
        sink.flush()
        clock.restore()
        return lm.bill(), [one for one in told if isinstance(one, UsagePending)]


def in_place(_client, _customer):
    return {"product_code": "prod-1"}


def registered(client, customer):
    found = client.resolve_customer(RegistrationToken=customer.registration_token)
    return {"customers": {"acme": (found["CustomerAWSAccountId"], found["LicenseArn"])}}


def known(_client, customer):
    return {"customers": {"acme": (customer.account_id, customer.license_arn)}}


@pytest.mark.usefixtures("environment")
class TestPolicies:
    @pytest.mark.parametrize(("name", "how"), [("MeterguardMetering", in_place), ("MeterguardSaas", registered)])
    def test_each_is_enough(self, name, how):
        assert report(POLICIES[name], how) == ({"pages": 3}, [])

    @pytest.mark.parametrize(("how", "action"), [(in_place, "MeterUsage"), (known, "BatchMeterUsage")])
    def test_without_one_usage_waits_and_the_action_is_named(self, how, action):
        bill, (pending,) = report(NOTHING, how)
        assert bill == {}
        assert (pending.code, f"aws-marketplace:{action}" in pending.problem) == ("AccessDeniedException", True)

    def test_registration_needs_its_own(self):
        with pytest.raises(ClientError, match="AccessDenied"):
            report(POLICIES["MeterguardMetering"], registered)
