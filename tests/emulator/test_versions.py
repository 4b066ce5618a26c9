"""CreateLicenseVersion, ListLicenseVersions, and what a new version does to what is checked out."""

from __future__ import annotations

import pytest

from meterguard.emulator import Behavior, Emulator

SAME = {
    "LicenseName": "Acme one",
    "ProductName": "Acme",
    "Issuer": {"Name": "My shop"},
    "HomeRegion": "us-east-1",
    "Validity": {"Begin": "2020-01-01T00:00:00Z"},
    "Entitlements": [{"Name": "Seats", "Unit": "Count", "MaxCount": 3, "AllowCheckIn": True}],
    "ConsumptionConfiguration": {"ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60}},
}
TERMS = {**SAME, "ProductSKU": "MINE", "Beneficiary": "Jo", "ClientToken": "create-1"}


@pytest.fixture
def arn(client):
    return client.create_license(**TERMS)["LicenseArn"]


@pytest.fixture
def change(client, arn):
    """``change(Status=..., ...)``: a new version that differs from the first in this."""
    made = iter(range(100))

    def create(using=client, **changes):
        token = f"version-{next(made)}"
        return using.create_license_version(
            **{**SAME, "LicenseArn": arn, "Status": "AVAILABLE", "ClientToken": token, **changes}
        )

    return create


class TestANewVersion:
    def test_has_the_next_number_and_the_new_terms(self, client, arn, change):
        answer = change(LicenseName="Acme two", LicenseMetadata=[{"Name": "a", "Value": "b"}])
        assert (answer["LicenseArn"], answer["Version"], answer["Status"]) == (arn, "2", "PENDING_AVAILABLE")
        read = client.get_license(LicenseArn=arn)["License"]
        assert (read["LicenseName"], read["Version"], read["Status"]) == ("Acme two", "2", "AVAILABLE")
        assert read["LicenseMetadata"] == [{"Name": "a", "Value": "b"}]
        assert (read["ProductSKU"], read["Beneficiary"]) == ("MINE", "Jo")

    def test_the_same_token_makes_one(self, client, arn, change):
        assert [change(ClientToken="same")["Version"] for _ in range(2)] == ["2", "2"]
        assert len(client.list_license_versions(LicenseArn=arn)["Licenses"]) == 2

    def test_an_issuer_of_another_name_has_another_fingerprint(self, lm, arn, change, take, code):
        first = lm.license(arn)
        change(Issuer={"Name": "Our shop"})
        with code("ResourceNotFoundException"):
            take(Seats=1, of=first, Beneficiary="Jo")
        take(Seats=1, of=lm.license(arn), Beneficiary="Jo")

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"SourceVersion": "2"}, "ConflictException"),
            ({"LicenseArn": "arn:aws:license-manager::111122223333:license:l-0"}, "ResourceNotFoundException"),
            ({"HomeRegion": "eu-west-1"}, "ValidationException"),
            ({"Status": "DELETED"}, "ValidationException"),
            ({"Status": "FINE"}, "ValidationException"),
            ({"Entitlements": []}, "ValidationException"),
            ({"Entitlements": [{"Name": "A", "Unit": "None"}] * 2}, "ValidationException"),
            ({"Validity": {"Begin": "2026-02-30T00:00:00Z"}}, "ValidationException"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_its_own_errors(self, client, arn, change, code, changes, error):
        with code(error):
            change(**changes)
        assert client.get_license(LicenseArn=arn)["License"]["Version"] == "1"

    def test_a_token_used_for_something_else_is_refused_with_its_own_error_too(self, change, code):
        change(ClientToken="same")
        with code("ValidationException"):
            change(ClientToken="same", LicenseName="Other")

    def test_the_source_version_may_be_named(self, change):
        assert change(SourceVersion="1")["Version"] == "2"

    def test_only_in_the_home_region(self, connect, change, code):
        with code("RedirectException") as refusal:
            change(using=connect(region="eu-west-1"))
        assert refusal.response["Location"] == "us-east-1"

    def test_only_by_who_issued_it(self, connect, change, code):
        with code("ResourceNotFoundException"):
            change(using=connect("222222222222"))

    def test_a_deleted_licence_stays_as_it_is(self, client, arn, change, code):
        client.delete_license(LicenseArn=arn, SourceVersion="1")
        with code("ConflictException"):
            change()

    def test_a_status_read_while_it_was_made_can_be_written_back(self, client, arn, change):
        change(Status="PENDING_AVAILABLE")
        assert client.get_license(LicenseArn=arn)["License"]["Status"] == "AVAILABLE"

    def test_it_spreads_like_a_new_licence(self, connect, take, code):
        with Emulator(behavior=Behavior(propagation=5, any_version_status=True)) as lm:
            client = connect(url=lm.url)
            arn = client.create_license(**TERMS)["LicenseArn"]
            lm.clock.advance(5)
            client.create_license_version(**SAME, LicenseArn=arn, Status="AVAILABLE", ClientToken="v")
            assert client.get_license(LicenseArn=arn)["License"]["Status"] == "PENDING_AVAILABLE"
            with code("ResourceNotFoundException"):
                take(Seats=1, of=lm.license(arn), Beneficiary="Jo", using=client)
            lm.clock.advance(5)
            take(Seats=1, of=lm.license(arn), Beneficiary="Jo", using=client)
            expired = client.create_license_version(**SAME, LicenseArn=arn, Status="EXPIRED", ClientToken="w")
            assert expired["Status"] == "EXPIRED"


class TestWhatIsCheckedOut:
    @pytest.mark.parametrize("status", ["DEACTIVATED", "SUSPENDED"])
    def test_stays_without_being_extended_when_the_licence_is_switched_off(
        self, lm, client, arn, change, take, code, status
    ):
        token = take(Seats=1, of=lm.license(arn), Beneficiary="Jo")["LicenseConsumptionToken"]
        assert change(Status=status)["Status"] == status
        assert lm.usage(arn) == {"Seats": 1}
        with code("ResourceNotFoundException"):
            client.extend_license_consumption(LicenseConsumptionToken=token)
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, of=lm.license(arn), Beneficiary="Jo")
        change(Status="AVAILABLE")
        client.extend_license_consumption(LicenseConsumptionToken=token)
        client.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage(arn) == {"Seats": 0}

    def test_goes_on_counting_when_there_are_fewer(self, lm, client, arn, change, take, code):
        held = take(Seats=3, of=lm.license(arn), Beneficiary="Jo")["LicenseConsumptionToken"]
        change(Entitlements=[{"Name": "Seats", "Unit": "Count", "MaxCount": 1, "AllowCheckIn": True}])
        (usage,) = client.get_license_usage(LicenseArn=arn)["LicenseUsage"]["EntitlementUsages"]
        assert (usage["ConsumedValue"], usage["MaxCount"]) == ("3", "1")
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, of=lm.license(arn), Beneficiary="Jo")
        client.check_in_license(LicenseConsumptionToken=held)
        take(Seats=1, of=lm.license(arn), Beneficiary="Jo")

    def test_what_was_spent_comes_back_with_a_reset_and_what_is_held_stays(self, lm, arn, change, take):
        take(Seats=1, of=lm.license(arn), Beneficiary="Jo", kind="PERPETUAL")
        take(Seats=1, of=lm.license(arn), Beneficiary="Jo")
        change()
        assert lm.usage(arn) == {"Seats": 2}
        change(ResetUsage=True)
        assert lm.usage(arn) == {"Seats": 1}

    def test_a_reset_can_end_what_is_held(self, connect, take, code):
        with Emulator(behavior=Behavior(reset_ends_checkouts=True)) as lm:
            client = connect(url=lm.url)
            arn = client.create_license(**TERMS)["LicenseArn"]
            answer = take(Seats=2, of=lm.license(arn), Beneficiary="Jo", using=client)
            client.create_license_version(**SAME, LicenseArn=arn, Status="AVAILABLE", ClientToken="v", ResetUsage=True)
            assert (lm.usage(arn), lm.checkouts()) == ({"Seats": 0}, [])
            with code("ResourceNotFoundException"):
                client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])


