"""CreateLicense, DeleteLicense and the operations that read."""

from __future__ import annotations

import math

import pytest

from meterguard.emulator import Behavior, Emulator

TERMS = {
    "LicenseName": "Acme one",
    "ProductName": "Acme",
    "ProductSKU": "MINE",
    "Issuer": {"Name": "My shop"},
    "HomeRegion": "us-east-1",
    "Validity": {"Begin": "2020-01-01T00:00:00.000Z", "End": "2099-01-01T00:00:00+01:00"},
    "Entitlements": [
        {"Name": "Seats", "Unit": "Count", "MaxCount": 2, "Overage": False, "AllowCheckIn": True},
        {"Name": "Tier", "Unit": "None", "Value": "Gold"},
    ],
    "Beneficiary": "Jo",
    "ConsumptionConfiguration": {
        "RenewType": "Monthly",
        "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 90},
        "BorrowConfiguration": {"AllowEarlyCheckIn": True, "MaxTimeToLiveInMinutes": 1440},
    },
    "LicenseMetadata": [{"Name": "order", "Value": ""}],
    "ClientToken": "create-1",
}


class TestCreateAndGet:
    def test_a_created_licence_reads_as_it_was_written(self, lm, client):
        lm.clock.freeze("2026-03-01T12:00:00Z")
        created = client.create_license(**TERMS)
        assert (created["Status"], created["Version"]) == ("PENDING_AVAILABLE", "1")
        read = client.get_license(LicenseArn=created["LicenseArn"])["License"]
        for member in ("LicenseName", "ProductName", "ProductSKU", "HomeRegion", "Validity", "Beneficiary"):
            assert read[member] == TERMS[member]
        assert read["Entitlements"] == TERMS["Entitlements"]
        assert read["ConsumptionConfiguration"] == TERMS["ConsumptionConfiguration"]
        assert read["LicenseMetadata"] == TERMS["LicenseMetadata"]
        assert read["Issuer"] == {
            "Name": "My shop",
            "KeyFingerprint": f"aws:{lm.account_id}:My shop:issuer-fingerprint",
        }
        assert read["Status"] == "AVAILABLE"
        assert read["CreateTime"] == "1772366400"
        assert read["Version"] == "1"
        assert read["LicenseArn"].startswith(f"arn:aws:license-manager::{lm.account_id}:license:l-")

    def test_it_can_be_checked_out_by_naming_its_beneficiary(self, lm, client, take):
        arn = client.create_license(**TERMS)["LicenseArn"]
        answer = take(Seats=2, Tier=None, of=lm.license(arn), Beneficiary="Jo")
        assert answer["EntitlementsAllowed"] == [
            {"Name": "Seats", "Value": "2", "Unit": "Count"},
            {"Name": "Tier", "Value": "Gold", "Unit": "None"},
        ]

    def test_creating_twice_with_one_token_makes_one(self, client):
        first, second = (client.create_license(**TERMS) for _ in range(2))
        assert first["LicenseArn"] == second["LicenseArn"]

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"Entitlements": []}, "ValidationException"),
            ({"Beneficiary": ""}, "ValidationException"),
            ({"Validity": {"Begin": "2026-01-01"}}, "ValidationException"),
            ({"Validity": {"Begin": "2026-02-30T00:00:00Z"}}, "InvalidParameterValueException"),
            (
                {"Validity": {"Begin": "2026-02-01T00:00:00Z", "End": "2026-02-01T00:00:00Z"}},
                "InvalidParameterValueException",
            ),
            (
                {"Entitlements": [{"Name": "A", "Unit": "None", "MaxCount": 1}]},
                "InvalidParameterValueException",
            ),
            (
                {"Entitlements": [{"Name": "A", "Unit": "Count", "Value": "1"}]},
                "InvalidParameterValueException",
            ),
            (
                {"Entitlements": [{"Name": "A", "Unit": "Count", "MaxCount": -1}]},
                "InvalidParameterValueException",
            ),
            ({"Entitlements": [{"Name": "A", "Unit": "None"}] * 2}, "InvalidParameterValueException"),
            ({"Entitlements": [{"Name": "A", "Unit": "Pounds"}]}, "ValidationException"),
            (
                {"ConsumptionConfiguration": {"ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 0}}},
                "InvalidParameterValueException",
            ),
            ({"ConsumptionConfiguration": {"RenewType": "Yearly"}}, "ValidationException"),
            ({"ClientToken": "two words"}, "ValidationException"),
        ],
    )
    def test_terms_that_make_no_sense_are_refused(self, lm, client, code, change, error):
        with code(error):
            client.create_license(**(TERMS | change))
        with pytest.raises(KeyError):
            lm.license("MINE")

    def test_it_is_not_usable_before_it_has_spread(self, connect, take, code):
        with Emulator(behavior=Behavior(propagation=5)) as lm:
            client = connect(url=lm.url)
            arn = client.create_license(**TERMS)["LicenseArn"]
            assert client.get_license(LicenseArn=arn)["License"]["Status"] == "PENDING_AVAILABLE"
            with code("ResourceNotFoundException"):
                take(Seats=1, of=lm.license(arn), Beneficiary="Jo", using=client)
            lm.clock.advance(5)
            assert client.get_license(LicenseArn=arn)["License"]["Status"] == "AVAILABLE"
            take(Seats=1, of=lm.license(arn), Beneficiary="Jo", using=client)


