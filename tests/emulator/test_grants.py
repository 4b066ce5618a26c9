"""Grants, by two accounts and more: given, accepted, activated, used, taken back."""

from __future__ import annotations

import pytest

from meterguard.emulator import Behavior, Emulator

BUYER, STRANGER, REGION = "222222222222", "333333333333", "us-east-1"
USE = ["CheckoutLicense", "CheckInLicense", "ExtendConsumptionLicense"]


def root(account):
    return f"arn:aws:iam::{account}:root"


@pytest.fixture
def mine(lm):
    """A licence that the emulator's own account issued and nobody received."""
    return lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id, beneficiary="Jo")


@pytest.fixture
def buyer(connect):
    return connect(BUYER)


@pytest.fixture
def give(client, mine):
    """``give(account)``: grant the licence; the grant's ARN comes back."""
    made = iter(range(100))

    def create(account=BUYER, using=client, of=mine, operations=USE, **more):
        terms = {
            "ClientToken": f"grant-{next(made)}",
            "GrantName": "For you",
            "LicenseArn": of.arn,
            "Principals": [account if account.startswith("arn:") else root(account)],
            "HomeRegion": REGION,
            "AllowedOperations": operations,
        }
        return using.create_grant(**{**terms, **more})["GrantArn"]

    return create


@pytest.fixture
def switch():
    """``switch(client, grant)``: activate a grant, or make another new version of it."""
    made = iter(range(100))

    def revise(using, grant, status="ACTIVE", **more):
        token, status = f"revise-{next(made)}", {"Status": status} if status else {}
        return using.create_grant_version(GrantArn=grant, ClientToken=token, **status, **more)

    return revise


@pytest.fixture
def given(give, buyer, switch):
    """A grant that the buyer has accepted and activated."""
    grant = give()
    buyer.accept_grant(GrantArn=grant)
    switch(buyer, grant)
    return grant


def status(client, grant):
    return client.get_grant(GrantArn=grant)["Grant"]["GrantStatus"]


