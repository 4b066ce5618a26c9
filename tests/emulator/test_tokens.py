"""Tokens for customers without an AWS account: made, exchanged for access, listed, deleted."""

from __future__ import annotations

from itertools import count

import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from meterguard.emulator import Behavior, Emulator

BUYER, DAY, ROLE = "222222222222", 24 * 3600, "arn:aws:iam::222222222222:role/AWSLicenseManagerConsumptionRole"


@pytest.fixture
def mine(lm):
    return lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id, beneficiary="Jo")


@pytest.fixture
def make(client, mine):
    """``make(TokenProperties=[...])``: a refresh token; the answer comes back."""
    tokens = count()

    def create(using=client, **more):
        return using.create_token(**{"LicenseArn": mine.arn, "ClientToken": f"token-{next(tokens)}", **more})

    return create


@pytest.fixture
def anybody(connect):
    """A client that signs nothing."""
    return connect(config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))


def claims(lm, token, **options):
    """What a token says, whatever the true time is."""
    return jwt.decode(
        token, lm.public_key_pem, algorithms=["PS384"], options={"verify_exp": False, "verify_iat": False}, **options
    )


class TestAccess:
    def test_a_refresh_token_is_exchanged_for_an_hour_by_anybody(self, lm, mine, make, anybody):
        lm.clock.freeze("2030-03-01T12:00:00Z")
        made = make(TokenProperties=["site:north"], RoleArns=[ROLE])
        assert made["TokenType"] == "REFRESH_TOKEN"
        refresh = claims(lm, made["Token"], audience=mine.arn)
        assert refresh["amr"] == ["site:north", f"aws:license-manager:token-issuer-account-id:{lm.account_id}"]
        assert (refresh["exp"] - refresh["iat"], refresh["roles"]) == (365 * DAY, [ROLE])
        access = claims(lm, anybody.get_access_token(Token=made["Token"])["AccessToken"], audience=mine.arn)
        assert (access["iat"], access["exp"]) == (lm.clock.now(), lm.clock.now() + 3600)
        assert access["amr"] == refresh["amr"]

    def test_access_is_new_every_time(self, make, anybody):
        token = make()["Token"]
        first, second = (anybody.get_access_token(Token=token)["AccessToken"] for _ in range(2))
        assert first != second

    def test_properties_asked_for_have_to_be_there(self, make, anybody, code):
        token = make(TokenProperties=["a", "b"])["Token"]
        anybody.get_access_token(Token=token, TokenProperties=["b"])
        with code("AuthorizationException"):
            anybody.get_access_token(Token=token, TokenProperties=["b", "c"])

    def test_a_token_that_is_over_gives_none(self, lm, make, anybody, code):
        lm.clock.freeze()
        token = make(ExpirationInDays=2)["Token"]
        lm.clock.advance(2 * DAY - 1)
        anybody.get_access_token(Token=token)
        lm.clock.advance(1)
        with code("AuthorizationException"):
            anybody.get_access_token(Token=token)

    def test_a_forged_token_or_an_access_token_gives_none(self, make, anybody, code):
        token = make()["Token"]
        access = anybody.get_access_token(Token=token)["AccessToken"]
        for wrong in ("hello", token[:-1], access):
            with code("AuthorizationException"):
                anybody.get_access_token(Token=wrong)

    def test_the_error_is_a_switch(self, connect, code):
        with Emulator(behavior=Behavior(no_access_error="ValidationException")) as lm, code("ValidationException"):
            connect(url=lm.url).get_access_token(Token="hello")


