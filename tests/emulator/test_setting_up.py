"""What a test writes to set an emulator up, and reads from it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from meterguard.emulator import Emulator, Entitlement


@pytest.fixture
def quiet():
    """An emulator that is not started: setting up needs no server."""
    return Emulator()


class TestLicences:
    def test_by_default_another_account_issued_it_and_ours_received_it(self, quiet):
        licence = quiet.add_license("ACME-1", entitlements=[("Seats", 3, "Count")])
        assert licence.key_fingerprint == f"aws:{licence.issuer_account}:Acme:issuer-fingerprint"
        assert licence.issuer_account != quiet.account_id
        assert licence.beneficiary == quiet.account_id
        assert licence.sku == licence.product_sku == "ACME-1"
        assert licence.arn.startswith(f"arn:aws:license-manager::{licence.issuer_account}:license:l-")
        assert (licence.ttl, licence.lifetime, licence.version, licence.status) == (3600, 3600, 1, "AVAILABLE")

    @pytest.mark.parametrize(
        ("terms", "built"),
        [
            (("Seats", 3, "Count"), Entitlement("Seats", "Count", 3, None, False, True)),
            (("Seats", None, "Count"), Entitlement("Seats", "Count", None, None, False, True)),
            (("Seats", 3), Entitlement("Seats", "Count", 3, None, False, True)),
            (("Data", 9, "Gigabytes"), Entitlement("Data", "Gigabytes", 9, None, False, True)),
            (("Export", None, "None"), Entitlement("Export", "None")),
            (("Export", "Enabled", "None"), Entitlement("Export", "None", None, "Enabled")),
            (("Export",), Entitlement("Export", "None")),
            (("Seats", 3, "Count", {"overage": True}), Entitlement("Seats", "Count", 3, None, True, True)),
            (
                {"name": "Seats", "max_count": 3, "unit": "Count", "allow_check_in": False},
                Entitlement("Seats", "Count", 3, None, False, False),
            ),
            (Entitlement("Seats", "Count", 3), Entitlement("Seats", "Count", 3)),
        ],
    )
    def test_ways_to_write_an_entitlement(self, quiet, terms, built):
        assert quiet.add_license("ACME-1", [terms]).entitlements == (built,)

    @pytest.mark.parametrize(
        ("terms", "told"),
        [
            ([], "at least one"),
            (["Seats"], r"write \(name, maximum, unit\)"),
            ([()], r"write \(name, maximum, unit\)"),
            ([("", 1, "Count")], "its name must be a text"),
            ([("Seats", 1, "Pieces")], "'Pieces' is not a unit"),
            ([("Seats", -1, "Count")], "-1 is not a whole number"),
            ([("Seats", 1.5, "Count")], "1.5 is not a whole number"),
            ([("Seats", True, "Count")], "True is not a whole number"),
            ([("Seats", 1, "None")], "a value is a text"),
            ([{"name": "A", "unit": "None", "max_count": 1}], "has no maximum"),
            ([("A", None, "None"), ("A", 1, "Count")], "two have the same name"),
        ],
    )
    def test_entitlements_that_make_no_sense(self, quiet, terms, told):
        with pytest.raises(ValueError, match=told):
            quiet.add_license("ACME-1", terms)

    @pytest.mark.parametrize(
        ("terms", "told"),
        [
            ({"ttl": 0}, "ttl: 0"),
            ({"ttl": -1}, "ttl: -1"),
            ({"ttl": float("nan")}, "ttl: nan"),
            ({"begin": "2026-01-02", "end": "2026-01-01"}, "end: must be after begin"),
            ({"status": "FINE"}, "'FINE' is not a license status"),
        ],
    )
    def test_terms_that_make_no_sense(self, quiet, terms, told):
        with pytest.raises(ValueError, match=told):
            quiet.add_license("ACME-1", [("Seats", 1, "Count")], **terms)

    def test_an_unknown_term_is_told_with_the_known_ones(self, quiet):
        with pytest.raises(TypeError, match=r"colour.*product_name"):
            quiet.add_license("ACME-1", [("Seats", 1, "Count")], colour="red")
        licence = quiet.add_license("ACME-1", [("Seats", 1, "Count")])
        with pytest.raises(TypeError, match=r"colour.*entitlements"):
            quiet.update_license(licence, colour="red")

    def test_a_change_makes_a_new_version(self, quiet):
        first = quiet.add_license("ACME-1", [("Seats", 1, "Count")], begin=datetime(2026, 1, 1, tzinfo=UTC))
        second = quiet.update_license(
            "ACME-1",
            entitlements=[("Seats", 9, "Count")],
            ttl=60,
            begin="2026-02-01T00:00:00Z",
            end="2026-03-01T00:00:00Z",
            metadata={"order": "7"},
        )
        assert (first.version, second.version, second.arn) == (1, 2, first.arn)
        assert (second.entitlements[0].max_count, second.lifetime) == (9, 60)
        assert second.end - second.begin == 28 * 24 * 3600
        assert quiet.license(first) == quiet.license(first.arn) == quiet.license("ACME-1") == second
        with pytest.raises(ValueError, match="FINE"):
            quiet.update_license("ACME-1", status="FINE")

    def test_what_was_never_added(self, quiet):
        with pytest.raises(KeyError, match="NONE"):
            quiet.usage("NONE")


class TestLooking:
    def test_usage_and_checkouts(self, lm, licence, take):
        other = lm.add_license("OTHER", [("Seats", 1, "Count")])
        token = take(Seats=2, Export=None, NodeId="n")["LicenseConsumptionToken"]
        take(Seats=1, of=other)
        assert lm.usage(licence) == {"Seats": 2}
        (checkout,) = lm.checkouts("ACME-1")
        assert (checkout.token, checkout.node_id, checkout.account) == (token, "n", lm.account_id)
        assert [item.name for item in checkout.items] == ["Seats", "Export"]
        assert len(lm.checkouts()) == 2

    def test_every_request_is_kept_in_order(self, lm, licence, take, client, code):
        lm.clock.freeze()
        answer = take(Seats=1, token="t-1")
        client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
        with code("NoEntitlementsAllowedException"):
            take(Seats=9)
        first, second, third = lm.requests
        assert [one.operation for one in lm.requests] == ["CheckoutLicense", "CheckInLicense", "CheckoutLicense"]
        assert first.parameters == {
            "ProductSKU": "ACME-1",
            "KeyFingerprint": licence.key_fingerprint,
            "CheckoutType": "PROVISIONAL",
            "ClientToken": "t-1",
            "Entitlements": [{"Name": "Seats", "Unit": "Count", "Value": "1"}],
        }
        assert first.client_token == "t-1"
        assert second.client_token is None
        assert (first.status, first.error, first.done) == (200, None, True)
        assert (third.status, third.error) == (400, "NoEntitlementsAllowedException")
        assert first.at == lm.clock.now()
        assert first.caller.access_key == "testing"
        assert first.caller.region == "us-east-1"
        assert first.request_id == answer["ResponseMetadata"]["RequestId"]
        assert first.headers["x-amz-target"] == "AWSLicenseManager.CheckoutLicense"
        assert (lm.calls("CheckoutLicense"), lm.calls()) == (2, 3)
        lm.requests.clear()
        assert lm.calls() == 0

    def test_waiting_for_calls(self, lm, client, take):
        with pytest.raises(TimeoutError, match="0 CheckoutLicense of 1 arrived"):
            lm.wait_for_calls("CheckoutLicense", timeout=0.01)
        threads = [threading.Thread(target=take, kwargs={"Seats": 1, "using": client}) for _ in range(3)]
        for thread in threads:
            thread.start()
        lm.wait_for_calls("CheckoutLicense", 3, done=True)
        for thread in threads:
            thread.join(20)
        assert lm.usage("ACME-1") == {"Seats": 3}

    def test_the_same_random_seed_gives_the_same_ids(self, connect, take):
        def run():
            with Emulator(random_seed=7) as lm:
                one = lm.add_license("ONE", [("Seats", 3, "Count")])
                answer = take(Seats=1, of=one, using=connect(url=lm.url), token="t")
                return one.arn, answer["LicenseConsumptionToken"], answer["ResponseMetadata"]["RequestId"]

        assert run() == run()

    def test_it_says_where_it_is(self, lm, quiet):
        assert repr(lm) == f"<Emulator {lm.url}>"
        assert repr(quiet) == "<Emulator not started>"
        lm.clock.freeze("2026-01-01T00:00:00Z")
        assert repr(lm.clock) == "<Clock 2026-01-01T00:00:00+00:00 frozen>"