class TestTheLifeOfAGrant:
    def test_it_is_made_accepted_and_activated_and_then_it_can_be_used(
        self, lm, client, buyer, mine, give, switch, take, code
    ):
        arn = give()
        assert arn.startswith(f"arn:aws:license-manager::{lm.account_id}:grant:g-")
        assert status(buyer, arn) == "PENDING_ACCEPT"
        with code("ResourceNotFoundException"):
            take(Seats=1, of=mine, using=buyer)
        accepted = buyer.accept_grant(GrantArn=arn)
        assert (accepted["Status"], accepted["Version"]) == ("DISABLED", "1")
        with code("ResourceNotFoundException"):
            take(Seats=1, of=mine, using=buyer)
        active = switch(buyer, arn)
        assert (active["GrantArn"], active["Status"], active["Version"]) == (arn, "ACTIVE", "2")
        token = take(Seats=2, of=mine, using=buyer)["LicenseConsumptionToken"]
        buyer.extend_license_consumption(LicenseConsumptionToken=token)
        assert lm.usage(mine) == {"Seats": 2}
        buyer.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage(mine) == {"Seats": 0}

    def test_it_reads_as_it_was_written(self, lm, client, mine, give):
        arn = give(operations=["CheckoutLicense", "CheckInLicense", "CheckoutLicense"])
        assert client.get_grant(GrantArn=arn)["Grant"] == {
            "GrantArn": arn,
            "GrantName": "For you",
            "ParentArn": mine.arn,
            "LicenseArn": mine.arn,
            "GranteePrincipalArn": root(BUYER),
            "HomeRegion": REGION,
            "GrantStatus": "PENDING_ACCEPT",
            "Version": "1",
            "GrantedOperations": ["CheckoutLicense", "CheckInLicense"],
        }

    def test_the_same_token_makes_one(self, client, give):
        assert give(ClientToken="same") == give(ClientToken="same")
        assert len(client.list_distributed_grants()["Grants"]) == 1

    def test_the_pool_is_one_for_all_who_share_it(self, connect, mine, given, give, switch, take, code):
        other = connect(STRANGER)
        second = give(STRANGER)
        other.accept_grant(GrantArn=second)
        switch(other, second)
        take(Seats=2, of=mine, using=other)
        with code("NoEntitlementsAllowedException"):
            take(Seats=2, of=mine, using=connect(BUYER))

    def test_rejected_is_for_good(self, buyer, give, switch, code):
        arn = give()
        assert buyer.reject_grant(GrantArn=arn)["Status"] == "REJECTED"
        for again in (
            lambda: buyer.accept_grant(GrantArn=arn),
            lambda: buyer.reject_grant(GrantArn=arn),
            lambda: switch(buyer, arn),
        ):
            with code("InvalidParameterValueException"):
                again()

    def test_a_grant_that_was_not_accepted_cannot_be_activated(self, buyer, give, switch, code):
        with code("InvalidParameterValueException"):
            switch(buyer, give())

    @pytest.mark.parametrize("side", ["granter", "grantee"])
    def test_either_side_can_disable_it_and_what_is_held_can_be_returned(
        self, lm, client, buyer, mine, given, switch, take, code, side
    ):
        token = take(Seats=1, of=mine, using=buyer)["LicenseConsumptionToken"]
        switch(client if side == "granter" else buyer, given, "DISABLED", StatusReason="enough")
        assert buyer.get_grant(GrantArn=given)["Grant"]["StatusReason"] == "enough"
        with code("ResourceNotFoundException"):
            take(Seats=1, of=mine, using=buyer)
        with code("ResourceNotFoundException"):
            buyer.extend_license_consumption(LicenseConsumptionToken=token)
        buyer.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage(mine) == {"Seats": 0}
        switch(buyer, given)
        take(Seats=1, of=mine, using=buyer)

    def test_it_is_taken_back(self, client, buyer, mine, given, take, code):
        with code("InvalidParameterValueException"):
            client.delete_grant(GrantArn=given, Version="1")
        deleted = client.delete_grant(GrantArn=given, Version="2", StatusReason="over")
        assert (deleted["Status"], deleted["Version"]) == ("DELETED", "2")
        assert client.get_grant(GrantArn=given)["Grant"]["StatusReason"] == "over"
        with code("ResourceNotFoundException"):
            take(Seats=1, of=mine, using=buyer)
        with code("InvalidParameterValueException"):
            client.delete_grant(GrantArn=given, Version="2")

    def test_older_versions_stay_readable(self, client, given, code):
        read = [client.get_grant(GrantArn=given, Version=n)["Grant"]["GrantStatus"] for n in ("1", "2")]
        assert read == ["DISABLED", "ACTIVE"]
        with code("InvalidParameterValueException"):
            client.get_grant(GrantArn=given, Version="3")

    def test_it_takes_its_time_to_be_distributed(self, connect, code):
        with Emulator(behavior=Behavior(grant_propagation=5)) as lm:
            licence = lm.add_license("MINE", [("Seats", 1, "Count")], issuer_account=lm.account_id)
            client, buyer = connect(url=lm.url), connect(BUYER, url=lm.url)
            answer = client.create_grant(
                ClientToken="t",
                GrantName="n",
                LicenseArn=licence.arn,
                Principals=[root(BUYER)],
                HomeRegion=REGION,
                AllowedOperations=USE,
            )
            arn = answer["GrantArn"]
            assert (answer["Status"], answer["Version"]) == ("PENDING_WORKFLOW", "1")
            assert status(client, arn) == "PENDING_WORKFLOW"
            with code("InvalidParameterValueException"):
                buyer.accept_grant(GrantArn=arn)
            lm.clock.advance(5)
            assert status(client, arn) == "PENDING_ACCEPT"
            buyer.accept_grant(GrantArn=arn)


class TestWhatItAllows:
    @pytest.mark.parametrize("lacking", USE)
    def test_each_operation_has_to_be_allowed(self, buyer, mine, give, switch, take, code, lacking):
        def go():
            token = take(Seats=1, of=mine, using=buyer)["LicenseConsumptionToken"]
            buyer.extend_license_consumption(LicenseConsumptionToken=token)
            buyer.check_in_license(LicenseConsumptionToken=token)

        arn = give(operations=[one for one in USE if one != lacking])
        buyer.accept_grant(GrantArn=arn)
        switch(buyer, arn)
        with code("AuthorizationException") as refusal:
            go()
        assert lacking in refusal.message

    def test_the_granter_changes_the_terms_and_the_grantee_does_not(
        self, client, buyer, mine, given, switch, take, code
    ):
        with code("AuthorizationException"):
            switch(buyer, given, None, AllowedOperations=["CheckoutLicense", "CreateGrant"])
        changed = switch(client, given, None, AllowedOperations=["CheckInLicense"], GrantName="Less")
        assert (changed["Status"], changed["Version"]) == ("ACTIVE", "3")
        grant = buyer.get_grant(GrantArn=given)["Grant"]
        assert (grant["GrantName"], grant["GrantedOperations"]) == ("Less", ["CheckInLicense"])
        with code("AuthorizationException"):
            take(Seats=1, of=mine, using=buyer)

    def test_what_arrived_activated_can_be_cut_down(self, lm, licence, take, code):
        lm.receive(licence, operations=["CheckInLicense"])
        with code("AuthorizationException"):
            take(Seats=1)
        with pytest.raises(ValueError, match="DoAsYouLike"):
            lm.receive(licence, operations=["DoAsYouLike"])

    def test_only_the_granter_deletes_and_only_the_grantee_decides(self, client, buyer, give, switch, code):
        arn = give()
        with code("AuthorizationException"):
            client.accept_grant(GrantArn=arn)
        buyer.accept_grant(GrantArn=arn)
        with code("AuthorizationException"):
            switch(client, arn)
        with code("AuthorizationException"):
            buyer.delete_grant(GrantArn=arn, Version="1")

    def test_a_stranger_sees_nothing(self, connect, given, switch, code):
        stranger = connect(STRANGER)
        for call in (
            lambda: stranger.get_grant(GrantArn=given),
            lambda: stranger.accept_grant(GrantArn=given),
            lambda: switch(stranger, given),
            lambda: stranger.delete_grant(GrantArn=given, Version="2"),
        ):
            with code("InvalidParameterValueException"):
                call()


