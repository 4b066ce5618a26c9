"""Odd requests to KMS, STS and AWS Marketplace: each is refused as its protocol says, and none breaks the emulator."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.emulator import Emulator
from meterguard.emulator.operations.table import (
    ENTITLEMENT_OPERATIONS,
    IDENTITY_OPERATIONS,
    KEY_OPERATIONS,
    METERING_OPERATIONS,
)
from meterguard.emulator.protocol.model import ENTITLEMENT, METERING

from .almost_right import signer

NAMES = ["KeyId", "Message", "MessageType", "SigningAlgorithm", "KeySpec", "KeyUsage", "Description", "GrantTokens"]
ODD = st.sampled_from(["", "x", "\ud800", "SIGN_VERIFY", "RAW", "aGVsbG8=", "a" * 5000, 0, True, 1.5, [], {}, ["x"]])
FORM_NAMES = ["RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds", "Policy", "PolicyArns.member.1.arn"]
TEXTS = st.sampled_from(
    ["", "x", "-1", "900", "9" * 30, "\x00", "\N{SNOWMAN}", "a.b.c", "e30.e30.e30", "arn:aws:iam::222222222222:role/r"]
)


@pytest.fixture(scope="module")
def lm():
    return Emulator()


def ask(lm, headers, body):
    request = lm._dispatcher.arrive(headers, body)
    reply = lm._dispatcher.answer(request)
    assert not lm._dispatcher.bugs, lm._dispatcher.bugs
    return reply


@given(operation=st.sampled_from(sorted(KEY_OPERATIONS)), said=st.dictionaries(st.sampled_from(NAMES), ODD))
def test_to_kms(lm, operation, said):
    reply = ask(lm, [(b"x-amz-target", f"TrentService.{operation}".encode())], json.dumps(said).encode())
    assert (reply.status, json.loads(reply.body).keys()) == (400, {"__type", "Message"})


@given(operation=st.sampled_from(sorted(IDENTITY_OPERATIONS)), said=st.dictionaries(st.sampled_from(FORM_NAMES), TEXTS))
def test_to_sts(lm, operation, said):
    form = urlencode({"Action": operation, **said}).encode()
    reply = ask(lm, [(b"content-type", b"application/x-www-form-urlencoded")], form)
    assert reply.status == (200 if operation == "GetCallerIdentity" and not said else 400)
    assert reply.body.startswith(b"<")


NOW = 1_800_000_000
MOMENTS = st.sampled_from([NOW, NOW - 3600.5, 0, -1, -1e300, 1e300, 10**400, "2027-01-15T08:00:00Z", None, True, [NOW]])
QUANTITIES = st.sampled_from([0, 5, -1, 2**31, "5", "5.5", "-0", "1e9", "0" * 20, "\u0665", 1.5, True, None, [], {}])
TAGS = st.lists(st.fixed_dictionaries({}, optional={"Key": ODD, "Value": ODD}), max_size=7) | ODD
ALLOCATIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"AllocatedUsageQuantity": QUANTITIES, "AllocatedUsageQuantityAsDecimal": QUANTITIES, "Tags": TAGS},
    ),
    max_size=3,
)
TEXT = ODD | st.sampled_from(["pages", "prod-1", "111122223333", "arn:aws:license-manager::111122223333:license:l-1"])
USAGE = {"UsageAllocations": ALLOCATIONS | ODD, "CustomerAWSAccountId": TEXT, "LicenseArn": TEXT}
RECORDS = st.fixed_dictionaries(
    {"Timestamp": MOMENTS, "Dimension": st.just("pages") | TEXT},
    optional={"Quantity": QUANTITIES, "QuantityAsDecimal": QUANTITIES, "CustomerIdentifier": TEXT, **USAGE},
)
MARKETPLACE = {
    "UsageRecords": st.lists(RECORDS, max_size=3) | ODD,
    "ProductCode": st.just("prod-1") | TEXT,
    "UsageDimension": st.just("pages") | TEXT,
    "Timestamp": MOMENTS,
    "UsageQuantity": QUANTITIES,
    "UsageQuantityAsDecimal": QUANTITIES,
    "UsageAllocations": ALLOCATIONS | ODD,
    "DryRun": ODD,
    "ClientToken": ODD,
    "PublicKeyVersion": st.sampled_from([1, 0, 2**31, "1", None]),
    "Nonce": ODD,
    "RegistrationToken": TEXT,
    "Filter": st.dictionaries(st.sampled_from(["DIMENSION", "LICENSE_ARN", "COLOUR"]), st.lists(TEXT) | ODD) | ODD,
    "NextToken": TEXT,
    "MaxResults": st.sampled_from([1, 0, 26, True, "1"]),
}
FITTING = {
    "MeterUsage": ["ProductCode", "UsageDimension", "Timestamp"],
    "BatchMeterUsage": ["UsageRecords"],
    "RegisterUsage": ["ProductCode", "PublicKeyVersion"],
    "ResolveCustomer": ["RegistrationToken"],
    "GetEntitlements": ["ProductCode"],
}


@pytest.fixture(scope="module", params=[False, True], ids=["lenient", "strict"])
def shop(request):
    lm = Emulator()
    lm.clock.freeze(NOW)
    if request.param:
        lm.add_product("prod-1", ["pages"], customer_identifiers=True)
    lm._signing_key._signer = signer()
    return lm


@given(data=st.data(), operation=st.sampled_from([*METERING_OPERATIONS, *ENTITLEMENT_OPERATIONS]))
def test_to_aws_marketplace(shop, data, operation):
    needed = {name: MARKETPLACE[name] for name in FITTING[operation]}
    model = METERING if operation in METERING_OPERATIONS else ENTITLEMENT
    known = model.shape(f"{operation}Request")["members"].keys() - needed.keys()
    said = data.draw(st.fixed_dictionaries(needed, optional={name: MARKETPLACE[name] for name in sorted(known)}))
    prefix = "AWSMPMeteringService" if model is METERING else "AWSMPEntitlementService"
    reply = ask(shop, [(b"x-amz-target", f"{prefix}.{operation}".encode())], json.dumps(said).encode())
    told = json.loads(reply.body)
    assert reply.status == 200 or (reply.status, told.keys()) == (400, {"__type", "Message"})


@given(body=st.binary(max_size=60))
def test_any_bytes_as_a_form(lm, body):
    kind = [(b"content-type", b"application/x-www-form-urlencoded")]
    for prefix in (b"", b"Action=AssumeRoleWithWebIdentity&"):
        assert ask(lm, kind, prefix + body).status == 400
