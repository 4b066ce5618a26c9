"""Requests as the service wants them; answers read with distrust."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.aws.wire import Identity, check_in_request, checkout_request, parse_checkout, parse_extend
from meterguard.model import Entitlement
from meterguard.ports import Allowed, ExtendAnswer, FaultKind, ServiceFault
from meterguard.units import Unit

BARE = Identity("ACME-1", "aws:1:A:issuer-fingerprint")
FULL = Identity("ACME-1", "aws:1:A:issuer-fingerprint", "111122223333", "node-7")

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
MEMBERS = [
    *("LicenseConsumptionToken", "EntitlementsAllowed", "IssuedAt", "Expiration", "LicenseArn", "NodeId"),
    *("CheckoutType", "SignedToken", "ResponseMetadata"),
]
items = st.dictionaries(st.sampled_from(["Name", "Value", "Unit"]), json_like | st.sampled_from(["Count", "7"]))
answers = st.dictionaries(st.sampled_from(MEMBERS), json_like | st.lists(items)) | json_like


def answer(**members):
    whole = {
        "LicenseConsumptionToken": "t0ken",
        "IssuedAt": "2026-03-01T10:00:00",
        "Expiration": "2026-03-01T11:00:00",
    }
    return whole | members


def test_a_checkout_says_what_is_wanted():
    asked = (Entitlement("Seats", 2, "Count"), Entitlement("Export"), Entitlement("Tier", "Enabled", "None"))
    assert checkout_request(BARE, asked, "abc") == {
        "ProductSKU": "ACME-1",
        "CheckoutType": "PROVISIONAL",
        "KeyFingerprint": "aws:1:A:issuer-fingerprint",
        "Entitlements": [
            {"Name": "Seats", "Unit": "Count", "Value": "2"},
            {"Name": "Export", "Unit": "None"},
            {"Name": "Tier", "Unit": "None", "Value": "Enabled"},
        ],
        "ClientToken": "abc",
    }


def test_beneficiary_and_node_go_along_where_they_are_set():
    request = checkout_request(FULL, (Entitlement("Export"),), "abc")
    assert (request["Beneficiary"], request["NodeId"]) == ("111122223333", "node-7")
    assert check_in_request(FULL, "t") == {"LicenseConsumptionToken": "t", "Beneficiary": "111122223333"}
    assert check_in_request(BARE, "t") == {"LicenseConsumptionToken": "t"}


def test_the_identity_keeps_its_secrets():
    assert "fingerprint'" not in repr(FULL)
    assert "issuer" not in repr(FULL)
    assert "1111" not in repr(FULL)


def test_a_checkout_answer_is_read():
    date = {"HTTPHeaders": {"date": "Sun, 01 Mar 2026 10:00:05 GMT"}}
    lines = [{"Name": "Seats", "Value": "2", "Unit": "Count"}, {"Name": "Export"}]
    read = parse_checkout(
        answer(
            EntitlementsAllowed=lines,
            LicenseArn="arn:aws:license-manager::1:license:l-1",
            NodeId="node-7",
            SignedToken="s1gned",
            ResponseMetadata=date,
        )
    )
    assert read.allowed == (Allowed("Seats", "2", Unit.COUNT), Allowed("Export"))
    assert (read.token, read.signed_token, read.node_id) == ("t0ken", "s1gned", "node-7")
    assert read.issued_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert read.expires_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert read.served_at == datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)
    assert read.checkout_type == "PROVISIONAL"
    assert not {"t0ken", "s1gned", "arn:"} & set(repr(read).replace("'", " ").split())


@pytest.mark.parametrize("token", [None, "", "  ", 5, ["t"], {"t": 1}, "\ud800", "x" * 100_000])
def test_an_answer_without_a_token_is_no_answer(token):
    with pytest.raises(ServiceFault) as caught:
        parse_checkout(answer(LicenseConsumptionToken=token))
    assert caught.value.kind is FaultKind.UNKNOWN
    assert caught.value.may_have_acted


@pytest.mark.parametrize(
    "line",
    [
        *(None, 5, "Seats", [], {}, {"Name": None}, {"Name": ""}, {"Name": 5}),
        {"Name": "Seats", "Unit": "Kilocounts"},
        {"Name": "Seats", "Unit": 5},
        {"Name": "Seats", "Unit": ["Count"]},
        {"Name": "Seats", "Value": True},
        {"Name": "Seats", "Value": 1.5},
        {"Name": "Seats", "Value": ["1"]},
        {"Name": "Seats", "Value": 10**5000},
    ],
)
def test_a_line_that_is_garbled_does_not_pass_for_one_that_leaves_things_out(line):
    good = {"Name": "Export", "Unit": None, "Value": None}
    assert parse_checkout(answer(EntitlementsAllowed=[line, good])).allowed == (Allowed("Export"),)


def test_a_number_counts_as_its_text():
    lines = [{"Name": "Seats", "Value": 2, "Unit": "Count"}]
    assert parse_checkout(answer(EntitlementsAllowed=lines)).allowed == (Allowed("Seats", "2", Unit.COUNT),)


@pytest.mark.parametrize("lines", [None, 5, "Seats", {"Name": "Seats"}])
def test_what_is_no_list_allows_nothing(lines):
    assert parse_checkout(answer(EntitlementsAllowed=lines)).allowed == ()


def test_times_that_cannot_be_read_are_left_for_the_core_to_judge():
    read = parse_checkout(answer(IssuedAt="now", Expiration=["later"]))
    assert (read.issued_at, read.expires_at, read.served_at) == (None, None, None)


def test_an_extension_needs_a_readable_end():
    assert parse_extend(answer()) == ExtendAnswer(datetime(2026, 3, 1, 11, tzinfo=UTC), None, "t0ken")
    assert parse_extend({"Expiration": "2026-03-01T11:00:00Z"}).token is None
    with pytest.raises(ServiceFault) as caught:
        parse_extend(answer(Expiration="later"))
    assert caught.value.kind is FaultKind.UNKNOWN
    assert caught.value.may_have_acted


@given(answers)
def test_whatever_comes_is_an_answer_or_a_fault(value):
    with contextlib.suppress(ServiceFault):
        assert parse_checkout(value).token.strip()
    with contextlib.suppress(ServiceFault):
        assert parse_extend(value).expires_at.tzinfo is UTC
