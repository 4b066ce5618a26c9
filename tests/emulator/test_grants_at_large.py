"""Grants to organizations, delegates, and Marketplace's one active licence for each product."""

from __future__ import annotations

from itertools import count

import pytest

from meterguard.emulator import Emulator

MANAGER, FIRST, SECOND = "555555555555", "666666666666", "777777777777"
ORGANIZATION = f"arn:aws:organizations::{MANAGER}:organization/o-abcdefghij"
UNIT = f"arn:aws:organizations::{MANAGER}:ou/o-abcdefghij/ou-ab12-cdefghij"
MARKETPLACE = "294406891311"


@pytest.fixture
def lm(environment):
    accounts = {ORGANIZATION: [MANAGER, FIRST, SECOND], UNIT: [FIRST]}
    with Emulator(account_id=MANAGER, organizations=accounts) as emulator:
        yield emulator


@pytest.fixture
def bought(lm):
    """A licence that the manager bought and may pass on."""
    return buy(lm)


def buy(lm):
    licence = lm.add_license("SKU", [("Seats", 5, "Count")], issuer_account=MARKETPLACE, issuer_name="AWS/Marketplace")
    lm.receive(licence, operations=["CreateGrant", "CheckoutLicense", "CheckInLicense", "CheckoutBorrowLicense"])
    return licence


@pytest.fixture
def give(client):
    tokens = count()

    def create(licence, principal=ORGANIZATION, operations=("CheckoutLicense", "CheckInLicense"), **more):
        return client.create_grant(
            ClientToken=f"grant-{next(tokens)}",
            GrantName="For all",
            LicenseArn=licence.arn,
            Principals=[principal],
            HomeRegion="us-east-1",
            AllowedOperations=list(operations),
            **more,
        )["GrantArn"]

    return create


@pytest.fixture
def switch():
    tokens = count()

    def revise(using, grant, status="ACTIVE", **more):
        using.create_grant_version(GrantArn=grant, ClientToken=f"revise-{next(tokens)}", Status=status, **more)

    return revise


def statuses(client, licence):
    found = client.list_received_grants_for_organization(LicenseArn=licence.arn)["Grants"]
    return {one["GranteePrincipalArn"].split(":")[4]: one["GrantStatus"] for one in found}


class TestOrganizations:
    def test_every_account_gets_an_accepted_grant_that_it_activates(self, client, connect, bought, give, switch, take):
        arn = give(bought)
        assert client.get_grant(GrantArn=arn)["Grant"]["GrantStatus"] == "WORKFLOW_COMPLETED"
        assert statuses(client, bought) == {MANAGER: "ACTIVE", FIRST: "DISABLED", SECOND: "DISABLED"}
        first = connect(FIRST)
        (received,) = first.list_received_grants()["Grants"]
        assert received["ParentArn"] == arn
        switch(first, received["GrantArn"])
        take(Seats=1, of=bought, using=first)

    def test_the_manager_activates_for_all(self, client, connect, bought, give, switch, take):
        arn = give(bought)
        switch(client, arn)
        assert statuses(client, bought) == dict.fromkeys((MANAGER, FIRST, SECOND), "ACTIVE")
        take(Seats=1, of=bought, using=connect(SECOND))
        switch(client, arn, "DISABLED")
        assert statuses(client, bought) == {MANAGER: "ACTIVE", FIRST: "DISABLED", SECOND: "DISABLED"}

    def test_the_manager_activates_for_one(self, client, connect, bought, give, switch):
        give(bought)
        (received,) = connect(FIRST).list_received_grants()["Grants"]
        switch(client, received["GrantArn"])
        assert statuses(client, bought) == {MANAGER: "ACTIVE", FIRST: "ACTIVE", SECOND: "DISABLED"}

    def test_they_can_be_made_active(self, client, bought, give):
        give(bought, UNIT, Options={"DesiredStatus": "ACTIVE"})
        assert statuses(client, bought) == {MANAGER: "ACTIVE", FIRST: "ACTIVE"}

    @pytest.mark.parametrize(
        ("principal", "wanted"), [(f"arn:aws:iam::{FIRST}:root", "ACTIVE"), (ORGANIZATION, "DISABLED")]
    )
    def test_only_organizations_can_be_made_active(self, bought, give, code, principal, wanted):
        with code("InvalidParameterValueException"):
            give(bought, principal, Options={"DesiredStatus": wanted})

    def test_what_nobody_belongs_to_fails(self, client, bought, give):
        arn = give(bought, ORGANIZATION + "k")
        assert client.get_grant(GrantArn=arn)["Grant"]["GrantStatus"] == "FAILED_WORKFLOW"

    def test_all_go_when_it_is_taken_back(self, client, connect, bought, give, code, take):
        arn = give(bought, Options={"DesiredStatus": "ACTIVE"})
        client.delete_grant(GrantArn=arn, Version="1")
        assert statuses(client, bought) == {MANAGER: "ACTIVE", FIRST: "DELETED", SECOND: "DELETED"}
        with code("ResourceNotFoundException"):
            take(Seats=1, of=bought, using=connect(FIRST))

    def test_the_organizations_lists(self, lm, client, bought, give):
        arn = give(bought)
        only = lm.add_license("ONLY", [("Seats", 1, "Count")], recipients=[SECOND])
        lm.add_license("ELSEWHERE", [("Seats", 1, "Count")], recipients=["888888888888"])
        found = client.list_received_licenses_for_organization()["Licenses"]
        assert [one["LicenseArn"] for one in found] == [bought.arn, only.arn]
        asked = [{"Name": "ProductSKU", "Values": ["ONLY"]}]
        (one,) = client.list_received_licenses_for_organization(Filters=asked)["Licenses"]
        assert one["ReceivedMetadata"]["ReceivedStatus"] == "ACTIVE"
        asked = [{"Name": "ParentArn", "Values": [arn]}]
        found = client.list_received_grants_for_organization(LicenseArn=bought.arn, Filters=asked)["Grants"]
        assert len(found) == 2
        page = client.list_received_grants_for_organization(LicenseArn=bought.arn, MaxResults=2)
        rest = client.list_received_grants_for_organization(LicenseArn=bought.arn, NextToken=page["NextToken"])
        assert (len(page["Grants"]), len(rest["Grants"])) == (2, 1)