class TestGrantsThatMakeNoSense:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"Principals": [root("111122223333")]}, "InvalidParameterValueException"),
            (
                {"GrantName": "For Jo", "Principals": ["arn:aws:iam::222222222222:user/jo"]},
                "InvalidParameterValueException",
            ),
            ({"Principals": [root(BUYER), root(STRANGER)]}, "ValidationException"),
            ({"HomeRegion": "eu-west-1"}, "InvalidParameterValueException"),
            ({"AllowedOperations": ["ExtendLicenseConsumption"]}, "ValidationException"),
            ({"LicenseArn": "arn:aws:license-manager::111122223333:license:l-0"}, "InvalidParameterValueException"),
            ({"Options": {"ActivationOverrideBehavior": "DISTRIBUTED_GRANTS_ONLY"}}, "InvalidParameterValueException"),
            ({"Tags": [{"Key": "aws:a", "Value": ""}]}, "InvalidParameterValueException"),
        ],
        ids=lambda one: next(iter(one)) if isinstance(one, dict) else None,
    )
    def test_are_refused(self, client, give, code, change, error):
        with code(error):
            give(**change)
        assert client.list_distributed_grants()["Grants"] == []

    def test_a_deleted_licence_cannot_be_granted(self, client, mine, give, code):
        client.delete_license(LicenseArn=mine.arn, SourceVersion="1")
        with code("InvalidParameterValueException"):
            give()

    def test_a_stale_source_version(self, buyer, given, switch, code):
        with code("InvalidParameterValueException"):
            switch(buyer, given, "DISABLED", SourceVersion="1")
        switch(buyer, given, "DISABLED", SourceVersion="2")

    @pytest.mark.parametrize("wanted", ["REJECTED", "DELETED", "PENDING_ACCEPT"])
    def test_a_version_is_active_or_disabled(self, buyer, given, switch, code, wanted):
        with code("InvalidParameterValueException"):
            switch(buyer, given, wanted)

    def test_there_is_a_most(self, connect, code):
        with Emulator(behavior=Behavior(grants_per_license=1, grant_to_oneself=True)) as lm:
            licence = lm.add_license("MINE", [("Seats", 1, "Count")], issuer_account=lm.account_id)
            terms = {
                "GrantName": "n",
                "LicenseArn": licence.arn,
                "Principals": [root(lm.account_id)],
                "HomeRegion": REGION,
                "AllowedOperations": USE,
            }
            client = connect(url=lm.url)
            first = client.create_grant(ClientToken="1", **terms)
            with code("ResourceLimitExceededException"):
                client.create_grant(ClientToken="2", **terms)
            client.delete_grant(GrantArn=first["GrantArn"], Version="1")
            client.create_grant(ClientToken="2", **terms)

    def test_tags(self, client, buyer, give, code):
        arn = give(Tags=[{"Key": "team", "Value": "red"}])
        assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "red"}]
        with code("InvalidParameterValueException"):
            buyer.list_tags_for_resource(ResourceArn=arn)