class TestDelete:
    @pytest.fixture
    def arn(self, client):
        return client.create_license(**TERMS)["LicenseArn"]

    def test_a_deleted_licence_can_be_read_and_not_used(self, lm, client, arn, take, code):
        lm.clock.freeze("2026-03-01T12:00:00Z")
        deleted = client.delete_license(LicenseArn=arn, SourceVersion="1")
        assert deleted["Status"] == "DELETED"
        assert deleted["DeletionDate"] == "2026-03-01T12:00:00Z"
        assert client.get_license(LicenseArn=arn)["License"]["Status"] == "DELETED"
        with code("ResourceNotFoundException"):
            take(Seats=1, of=lm.license(arn), Beneficiary="Jo")

    def test_the_version_must_be_the_current_one(self, client, arn, code):
        with code("ConflictException"):
            client.delete_license(LicenseArn=arn, SourceVersion="2")

    def test_only_in_its_home_region(self, connect, arn, code):
        with code("RedirectException") as refusal:
            connect(region="eu-west-1").delete_license(LicenseArn=arn, SourceVersion="1")
        assert refusal.response["Location"] == "us-east-1"

    def test_only_by_who_issued_it(self, client, licence, code):
        with code("InvalidParameterValueException"):
            client.delete_license(LicenseArn=licence.arn, SourceVersion="1")


class TestReading:
    def test_a_lifetime_is_shown_in_minutes_rounded_up(self, lm, client):
        arn = lm.add_license("SHORT", [("Seats", 1, "Count")], ttl=90).arn
        configuration = client.get_license(LicenseArn=arn)["License"]["ConsumptionConfiguration"]
        assert configuration["ProvisionalConfiguration"] == {"MaxTimeToLiveInMinutes": math.ceil(90 / 60)}

    def test_an_older_version_stays_readable(self, lm, client, licence, code):
        lm.update_license(licence, entitlements=[("Seats", 5, "Count")])
        read = [client.get_license(LicenseArn=licence.arn, Version=n)["License"] for n in ("1", "2")]
        assert [one["Entitlements"][0]["MaxCount"] for one in read] == [3, 5]
        assert client.get_license(LicenseArn=licence.arn)["License"]["Version"] == "2"
        with code("InvalidParameterValueException"):
            client.get_license(LicenseArn=licence.arn, Version="3")

    def test_an_ended_licence_says_so(self, lm, client, licence):
        lm.update_license(licence, end=lm.clock.now() + 60)
        lm.clock.advance(60)
        assert client.get_license(LicenseArn=licence.arn)["License"]["Status"] == "EXPIRED"

    def test_usage_counts_what_is_counted(self, client, licence, take):
        take(Seats=2, Export=None)
        usage = client.get_license_usage(LicenseArn=licence.arn)["LicenseUsage"]
        assert usage == {
            "EntitlementUsages": [{"Name": "Seats", "ConsumedValue": "2", "MaxCount": "3", "Unit": "Count"}]
        }

    @pytest.mark.parametrize("operation", ["get_license", "get_license_usage"])
    def test_a_stranger_sees_nothing(self, connect, licence, code, operation):
        with code("InvalidParameterValueException"):
            getattr(connect("222222222222"), operation)(LicenseArn=licence.arn)

    @pytest.mark.parametrize("operation", ["get_license", "get_license_usage"])
    def test_what_is_no_arn_is_malformed(self, client, code, operation):
        with code("ValidationException"):
            getattr(client, operation)(LicenseArn="l-1")


