"""Trust: what an answer has to prove, and that whatever differs opens nothing and goes back."""

from __future__ import annotations

import json
import pickle
from contextlib import closing
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterguard import (
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    MeterGuard,
    Reason,
    UntrustedLease,
    events,
)
from meterguard.emulator import Behavior, Emulator
from meterguard.rows import Row
from meterguard.runtime import clock as runtime_clock
from meterguard.runtime.execution import is_of_lease
from meterguard.stores.sqlite_rows import SqliteRows

OTHER_ARN = "arn:aws:license-manager::999988887777:license:l-0123456789abcdef0123456789abcdef"


@pytest.fixture
def lm(environment):
    with Emulator(behavior=Behavior(sign_checkouts=True)) as emulator:
        yield emulator


@pytest.fixture
def make(lm, licence, make_guard):
    """``make(**options)``: a guard that knows the issuer's key, on a node."""

    def make(**options):
        return make_guard(lm, licence, **{"trusted_keys": licence.public_key_pem, "node_id": "node-1"} | options)

    return make


MODES = {"if-present": {}, "required": {"verify_signature": "required", "grace": 0}}


@pytest.fixture(params=MODES)
def guard(request, make):
    return make(**MODES[request.param])


@pytest.fixture
def strict(make):
    return make(**MODES["required"])


def refused(guard, *what):
    """The words of the refusal; nothing ran, and nothing is taken."""
    with pytest.raises(UntrustedLease) as caught, guard.requires_entitlement(*(what or ("Seats", 1, "Count"))):
        pytest.fail("the body ran")
    assert caught.value.reason is Reason.UNTRUSTED
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    return str(caught.value)


# -- every forgery of an answer ------------------------------------------------------------------


def test_the_true_answer_is_accepted_and_verified(guard, lm):
    with guard.requires_entitlement("Seats", 2, "Count") as lease:
        assert (lease.is_verified, lease.node_id, lm.usage("ACME-1")) == (True, "node-1", {"Seats": 2})
    with guard.requires_entitlement("Export") as lease:
        assert lease.is_verified


FORGERIES = {
    "signature": "has a signature that none of the trusted keys made",
    "payload": "has a signature that none of the trusted keys made",
    "key": "has a signature that none of the trusted keys made",
    "none": "is not signed by PS384",
    "hs256": "is not signed by PS384",
    "replay": "disagrees about licenseConsumptionToken",
}


@pytest.mark.parametrize("tamper", FORGERIES)
def test_a_forged_token_is_refused_and_what_came_goes_back(guard, lm, tamper):
    with guard.requires_entitlement("Export"):  # an answer that can be replayed
        pass
    lm.faults.add("CheckoutLicense", tamper=tamper)
    assert f"but its signed token {FORGERIES[tamper]}; what came was given back" in refused(guard)
    assert lm.usage("ACME-1") == {"Seats": 0}


CLAIMS = {
    "licenseConsumptionToken": ["another", None, 7],
    "licenseArn": [OTHER_ARN, None, ""],
    "nodeId": ["node-2", None, "", 1],
    "entitlementsAllowed": [
        [],
        None,
        "all",
        [{"name": "Export", "unit": "None"}],
        [{"name": "Seats", "value": "0", "unit": "Count"}],
        [{"name": "Seats", "value": "1", "unit": "Gigabytes"}],
        [{"name": "Seats", "value": "-1", "unit": "Count"}],
        [{"name": "Seats", "unit": "Count"}],
        [{"name": "Seats", "value": "1"}],
        [{"name": "seats", "value": "1", "unit": "Count"}],
    ],
    "issuedAt": ["2020-01-01T00:00:00", "soon", None, 1],
    "expiration": ["never", None, {}],
}


@pytest.mark.parametrize(("claim", "value"), [(name, value) for name, values in CLAIMS.items() for value in values])
def test_each_claim_that_disagrees_is_named_and_its_value_is_not_shown(guard, lm, claim, value):
    lm.faults.add("CheckoutLicense", claims={claim: value})
    text = refused(guard)
    assert f"its signed token disagrees about {claim};" in text
    assert not isinstance(value, str) or len(value) < 5 or value not in text
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert lm.calls("CheckInLicense") == 1


