"""CheckoutLicense, ExtendLicenseConsumption and CheckInLicense, as boto3 sees them."""

from __future__ import annotations

from datetime import datetime

import pytest

from meterguard.emulator import Behavior, Emulator
from meterguard.emulator.state.clock import moment_of
from meterguard.emulator.state.periods import period_of


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_a_checkout_takes_units_and_names_what_is_allowed(lm, licence, take):
    answer = take(Seats=2, Export=None, NodeId="node-7")
    assert answer["EntitlementsAllowed"] == [
        {"Name": "Seats", "Value": "2", "Unit": "Count"},
        {"Name": "Export", "Unit": "None"},
    ]
    assert answer["CheckoutType"] == "PROVISIONAL"
    assert answer["LicenseArn"] == licence.arn
    assert answer["NodeId"] == "node-7"
    assert "SignedToken" not in answer
    assert len(answer["LicenseConsumptionToken"]) == 32
    assert lm.usage("ACME-1") == {"Seats": 2}


@pytest.mark.parametrize("ttl", [60, 3600, 2, 1])
def test_a_lease_lives_exactly_as_long_as_the_licence_says(lm, take, ttl):
    short = lm.add_license("SHORT", [("Seats", 1, "Count")], ttl=ttl)
    answer = take(Seats=1, of=short)
    assert seconds(answer["Expiration"]) - seconds(answer["IssuedAt"]) == ttl
    lm.clock.advance(ttl - 1)
    assert lm.usage(short) == {"Seats": 1}
    lm.clock.advance(1)
    assert lm.usage(short) == {"Seats": 0}


@pytest.mark.parametrize(("ttl", "lifetime"), [(2.7, 2), (0.2, 1)])
def test_a_fractional_lifetime_is_rounded_down_but_never_to_nothing(lm, take, ttl, lifetime):
    short = lm.add_license("SHORT", [("Seats", 1, "Count")], ttl=ttl)
    answer = take(Seats=1, of=short)
    assert seconds(answer["Expiration"]) - seconds(answer["IssuedAt"]) == lifetime


def test_the_pool_refuses_when_it_is_empty(take, code):
    take(Seats=3)
    with code("NoEntitlementsAllowedException") as refusal:
        take(Seats=1)
    assert refusal.message == "No Entitlements Allowed"
    assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_more_than_is_left_is_refused_and_takes_nothing(lm, take, code):
    take(Seats=2)
    with code("NoEntitlementsAllowedException"):
        take(Seats=2)
    assert lm.usage("ACME-1") == {"Seats": 2}


def test_a_feature_is_not_counted(take):
    for _ in range(10):
        take(Export=None)


@pytest.mark.parametrize(
    "item",
    [
        {"Name": "Seats", "Unit": "None"},
        {"Name": "Seats", "Unit": "Gigabytes", "Value": "1"},
        {"Name": "Export", "Unit": "Count", "Value": "1"},
        {"Name": "Elsewhere", "Unit": "None"},
    ],
    ids=["counted asked as a feature", "another unit", "feature asked as counted", "unknown name"],
)
def test_the_wrong_unit_or_name_is_refused(client, licence, code, item):
    with code("NoEntitlementsAllowedException"):
        client.checkout_license(
            ProductSKU="ACME-1",
            KeyFingerprint=licence.key_fingerprint,
            CheckoutType="PROVISIONAL",
            ClientToken="t",
            Entitlements=[item],
        )


def test_what_cannot_be_given_is_left_out(lm, take):
    take(Seats=3)
    answer = take(Seats=1, Export=None)
    assert [item["Name"] for item in answer["EntitlementsAllowed"]] == ["Export"]
    assert lm.usage("ACME-1") == {"Seats": 3}


def test_a_feature_with_a_value_answers_it(lm, take):
    tiers = lm.add_license("TIERS", [("Gold", "Enabled", "None")])
    answer = take(Gold=None, of=tiers)
    assert answer["EntitlementsAllowed"] == [{"Name": "Gold", "Value": "Enabled", "Unit": "None"}]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "", " 1", "1e3", "\u0663", "9" * 30, None])
def test_a_count_must_be_a_positive_whole_number(client, licence, code, value):
    item = {"Name": "Seats", "Unit": "Count"} | ({} if value is None else {"Value": value})
    with code("ValidationException"):
        client.checkout_license(
            ProductSKU="ACME-1",
            KeyFingerprint=licence.key_fingerprint,
            CheckoutType="PROVISIONAL",
            ClientToken="t",
            Entitlements=[item],
        )