class TestPassingOn:
    @pytest.fixture
    def passed(self, connect, buyer, give, switch):
        """The buyer's grant, and the one that the buyer made of it."""
        first = give(operations=[*USE, "CreateGrant"])
        buyer.accept_grant(GrantArn=first)
        switch(buyer, first)
        second = give(STRANGER, using=buyer)
        other = connect(STRANGER)
        other.accept_grant(GrantArn=second)
        switch(other, second)
        return first, second

    def test_a_grant_can_be_made_of_a_grant(self, connect, buyer, mine, passed, take):
        first, second = passed
        assert buyer.get_grant(GrantArn=second)["Grant"]["ParentArn"] == first
        take(Seats=1, of=mine, using=connect(STRANGER))

    def test_it_counts_only_as_long_as_the_first(self, connect, buyer, mine, passed, switch, take, code):
        other = connect(STRANGER)
        switch(buyer, passed[0], "DISABLED")
        with code("ResourceNotFoundException"):
            take(Seats=1, of=mine, using=other)
        switch(buyer, passed[0])
        take(Seats=1, of=mine, using=other)

    def test_it_goes_with_the_first(self, client, connect, passed):
        client.delete_grant(GrantArn=passed[0], Version="2")
        assert status(connect(STRANGER), passed[1]) == "DELETED"

    def test_it_gives_no_more_than_the_first(self, buyer, passed, give, switch, code):
        with code("InvalidParameterValueException"):
            give("444444444444", using=buyer, operations=["CheckoutBorrowLicense"])
        with code("InvalidParameterValueException"):
            switch(buyer, passed[1], None, AllowedOperations=["CheckoutBorrowLicense"])

    def test_it_has_to_be_allowed(self, buyer, given, give, code):
        with code("AuthorizationException"):
            give(STRANGER, using=buyer)


class TestLists:
    @pytest.fixture
    def grants(self, lm, connect, give, given):
        """Three licences to the buyer, one to a stranger: ARNs by what they are for."""
        other = lm.add_license("OTHER", [("Seats", 1, "Count")], issuer_account=lm.account_id, issuer_name="Shop")
        second = give(of=other)
        lm.add_license("READY", [("Seats", 1, "Count")], recipients=[BUYER])
        (ready,) = connect(BUYER).list_received_grants(Filters=[{"Name": "ProductSKU", "Values": ["READY"]}])["Grants"]
        return {
            "given": given,
            "other": second,
            "ready": ready["GrantArn"],
            "stranger": give(STRANGER, of=other),
        }

    def names(self, grants, answer):
        known = {arn: name for name, arn in grants.items()}
        return [known[one["GrantArn"]] for one in answer["Grants"]]

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({}, ["given", "other", "stranger"]),
            ({"GranteePrincipalARN": root(BUYER)}, ["given", "other"]),
            ({"GrantStatus": "PENDING_ACCEPT"}, ["other", "stranger"]),
            ({"ProductSKU": "MINE"}, ["given"]),
            ({"LicenseIssuerName": "Shop", "GranteePrincipalARN": root(STRANGER)}, ["stranger"]),
        ],
    )
    def test_distributed(self, client, grants, filters, found):
        asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        assert self.names(grants, client.list_distributed_grants(Filters=asked)) == found

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({}, ["given", "other", "ready"]),
            ({"GranterAccountId": "111122223333"}, ["given", "other"]),
            ({"GrantStatus": "ACTIVE"}, ["given", "ready"]),
            ({"LicenseIssuerName": "Shop"}, ["other"]),
        ],
    )
    def test_received(self, buyer, grants, filters, found):
        asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        assert self.names(grants, buyer.list_received_grants(Filters=asked)) == found

    def test_by_licence_and_by_arn(self, client, buyer, mine, grants):
        asked = [{"Name": "LicenseArn", "Values": [mine.arn]}]
        assert self.names(grants, buyer.list_received_grants(Filters=asked)) == ["given"]
        assert self.names(grants, client.list_distributed_grants(GrantArns=[grants["stranger"]])) == ["stranger"]

    def test_pages(self, buyer, grants):
        first = buyer.list_received_grants(MaxResults=2)
        second = buyer.list_received_grants(MaxResults=2, NextToken=first["NextToken"])
        assert [self.names(grants, page) for page in (first, second)] == [["given", "other"], ["ready"]]
        assert "NextToken" not in second

    def test_unknown_filters_and_who_manages_nothing(self, client, mine, code):
        with code("InvalidParameterValueException"):
            client.list_received_grants(Filters=[{"Name": "GranteePrincipalARN", "Values": ["x"]}])
        with code("AccessDeniedException"):
            client.list_received_grants_for_organization(LicenseArn=mine.arn)
        with code("AccessDeniedException"):
            client.list_received_licenses_for_organization()

    def test_a_received_licence_tells_what_became_of_its_grant(self, buyer, mine, given, switch):
        switch(buyer, given, "DISABLED", StatusReason="enough")
        (received,) = buyer.list_received_licenses()["Licenses"]
        assert received["ReceivedMetadata"] == {
            "ReceivedStatus": "DISABLED",
            "ReceivedStatusReason": "enough",
            "AllowedOperations": USE,
        }