class TestListReceived:
    @pytest.fixture
    def many(self, lm):
        return [lm.add_license(f"SKU-{n}", [("Seats", n, "Count")]) for n in range(1, 6)]

    def test_what_others_gave_is_listed_and_what_is_ones_own_is_not(self, lm, client, licence):
        client.create_license(**TERMS)
        lm.add_license("THEIRS", [("Seats", 1, "Count")], recipients=["222222222222"])
        (received,) = client.list_received_licenses()["Licenses"]
        assert received["LicenseArn"] == licence.arn
        assert received["ReceivedMetadata"] == {
            "ReceivedStatus": "ACTIVE",
            "AllowedOperations": [
                "CheckoutLicense",
                "CheckInLicense",
                "ExtendConsumptionLicense",
                "ListPurchasedLicenses",
            ],
        }

    @pytest.mark.parametrize(
        ("name", "value", "found"),
        [
            ("ProductSKU", "SKU-2", ["SKU-2"]),
            ("ProductSKU", "sku-2", []),
            ("Status", "SUSPENDED", ["SKU-4"]),
            ("IssuerName", "Acme", ["SKU-1", "SKU-2", "SKU-3", "SKU-4", "SKU-5"]),
            ("Beneficiary", "nobody", []),
            ("Fingerprint", "aws:444455556666:Acme:issuer-fingerprint", [f"SKU-{n}" for n in range(1, 6)]),
        ],
    )
    def test_filters(self, lm, client, many, name, value, found):
        lm.update_license(many[3], status="SUSPENDED")
        answer = client.list_received_licenses(Filters=[{"Name": name, "Values": [value]}])
        assert [one["ProductSKU"] for one in answer["Licenses"]] == found

    @pytest.mark.parametrize(
        "filters", [[{"Name": "Colour", "Values": ["red"]}], [{"Name": "Status", "Values": ["a", "b"]}], [{}]]
    )
    def test_a_filter_that_is_unknown_or_has_two_values_is_wrong(self, client, code, filters):
        with code("InvalidParameterValueException"):
            client.list_received_licenses(Filters=filters)

    def test_pages(self, client, many):
        found, token = [], {}
        for _ in range(3):
            answer = client.list_received_licenses(MaxResults=2, **token)
            found.append([one["ProductSKU"] for one in answer["Licenses"]])
            token = {"NextToken": answer.get("NextToken")}
        assert found == [["SKU-1", "SKU-2"], ["SKU-3", "SKU-4"], ["SKU-5"]]
        assert token == {"NextToken": None}

    def test_a_last_page_that_is_full_has_no_next(self, client, many):
        assert "NextToken" not in client.list_received_licenses(MaxResults=5)

    def test_a_page_token_is_for_its_own_question(self, client, many, code):
        token = client.list_received_licenses(MaxResults=2)["NextToken"]
        for wrong in ({"NextToken": "bm8="}, {"NextToken": "!"}, {"NextToken": "\u00e9"}):
            with code("InvalidParameterValueException"):
                client.list_received_licenses(**wrong)
        with code("InvalidParameterValueException"):
            client.list_received_licenses(NextToken=token, LicenseArns=[many[0].arn])

    def test_by_arn(self, client, many):
        answer = client.list_received_licenses(LicenseArns=[many[1].arn, many[3].arn])
        assert [one["ProductSKU"] for one in answer["Licenses"]] == ["SKU-2", "SKU-4"]

    @pytest.mark.parametrize("size", [0, 101])
    def test_a_page_has_1_to_100(self, post, size):
        status, _, body = post({"MaxResults": size}, "ListReceivedLicenses")
        assert (status, b"ValidationException" in body) == (400, True)