def test_a_node_that_is_not_named_agrees_only_with_none(make, lm):
    guard = make(node_id=None)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        assert (lease.is_verified, lease.node_id) == (True, None)
    lm.faults.add("CheckoutLicense", claims={"nodeId": "node-1"})
    assert "disagrees about nodeId" in refused(guard, "Seats", 2)


@pytest.mark.parametrize(("shift", "is_believed"), [(-1, True), (1, True), (-4, False), (4, False)])
def test_the_times_of_issue_agree_within_two_seconds(make, lm, shift, is_believed):
    guard = make()
    lm.faults.add("CheckoutLicense", claims={"issuedAt": at(lm, shift)})
    if is_believed:
        with guard.requires_entitlement("Seats", 1, "Count") as lease:
            assert lease.is_verified
    else:
        assert "disagrees about issuedAt" in refused(guard)


def at(lm, seconds):
    """The moment so many seconds from now, as a claim says it."""
    return datetime.fromtimestamp(lm.clock.now() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(("answered", "signed"), [(3600, 600), (600, 3600)])
def test_of_two_ends_the_earlier_counts(make, lm, answered, signed):
    lm.faults.add("CheckoutLicense", lifetime=answered, claims={"expiration": at(lm, signed)})
    with make().requires_entitlement("Seats", 1, "Count") as lease:
        assert 590 <= lease.expires_in <= 602


def test_an_answer_that_allows_more_than_is_signed_is_refused(guard, lm):
    lm.faults.add("CheckoutLicense", claims={"entitlementsAllowed": [{"name": "Seats", "value": "1", "unit": "Count"}]})
    assert "disagrees about entitlementsAllowed" in refused(guard, "Seats", 3, "Count")
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_an_answer_that_covers_less_is_a_denial_as_ever(guard, lm):
    lm.faults.add("CheckoutLicense", partial={"Seats": 1})
    with pytest.raises(EntitlementDenied) as caught, guard.requires_entitlement("Seats", 2, "Count"):
        pytest.fail("the body ran")
    assert caught.value.reason is Reason.COVERS_LESS


# -- without a signature -------------------------------------------------------------------------


def test_an_unsigned_answer(lm, make):
    lm.faults.add("CheckoutLicense", strip=["SignedToken"], times=2)
    with make().requires_entitlement("Seats", 1, "Count") as lease:
        assert not lease.is_verified
    assert "it is not signed, and verify_signature is 'required'" in refused(make(**MODES["required"]))
    assert lm.usage("ACME-1") == {"Seats": 1}, "of the guard that does not insist"


def test_without_keys_nothing_is_verified(lm, licence, make_guard):
    lm.faults.add("CheckoutLicense", tamper="key")
    with make_guard(lm, licence).requires_entitlement("Seats", 1, "Count") as lease:
        assert not lease.is_verified


def test_required_needs_keys(licence):
    with pytest.raises(ConfigurationError, match="verify_signature='required' needs trusted_keys="):
        MeterGuard("ACME-1", licence.key_fingerprint, verify_signature="required")


def test_keys_are_rotated_by_giving_both(lm, licence, make_guard):
    old = a_strangers_key()
    for keys in ([old, licence.public_key_pem], old + licence.public_key_pem, (licence.public_key_pem.encode(), old)):
        with make_guard(lm, licence, trusted_keys=keys, verify_signature="required").requires_entitlement("Export"):
            pass
    assert "none of the trusted keys" in refused(make_guard(lm, licence, trusted_keys=old))


# -- required: nothing unsigned lengthens --------------------------------------------------------


def test_a_lease_in_use_is_replaced_ahead_of_its_end_and_no_extension_is_asked_for(strict, lm, clock, landed):
    gate = strict.requires_entitlement("Seats", 1, "Count")
    with gate as lease:
        first = lease.token
        clock.shift(3300)
        with gate:
            landed(strict)
        assert (lease.is_live, lease.is_verified, lease.token != first) == (True, True, True)
        assert 3590 < lease.expires_in <= 3600
    assert lm.calls("ExtendLicenseConsumption") == 0
    assert lm.usage("ACME-1") == {"Seats": 1}


def sequence(lm):
    kinds = {"CheckoutLicense": "out", "CheckInLicense": "in"}
    return [kinds[one.operation] for one in lm.requests if one.operation in kinds]


def test_a_one_seat_licence_is_never_asked_for_two(lm, make_guard, clock, landed):
    licence = lm.add_license("ONE-1", [("Seats", 1, "Count")], ttl=3600)
    guard = make_guard(lm, licence, trusted_keys=licence.public_key_pem, verify_signature="required")
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate:
        pass
    for _ in range(3):
        clock.shift(3300)
        with gate:
            landed(guard)
        with gate as lease:
            assert lease.is_verified
    assert sequence(lm) == ["out", *["in", "out"] * 3]
    assert all(one.status == 200 for one in lm.requests if one.operation == "CheckoutLicense")


def test_where_usage_may_not_be_asked_the_seat_goes_back_first(strict, lm, clock, landed):
    lm.faults.add("GetLicenseUsage", error="AccessDeniedException", times=None)
    gate = strict.requires_entitlement("Seats", 1, "Count")
    with gate:
        clock.shift(3300)
        with gate:
            landed(strict)
        with gate as lease:
            assert lease.is_live
    assert sequence(lm) == ["out", "in", "out"]


def test_where_there_is_room_the_old_seat_goes_back_after(strict, lm, clock, landed):
    gate = strict.requires_entitlement("Seats", 1, "Count")
    with gate:
        clock.shift(3300)
        with gate:
            landed(strict)
    assert sequence(lm) == ["out", "out", "in"]


def test_a_feature_is_replaced_beside(strict, lm, clock, landed):
    gate = strict.requires_entitlement("Export")
    with gate:
        clock.shift(3300)
        with gate:
            landed(strict)
    assert sequence(lm) == ["out", "out", "in"]
    assert lm.calls("GetLicenseUsage") == 0


@pytest.mark.parametrize("then", [{"strip": ["SignedToken"]}, {"tamper": "replay"}, {"tamper": "key"}])
def test_a_server_that_signs_once_and_then_only_extends_opens_nothing_after_the_signed_end(
    strict, lm, clock, landed, then
):
    gate = strict.requires_entitlement("Seats", 1, "Count")
    with gate:
        pass
    lm.faults.add("CheckoutLicense", times=None, **then)
    clock.shift(3300)
    with gate:  # it lives to its end
        landed(strict)
    clock.shift(290)
    with gate:
        landed(strict)
    clock.shift(20)
    refused(strict)
    clock.shift(3600)
    refused(strict)
    assert lm.calls("ExtendLicenseConsumption") == 0


def test_a_whole_answer_that_is_replayed_opens_nothing(lm, licence, make_guard, clock):
    """A server that signs once, and gives that very answer again to every checkout."""
    recorded = []

    class Replaying:
        def __init__(self, client):
            self._client = client

        def __getattr__(self, name):
            return getattr(self._client, name)

        def checkout_license(self, **request):
            if not recorded:
                recorded.append(self._client.checkout_license(**request))
            return recorded[0]

    import boto3

    client = Replaying(boto3.client("license-manager", region_name=lm.region, endpoint_url=lm.url))

    def make(**options):
        keys = {"trusted_keys": licence.public_key_pem, "verify_signature": "required", "grace": 0}
        return make_guard(lm, licence, client=client, endpoint_url=None, region_name=None, **keys | options)

    guard = make(denial_ttl=0)
    gate = guard.requires_entitlement("Export")
    with gate:
        pass
    clock.shift(3300)
    with gate:
        pass
    clock.shift(301)
    refused(guard, "Export")
    refused(make(), "Export")


def test_an_answer_of_six_minutes_ago_is_no_answer_to_this_request(strict, lm):
    runtime_clock.move(360)
    try:
        assert "it was issued more than five minutes before it was asked for" in refused(strict)
    finally:
        runtime_clock.move(-360)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_the_replay_of_our_own_pending_intent_is_believed(make, lm, landed):
    guard = make(**MODES["required"] | {"on_unknown": "deny", "timeout": 1})
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with lm.faults.active("CheckoutLicense", drop="after"), pytest.raises(EntitlementUnavailable), gate:
        pytest.fail("the body ran")
    landed(guard)
    with gate as lease:
        assert lease.is_verified
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_if_present_an_extension_still_lengthens(make, lm, clock, landed):
    guard = make()
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate as lease:
        clock.shift(3300)
        with gate:
            landed(guard)
        assert lease.is_verified, "its checkout was"
    assert (lm.calls("ExtendLicenseConsumption"), lm.calls("CheckoutLicense")) == (1, 1)


def test_an_outage_ends_a_strict_lease_at_its_end_and_grace_follows_only_where_it_is_declared(make, lm, clock):
    guards = {grace: make(verify_signature="required", grace=grace, timeout=0.5) for grace in (0, 1800)}
    for guard in guards.values():
        with guard.requires_entitlement("Export"):
            pass
    with lm.faults.active("*", drop="before"):
        clock.shift(3500)
        for guard in guards.values():
            with guard.requires_entitlement("Export") as lease:
                assert lease.is_live
        clock.shift(101)
        with pytest.raises(EntitlementUnavailable), guards[0].requires_entitlement("Export"):
            pytest.fail("the body ran")


def test_a_seat_of_one_call_is_verified_and_replaced_too(strict, lm, clock):
    gate = strict.requires_entitlement("Seats", 1, "Count", hold="call")
    with gate as lease:
        assert lease.is_verified
    lm.faults.add("CheckoutLicense", tamper="signature")
    with pytest.raises(UntrustedLease), gate:
        pytest.fail("the body ran")
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_grace_never_covers_what_is_not_believed(make, lm, clock):
    guard = make(verify_signature="required", grace=86_400, on_unknown="grace")
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate:
        pass
    lm.faults.add("CheckoutLicense", times=None, tamper="key")
    clock.shift(3601)
    refused(guard)


# -- shared stores -------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/leases.db"


def test_processes_of_a_store_verify_what_others_wrote(make, store, lm):
    first, second = (make(store=store, verify_signature="required") for _ in range(2))
    with (
        first.requires_entitlement("Seats", 1, "Count") as one,
        second.requires_entitlement("Seats", 1, "Count") as other,
    ):
        assert (one.is_verified, other.is_verified, one.token == other.token) == (True, True, True)
    assert lm.calls("CheckoutLicense") == 1


def test_what_an_unbelieving_process_wrote_opens_nothing_for_a_strict_one(lm, licence, make, make_guard, store):
    lm.faults.add("CheckoutLicense", strip=["SignedToken"])
    trusting, strict = make_guard(lm, licence, store=store), make(store=store, verify_signature="required")
    with trusting.requires_entitlement("Seats", 1, "Count"):
        assert "it is not signed" in refused(strict)
        assert lm.usage("ACME-1") == {"Seats": 1}, "the other one goes on"


def test_a_row_that_somebody_changed_opens_nothing(make, store, tmp_path):
    first, second = (make(store=store, verify_signature="required") for _ in range(2))
    with first.requires_entitlement("Seats", 1, "Count"):
        with closing(SqliteRows(str(tmp_path / "leases.db"))) as rows:
            ((place, row),) = [(place, row) for place, row in rows.rows("") if is_of_lease(place)]
            data = json.loads(row.body)
            data["lease"]["lifetime"] = 10 * 86_400
            assert rows.replace(place, row.version, Row("changed", json.dumps(data)), 3600)[0]
        assert "it goes on after the end that is signed" in refused(second)


def test_a_shared_lease_is_replaced_when_its_only_process_goes_on(make, store, lm, clock, landed):
    guard = make(store=store, verify_signature="required")
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate:
        pass
    clock.shift(3300)
    with gate:
        landed(guard)
    with gate as lease:
        assert lease.is_verified
    assert sequence(lm) == ["out", "in", "out"]
    assert lm.calls("ExtendLicenseConsumption") == 0


def test_a_lease_that_others_ride_on_too_lives_to_its_end(make, store, lm, clock, landed):
    first, second = (make(store=store, verify_signature="required") for _ in range(2))
    gates = [one.requires_entitlement("Seats", 1, "Count") for one in (first, second)]
    for gate in gates:
        with gate:
            pass
    clock.shift(3300)
    for gate, guard in zip(gates, (first, second), strict=True):
        with gate:
            landed(guard)
    assert sequence(lm) == ["out"]
    clock.shift(310)
    for gate in gates:
        with gate as lease:
            assert lease.is_verified
    assert lm.calls("ExtendLicenseConsumption") == 0
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert lm.calls("CheckoutLicense") == 2


# -- draws ---------------------------------------------------------------------------------------


@pytest.fixture
def pages(lm):
    return lm.add_license("PAGES-1", [("Pages", 100, "Count")], allow_check_in=False)


def test_units_of_a_true_answer_are_charged_and_those_of_a_forged_one_are_lost(lm, pages, make_guard):
    guard = make_guard(lm, pages, trusted_keys=pages.public_key_pem, verify_signature="required", denial_ttl=0)
    heard = []
    guard.subscribe(lambda event: isinstance(event, events.UnitsLost) and heard.append(event.units))
    draw = guard.consumes_entitlement("Pages", 1, block=10)
    lm.faults.add("CheckoutLicense", tamper="signature")
    with pytest.raises(UntrustedLease, match="the units are written off as lost") as caught, draw:
        pytest.fail("the body ran")
    assert caught.value.reason is Reason.UNTRUSTED
    with draw:
        pass
    summary = guard.ledger.summary()["Pages"]
    assert (summary.lost, summary.charged, heard) == (10, 1, [10])
    assert summary.drawn == summary.charged + summary.reserved + summary.left + summary.lost


def test_an_unsigned_draw_under_required(lm, pages, make_guard):
    lm.faults.add("CheckoutLicense", strip=["SignedToken"])
    guard = make_guard(lm, pages, trusted_keys=pages.public_key_pem, verify_signature="required")
    with pytest.raises(UntrustedLease, match="it is not signed"), guard.consumes_entitlement("Pages", 1, block=5):
        pytest.fail("the body ran")


# -- what it costs -------------------------------------------------------------------------------


def test_a_hit_verifies_nothing_and_a_checkout_verifies_once(make, monkeypatch):
    from meterguard.aws import signed_token

    asked, true = [], signed_token.verify
    monkeypatch.setattr(signed_token, "verify", lambda *given: asked.append(1) or true(*given))
    guard = make(verify_signature="required")
    guarded = guard.requires_entitlement("Export")(lambda: None)
    for _ in range(1000):
        guarded()
    assert len(asked) == 1


def test_many_threads_replace_a_lease_once(lm, make_guard, clock, together, landed):
    licence = lm.add_license("ONE-1", [("Seats", 1, "Count")], ttl=3600)
    guard = make_guard(lm, licence, trusted_keys=licence.public_key_pem, verify_signature="required")
    guarded = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    assert guarded() == "ran"
    for _ in range(2):
        clock.shift(3300)
        assert together(24, guarded) == ["ran"] * 24
        landed(guard)
    assert guarded() == "ran"
    assert sequence(lm) == ["out", "in", "out", "in", "out"]
    assert lm.usage("ONE-1") == {"Seats": 1}


def a_strangers_key():
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
