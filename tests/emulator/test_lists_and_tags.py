"""ListLicenses, and the tags of what is listed."""

from __future__ import annotations

import pytest

STRANGER = "222222222222"


def skus(answer):
    return [one["ProductSKU"] for one in answer["Licenses"]]


class TestListLicenses:
    @pytest.fixture
    def many(self, lm, client):
        for number in range(1, 5):
            lm.add_license(
                f"SKU-{number}",
                [("Seats", number, "Count")],
                issuer_account=lm.account_id,
                beneficiary="Jo" if number % 2 else "Ada",
                issuer_name=f"Shop {number}",
            )
        lm.add_license("THEIRS", [("Seats", 1, "Count")])
        return [licence["LicenseArn"] for licence in client.list_licenses()["Licenses"]]

    def test_what_one_issued_is_listed_and_what_one_received_is_not(self, client, connect, many):
        answer = client.list_licenses()
        assert skus(answer) == ["SKU-1", "SKU-2", "SKU-3", "SKU-4"]
        assert "ReceivedMetadata" not in answer["Licenses"][0]
        assert skus(connect(STRANGER).list_licenses()) == []

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"ProductSKU": "SKU-2"}, ["SKU-2"]),
            ({"ProductSKU": "sku-2"}, []),
            ({"Beneficiary": "Jo"}, ["SKU-1", "SKU-3"]),
            ({"Status": "SUSPENDED"}, ["SKU-3"]),
            ({"Beneficiary": "Jo", "Status": "AVAILABLE"}, ["SKU-1"]),
            ({"Fingerprint": "aws:111122223333:Shop 4:issuer-fingerprint"}, ["SKU-4"]),
        ],
    )
    def test_filters_all_have_to_pass(self, lm, client, many, filters, found):
        lm.update_license("SKU-3", status="SUSPENDED")
        asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        assert skus(client.list_licenses(Filters=asked)) == found

    def test_a_filter_of_another_list_is_unknown(self, client, many, code):
        with code("InvalidParameterValueException") as refusal:
            client.list_licenses(Filters=[{"Name": "IssuerName", "Values": ["Shop 1"]}])
        assert "Beneficiary, Fingerprint, ProductSKU, Status" in refusal.message

    def test_by_arn(self, client, many):
        assert skus(client.list_licenses(LicenseArns=[many[2], many[0]])) == ["SKU-1", "SKU-3"]

    def test_pages_hold_while_licences_come_and_change(self, lm, client, many):
        first = client.list_licenses(MaxResults=3)
        lm.update_license("SKU-1", name="changed")
        lm.add_license("SKU-5", [("Seats", 1, "Count")], issuer_account=lm.account_id)
        second = client.list_licenses(MaxResults=3, NextToken=first["NextToken"])
        assert (skus(first), skus(second)) == (["SKU-1", "SKU-2", "SKU-3"], ["SKU-4", "SKU-5"])

    def test_a_page_token_is_for_its_own_list(self, client, many, code):
        token = client.list_licenses(MaxResults=1)["NextToken"]
        with code("InvalidParameterValueException"):
            client.list_received_licenses(NextToken=token)
        with code("InvalidParameterValueException"):
            client.list_licenses(NextToken=token, LicenseArns=many)


class TestTags:
    @pytest.fixture
    def arn(self, lm):
        return lm.add_license("MINE", [("Seats", 1, "Count")], issuer_account=lm.account_id).arn

    @pytest.fixture
    def tags(self, client, arn):
        def read():
            return {one["Key"]: one["Value"] for one in client.list_tags_for_resource(ResourceArn=arn)["Tags"]}

        return read

    def test_they_are_added_replaced_and_taken_away(self, client, arn, tags):
        assert tags() == {}
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "c", "Value": "3"}])
        assert tags() == {"a": "2", "b": "", "c": "3"}
        client.untag_resource(ResourceArn=arn, TagKeys=["a", "c", "never"])
        assert tags() == {"b": ""}

    def test_a_licence_can_be_born_with_them(self, client):
        arn = client.create_license(
            LicenseName="Acme one",
            ProductName="Acme",
            ProductSKU="BORN",
            Issuer={"Name": "My shop"},
            HomeRegion="us-east-1",
            Validity={"Begin": "2020-01-01T00:00:00Z"},
            Entitlements=[{"Name": "Seats", "Unit": "Count", "MaxCount": 1}],
            Beneficiary="Jo",
            ConsumptionConfiguration={"ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60}},
            ClientToken="create-1",
            Tags=[{"Key": "team", "Value": "red"}],
        )["LicenseArn"]
        assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "red"}]

    @pytest.mark.parametrize(
        "wrong",
        [
            [{"Key": "aws:mine", "Value": "1"}],
            [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}],
            [{"Key": "k" * 129, "Value": "1"}],
            [{"Key": "a", "Value": "v" * 257}],
            [{"Value": "1"}],
            [{"Key": str(number), "Value": ""} for number in range(51)],
        ],
        ids=["reserved", "twice", "long key", "long value", "no key", "too many"],
    )
    def test_wrong_ones_are_refused_all_together(self, client, arn, tags, code, wrong):
        with code("InvalidParameterValueException"):
            client.tag_resource(ResourceArn=arn, Tags=[{"Key": "good", "Value": "1"}, *wrong])
        assert tags() == {}

    def test_no_more_than_fifty_in_all(self, client, arn, code):
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": str(number), "Value": ""} for number in range(50)])
        client.tag_resource(ResourceArn=arn, Tags=[{"Key": "0", "Value": "again"}])
        with code("InvalidParameterValueException"):
            client.tag_resource(ResourceArn=arn, Tags=[{"Key": "50", "Value": ""}])

    def test_others_do_not_see_them(self, connect, client, licence, arn, code):
        stranger = connect(STRANGER)
        for call in (
            lambda: stranger.list_tags_for_resource(ResourceArn=arn),
            lambda: stranger.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}]),
            lambda: stranger.untag_resource(ResourceArn=arn, TagKeys=["a"]),
            lambda: client.list_tags_for_resource(ResourceArn=licence.arn),
            lambda: client.list_tags_for_resource(ResourceArn="arn:aws:license-manager::111122223333:license:l-0"),
        ):
            with code("InvalidParameterValueException"):
                call()