class TestMarketplace:
    def test_two_licences_of_a_product_are_not_active_together(self, lm, client, connect, bought, give, switch, code):
        principal, first = f"arn:aws:iam::{FIRST}:root", connect(FIRST)
        grants = [give(one, principal) for one in (bought, buy(lm))]
        for grant in grants:
            first.accept_grant(GrantArn=grant)
        switch(first, grants[0])
        with code("InvalidParameterValueException"):
            switch(first, grants[1])
        with code("InvalidParameterValueException"):
            switch(first, grants[1], Options={"ActivationOverrideBehavior": "DISTRIBUTED_GRANTS_ONLY"})
        switch(first, grants[1], Options={"ActivationOverrideBehavior": "ALL_GRANTS_PERMITTED_BY_ISSUER"})
        assert [first.get_grant(GrantArn=one)["Grant"]["GrantStatus"] for one in grants] == ["DISABLED", "ACTIVE"]

    def test_an_organizations_grant_leaves_what_its_accounts_have(self, lm, client, bought, give, switch):
        give(bought, UNIT, Options={"DesiredStatus": "ACTIVE"})
        second = buy(lm)
        arn = give(second, Options={"DesiredStatus": "ACTIVE", "ActivationOverrideBehavior": "DISTRIBUTED_GRANTS_ONLY"})
        assert statuses(client, second) == {MANAGER: "ACTIVE", FIRST: "DISABLED", SECOND: "ACTIVE"}
        switch(client, arn, Options={"ActivationOverrideBehavior": "ALL_GRANTS_PERMITTED_BY_ISSUER"})
        assert statuses(client, second) == {MANAGER: "ACTIVE", FIRST: "ACTIVE", SECOND: "ACTIVE"}
        assert statuses(client, bought)[FIRST] == "DISABLED"

    def test_the_option_goes_with_activating(self, connect, bought, give, switch, code):
        first, arn = connect(FIRST), give(bought, f"arn:aws:iam::{FIRST}:root")
        first.accept_grant(GrantArn=arn)
        with code("InvalidParameterValueException"):
            switch(first, arn, "DISABLED", Options={"ActivationOverrideBehavior": "DISTRIBUTED_GRANTS_ONLY"})


class TestDelegates:
    @pytest.fixture
    def mine(self, lm):
        return lm.add_license("MINE", [("Seats", 1, "Count")], issuer_account=MANAGER, beneficiary="Jo")

    def test_a_delegate_looks_and_does_not_use(self, connect, mine, give, switch, take, code):
        delegate = connect(FIRST)
        arn = give(mine, f"arn:aws:iam::{FIRST}:root", ["ListReceivedLicenses"], GrantType="DelegateGrant")
        delegate.accept_grant(GrantArn=arn)
        switch(delegate, arn)
        (received,) = delegate.list_received_licenses()["Licenses"]
        assert received["ReceivedMetadata"]["GrantType"] == "DelegateGrant"
        assert received["ReceivedMetadata"]["AllowedOperations"] == ["ListReceivedLicenses"]
        with code("AuthorizationException"):
            take(Seats=1, of=mine, using=delegate)

    @pytest.mark.parametrize(
        ("kind", "operations"),
        [("DelegateGrant", ["CheckoutLicense"]), ("BuyerGrant", ["ListReceivedLicenses"])],
    )
    def test_its_one_operation_is_its_own(self, mine, give, code, kind, operations):
        with code("InvalidParameterValueException"):
            give(mine, f"arn:aws:iam::{FIRST}:root", operations, GrantType=kind)


def test_organizations_come_from_a_seed(tmp_path):
    file = tmp_path / "seed.toml"
    file.write_text(f'[organizations]\n"{UNIT}" = ["{FIRST}"]', encoding="utf-8")
    assert Emulator(seed=file).organizations == {UNIT: [FIRST]}