def test_an_entitlement_named_twice_is_refused(client, licence, code):
    with code("ValidationException"):
        client.checkout_license(
            ProductSKU="ACME-1",
            KeyFingerprint=licence.key_fingerprint,
            CheckoutType="PROVISIONAL",
            ClientToken="t",
            Entitlements=[{"Name": "Export", "Unit": "None"}] * 2,
        )


def test_overage_gives_more_than_there_is(lm, take):
    generous = lm.add_license("MORE", [("Seats", 1, "Count", {"overage": True})])
    take(Seats=5, of=generous)
    assert lm.usage(generous) == {"Seats": 5}


def test_without_a_maximum_there_is_no_end(lm, take):
    endless = lm.add_license("ENDLESS", [("Seats", None, "Count")])
    take(Seats=10**12, of=endless)
    assert lm.usage(endless) == {"Seats": 10**12}


def test_a_drawn_unit_never_comes_back(lm, take, client, code):
    answer = take(Seats=2, kind="PERPETUAL")
    lm.clock.advance(1800)
    with code("InvalidParameterValueException"):
        client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    with code("InvalidParameterValueException"):
        client.extend_license_consumption(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    lm.clock.advance(365 * 24 * 3600)
    assert lm.usage("ACME-1") == {"Seats": 2}
    assert lm.checkouts() == []
    take(Seats=1, kind="PERPETUAL")
    with code("NoEntitlementsAllowedException"):
        take(Seats=1, kind="PERPETUAL")


def test_a_licence_that_renews_has_its_drawn_units_back(lm, take):
    weekly = lm.add_license("WEEKLY", [("Seats", 3, "Count")], renew_type="Weekly")
    take(Seats=3, kind="PERPETUAL", of=weekly)
    take_back = 7 * 24 * 3600
    lm.clock.advance(take_back - 60)
    assert lm.usage(weekly) == {"Seats": 3}
    lm.clock.advance(60)
    assert lm.usage(weekly) == {"Seats": 0}


@pytest.mark.parametrize(
    ("renew_type", "begin", "now", "period"),
    [
        ("None", "2026-01-01", "2030-01-01", 0),
        ("Weekly", "2026-01-01", "2025-01-01", 0),
        ("Weekly", "2026-01-01", "2026-01-07T23:59:59", 0),
        ("Weekly", "2026-01-01", "2026-01-08", 1),
        ("Monthly", "2026-01-31T12:00:00", "2026-02-28T11:59:59", 0),
        ("Monthly", "2026-01-31T12:00:00", "2026-02-28T12:00:00", 1),
        ("Monthly", "2026-01-31T12:00:00", "2026-03-30T12:00:00", 1),
        ("Monthly", "2026-01-31T12:00:00", "2027-01-31T12:00:00", 12),
    ],
)
def test_periods_of_renewal(renew_type, begin, now, period):
    assert period_of(renew_type, moment_of(begin), moment_of(now)) == period


def test_provisional_needs_a_provisional_configuration(lm, take, code):
    drawn = lm.add_license("DRAWN", [("Seats", 3, "Count")], ttl=None)
    with code("InvalidParameterValueException"):
        take(Seats=1, of=drawn)
    take(Seats=1, kind="PERPETUAL", of=drawn)


def test_returned_units_can_be_taken_again(lm, take, client):
    answer = take(Seats=3)
    returned = client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    assert set(returned) == {"ResponseMetadata"}
    assert lm.usage("ACME-1") == {"Seats": 0}
    take(Seats=3)


def test_a_second_check_in_and_one_too_late_find_nothing(lm, take, client, code):
    first, second = take(Seats=1), take(Seats=1)
    client.check_in_license(LicenseConsumptionToken=first["LicenseConsumptionToken"])
    with code("ResourceNotFoundException"):
        client.check_in_license(LicenseConsumptionToken=first["LicenseConsumptionToken"])
    lm.clock.advance(3600)
    with code("ResourceNotFoundException"):
        client.check_in_license(LicenseConsumptionToken=second["LicenseConsumptionToken"])


def test_what_may_not_be_returned_stays_taken(lm, take, client, code):
    strict = lm.add_license("STRICT", [("Seats", 1, "Count")], allow_check_in=False)
    answer = take(Seats=1, of=strict)
    with code("InvalidParameterValueException"):
        client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    assert lm.usage(strict) == {"Seats": 1}


def test_an_extension_counts_from_now(lm, take, client):
    lm.clock.freeze("2026-03-01T12:00:00Z")
    lm.update_license("ACME-1", begin="2026-01-01T00:00:00Z")
    answer = take(Seats=1)
    assert (answer["IssuedAt"], answer["Expiration"]) == ("2026-03-01T12:00:00", "2026-03-01T13:00:00")
    lm.clock.advance(600)
    extended = client.extend_license_consumption(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    assert extended["LicenseConsumptionToken"] == answer["LicenseConsumptionToken"]
    assert extended["Expiration"] == "2026-03-01T13:10:00Z"
    lm.clock.set("2026-03-01T13:09:59Z")
    assert lm.usage("ACME-1") == {"Seats": 1}
    lm.clock.advance(1)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_dry_run_extends_nothing(lm, take, client):
    lm.clock.freeze()
    answer = take(Seats=1)
    lm.clock.advance(600)
    token = answer["LicenseConsumptionToken"]
    dry = client.extend_license_consumption(LicenseConsumptionToken=token, DryRun=True)
    assert dry["Expiration"] == answer["Expiration"] + "Z"


def test_what_lapsed_was_returned_or_lost_its_licence_cannot_be_extended(lm, take, client, code):
    returned, lapsed = take(Seats=1), take(Seats=1)
    client.check_in_license(LicenseConsumptionToken=returned["LicenseConsumptionToken"])
    lm.clock.advance(3600)
    suspended = take(Seats=1)
    lm.update_license("ACME-1", status="SUSPENDED")
    for answer in (returned, lapsed, suspended):
        with code("ResourceNotFoundException"):
            client.extend_license_consumption(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_a_lease_ends_with_its_licence(lm, take):
    lm.clock.freeze("2026-03-01T12:00:00Z")
    ending = lm.add_license("ENDS", [("Seats", 1, "Count")], begin="2026-01-01", end="2026-03-01T12:20:00Z")
    assert take(Seats=1, of=ending)["Expiration"] == "2026-03-01T12:20:00"


def test_a_licence_is_usable_between_its_begin_and_its_end(lm, take, code):
    lm.clock.freeze("2026-03-01T12:00:00Z")
    one = lm.add_license("ONE", [("Seats", 1, "Count")], begin="2026-04-01", end="2026-05-01")
    for moment in ("2026-03-31T23:59:59Z", "2026-05-01T00:00:00Z"):
        lm.clock.set(moment)
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, of=one)
    lm.clock.set("2026-04-01T00:00:00Z")
    take(Seats=1, of=one)


@pytest.mark.parametrize("status", ["SUSPENDED", "DEACTIVATED", "PENDING_DELETE"])
def test_a_licence_that_is_not_available_is_refused(lm, take, code, status):
    lm.update_license("ACME-1", status=status)
    with code("NoEntitlementsAllowedException"):
        take(Seats=1)


def test_an_unknown_product_or_issuer_is_not_found(lm, client, licence, code):
    lm.add_license("OTHER", [("Seats", 1, "Count")], issuer_name="Somebody")
    for sku, fingerprint in (("NONE", licence.key_fingerprint), ("OTHER", licence.key_fingerprint)):
        with code("ResourceNotFoundException"):
            client.checkout_license(
                ProductSKU=sku,
                KeyFingerprint=fingerprint,
                CheckoutType="PROVISIONAL",
                ClientToken="t",
                Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": "1"}],
            )


def test_the_newest_of_several_licences_is_taken(lm, licence, take):
    newer = lm.add_license("ACME-1", [("Seats", 1, "Count")])
    assert take(Seats=1)["LicenseArn"] == newer.arn
    lm.update_license(newer, status="SUSPENDED")
    assert take(Seats=1)["LicenseArn"] == licence.arn


class TestBeneficiary:
    @pytest.fixture
    def own(self, lm):
        return lm.add_license("OWN", [("Seats", 2, "Count")], issuer_account=lm.account_id, beneficiary="Jo")

    def test_an_issuer_names_the_beneficiary(self, own, take):
        assert take(Seats=1, of=own, Beneficiary="Jo")["LicenseArn"] == own.arn

    def test_an_issuer_who_does_not_is_refused(self, own, take, code):
        with code("InvalidParameterValueException"):
            take(Seats=1, of=own)

    def test_another_beneficiary_has_no_licence(self, own, take, code):
        with code("ResourceNotFoundException"):
            take(Seats=1, of=own, Beneficiary="Al")

    def test_with_a_beneficiary_only_own_licences_are_searched(self, licence, take, code):
        with code("ResourceNotFoundException"):
            take(Seats=1, Beneficiary=licence.beneficiary)

    def test_a_check_in_may_name_it_too_but_no_other(self, own, take, client, code):
        token = take(Seats=1, of=own, Beneficiary="Jo")["LicenseConsumptionToken"]
        with code("InvalidParameterValueException"):
            client.check_in_license(LicenseConsumptionToken=token, Beneficiary="Al")
        client.check_in_license(LicenseConsumptionToken=token, Beneficiary="Jo")


class TestAccounts:
    def test_a_pool_is_shared_by_all_who_received_the_licence(self, lm, connect, take, code):
        shared = lm.add_license("SHARED", [("Seats", 1, "Count")], recipients=["222222222222", "333333333333"])
        take(Seats=1, of=shared, using=connect("222222222222"))
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, of=shared, using=connect("333333333333"))

    def test_who_did_not_receive_it_finds_nothing(self, connect, take, code):
        with code("ResourceNotFoundException"):
            take(Seats=1, using=connect("222222222222"))

    def test_a_token_belongs_to_the_account_that_got_it(self, lm, connect, take, code):
        token = take(Seats=1)["LicenseConsumptionToken"]
        stranger = connect("222222222222")
        with code("ResourceNotFoundException"):
            stranger.check_in_license(LicenseConsumptionToken=token)
        with code("ResourceNotFoundException"):
            stranger.extend_license_consumption(LicenseConsumptionToken=token)
        assert lm.usage("ACME-1") == {"Seats": 1}

    def test_a_licence_can_be_taken_away_from_who_received_it(self, lm, licence, take, client, code):
        token = take(Seats=1)["LicenseConsumptionToken"]
        lm.receive(licence, status="DISABLED")
        with code("ResourceNotFoundException"):
            take(Seats=1)
        with code("ResourceNotFoundException"):
            client.extend_license_consumption(LicenseConsumptionToken=token)
        client.check_in_license(LicenseConsumptionToken=token)
        lm.receive(licence)
        take(Seats=1)
        with pytest.raises(ValueError, match="GONE"):
            lm.receive(licence, status="GONE")

    def test_an_access_key_can_be_given_an_account(self, lm, connect, take, code):
        lm.accounts["AKIAELSEWHERE"] = "222222222222"
        with code("ResourceNotFoundException"):
            take(Seats=1, using=connect("AKIAELSEWHERE"))
        assert lm.requests[-1].account == "222222222222"


class TestSwitches:
    """Where AWS documents nothing, each reading can be had."""

    @pytest.fixture
    def serving(self, connect, take):
        emulators = []

        def start(**switches):
            emulator = Emulator(behavior=Behavior(**switches)).start()
            emulators.append(emulator)
            one = emulator.add_license("ONE", [("Seats", 3, "Count"), ("Export", "on", "None")])
            using = connect(url=emulator.url)
            return emulator, using, lambda **amounts: take(of=one, using=using, **amounts)

        yield start
        for emulator in emulators:
            emulator.stop()

    def test_all_or_nothing(self, serving, code):
        emulator, _, take = serving(partial_results=False)
        with code("NoEntitlementsAllowedException"):
            take(Seats=4, Export=None)
        assert emulator.usage("ONE") == {"Seats": 0}

    def test_reduced_value(self, serving, code):
        _, _, take = serving(reduce_value=True)
        assert take(Seats=5)["EntitlementsAllowed"] == [{"Name": "Seats", "Value": "3", "Unit": "Count"}]
        with code("NoEntitlementsAllowedException"):
            take(Seats=1)

    def test_extension_from_the_old_expiration(self, serving):
        emulator, client, take = serving(extend_from="expiration")
        emulator.clock.freeze()
        first = take(Seats=1)
        again = client.extend_license_consumption(LicenseConsumptionToken=first["LicenseConsumptionToken"])
        assert seconds(again["Expiration"]) - seconds(first["Expiration"] + "Z") == 3600

    def test_errors_by_name(self, serving, code):
        _, client, _ = serving(lost_error="InvalidParameterValueException", check_in_gone_error="ConflictException")
        with code("InvalidParameterValueException"):
            client.extend_license_consumption(LicenseConsumptionToken="0" * 32)
        with code("ConflictException"):
            client.check_in_license(LicenseConsumptionToken="0" * 32)

    def test_statuses_of_the_smithy_model(self, serving, code):
        emulator, _, take = serving(smithy_statuses=True)
        emulator.faults.add("CheckoutLicense", error="RateLimitExceededException")
        with code("RateLimitExceededException") as refusal:
            take(Seats=1)
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 429

    def test_a_feature_without_its_value(self, serving):
        _, _, take = serving(feature_value_in_answer=False)
        assert take(Export=None)["EntitlementsAllowed"] == [{"Name": "Export", "Unit": "None"}]

    def test_drawn_units_that_do_not_come_back(self, connect, take):
        with Emulator(behavior=Behavior(renewal_resets_spent=False)) as emulator:
            one = emulator.add_license("ONE", [("Seats", 3, "Count")], renew_type="Weekly")
            take(Seats=2, kind="PERPETUAL", of=one, using=connect(url=emulator.url))
            emulator.clock.advance(14 * 24 * 3600)
            assert emulator.usage(one) == {"Seats": 2}