class TestMaking:
    def test_the_same_client_token_makes_one_for_ten_minutes(self, lm, client, make):
        lm.clock.freeze()
        first = make(ClientToken="same")
        lm.clock.advance(599)
        assert make(ClientToken="same")["Token"] == first["Token"]
        lm.clock.advance(1)
        assert make(ClientToken="same")["TokenId"] != first["TokenId"]
        assert len(client.list_tokens()["Tokens"]) == 2

    def test_the_ten_minutes_are_documented_and_no_switch(self, connect, make):
        with Emulator(behavior=Behavior(replay_window=10)) as lm:
            lm.clock.freeze()
            licence = lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id)
            using = connect(url=lm.url)
            first = make(using=using, LicenseArn=licence.arn, ClientToken="same")
            lm.clock.advance(599)
            assert make(using=using, LicenseArn=licence.arn, ClientToken="same")["Token"] == first["Token"]

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"LicenseArn": "arn:aws:license-manager::111122223333:license:l-0"}, "ResourceNotFoundException"),
            ({"ExpirationInDays": 0}, "ValidationException"),
            ({"TokenProperties": ["a", "b", "c", "d"]}, "ValidationException"),
            ({"RoleArns": ["role"]}, "ValidationException"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, client, make, code, change, error):
        with code(error):
            make(**change)
        assert client.list_tokens()["Tokens"] == []

    def test_other_parameters_with_one_client_token_are_refused_with_its_own_error(self, make, code):
        make(ClientToken="same")
        with code("ValidationException"):
            make(ClientToken="same", ExpirationInDays=1)

    def test_a_grant_may_allow_it(self, lm, connect, mine, make, code):
        buyer = connect(BUYER)
        with code("ResourceNotFoundException"):
            make(using=buyer)
        lm.receive(mine, account=BUYER)
        with code("AuthorizationException"):
            make(using=buyer)
        lm.receive(mine, account=BUYER, operations=["CreateToken"])
        token = make(using=buyer)["Token"]
        assert claims(lm, token, audience=mine.arn)["amr"] == [f"aws:license-manager:token-issuer-account-id:{BUYER}"]

    def test_a_deleted_licence_gets_none(self, client, mine, make, code):
        client.delete_license(LicenseArn=mine.arn, SourceVersion="1")
        with code("ResourceNotFoundException"):
            make()

    def test_only_in_the_home_region(self, client, connect, make, code):
        away = connect(region="eu-west-1")
        with code("RedirectException") as refusal:
            make(using=away)
        assert refusal.response["Location"] == "us-east-1"
        with code("RedirectException"):
            away.delete_token(TokenId=make()["TokenId"])


class TestListingAndDeleting:
    def test_a_token_in_a_list(self, lm, client, mine, make):
        lm.clock.freeze("2030-03-01T12:00:00Z")
        made = make(TokenProperties=["a"], RoleArns=[ROLE], ExpirationInDays=1)
        assert client.list_tokens()["Tokens"] == [
            {
                "TokenId": made["TokenId"],
                "TokenType": "REFRESH_TOKEN",
                "LicenseArn": mine.arn,
                "ExpirationTime": "2030-03-02T12:00:00Z",
                "TokenProperties": ["a"],
                "RoleArns": [ROLE],
                "Status": "AVAILABLE",
            }
        ]

    def test_ids_filters_and_pages(self, lm, client, connect, make, code):
        other = lm.add_license("OTHER", [("Seats", 1, "Count")], issuer_account=lm.account_id)
        made = [make()["TokenId"], make(LicenseArn=other.arn)["TokenId"], make()["TokenId"]]

        def found(using=client, **asked):
            return [one["TokenId"] for one in using.list_tokens(**asked)["Tokens"]]

        assert found() == made
        assert found(TokenIds=[made[2], made[0]]) == [made[0], made[2]]
        assert found(Filters=[{"Name": "LicenseArns", "Values": [other.arn]}]) == [made[1]]
        first = client.list_tokens(MaxResults=2)
        assert found(MaxResults=2, NextToken=first["NextToken"]) == made[2:]
        assert found(using=connect(BUYER)) == []
        with code("ValidationException"):
            client.list_tokens(Filters=[{"Name": "LicenseArn", "Values": [other.arn]}])

    def test_a_deleted_token_gives_no_access_and_stays_in_the_list(self, client, make, anybody, post, code):
        made = make()
        status, _, body = post({"TokenId": made["TokenId"]}, "DeleteToken")
        assert (status, body) == (200, b"")
        client.delete_token(TokenId=made["TokenId"])
        with code("AuthorizationException"):
            anybody.get_access_token(Token=made["Token"])
        assert [one["Status"] for one in client.list_tokens()["Tokens"]] == ["DELETED"]

    def test_a_token_is_deleted_by_who_made_it(self, client, connect, make, code):
        token = make()["TokenId"]
        for using, name in ((connect(BUYER), token), (client, "none")):
            with code("ResourceNotFoundException"):
                using.delete_token(TokenId=name)