class TestVersionsInAList:
    def test_the_first_comes_first(self, client, arn, change):
        change(Status="SUSPENDED")
        change(LicenseName="Acme three")
        found = client.list_license_versions(LicenseArn=arn)["Licenses"]
        assert [one["Version"] for one in found] == ["1", "2", "3"]
        assert [one["Status"] for one in found] == ["AVAILABLE", "SUSPENDED", "AVAILABLE"]
        assert [one["LicenseName"] for one in found] == ["Acme one", "Acme one", "Acme three"]

    def test_pages(self, client, arn, change):
        change()
        change()
        first = client.list_license_versions(LicenseArn=arn, MaxResults=2)
        second = client.list_license_versions(LicenseArn=arn, MaxResults=2, NextToken=first["NextToken"])
        assert [[one["Version"] for one in page["Licenses"]] for page in (first, second)] == [["1", "2"], ["3"]]
        assert "NextToken" not in second

    def test_who_received_it_may_look_and_a_stranger_may_not(self, client, connect, licence, code):
        assert len(client.list_license_versions(LicenseArn=licence.arn)["Licenses"]) == 1
        with code("InvalidParameterValueException"):
            connect("222222222222").list_license_versions(LicenseArn=licence.arn)

    def test_its_one_error_for_a_wrong_request_serves_for_malformed_ones(self, client, code):
        with code("InvalidParameterValueException"):
            client.list_license_versions(LicenseArn="l-1")
