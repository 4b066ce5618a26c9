"""STS on the same port: who calls, and credentials of a role for customers without an AWS account."""

from __future__ import annotations

import http.client
from datetime import timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import boto3
import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from meterguard.emulator import Emulator

from .conftest import ONE_ATTEMPT, SESSION

BUYER = "222222222222"
ROLE = f"arn:aws:iam::{BUYER}:role/AWSLicenseManagerConsumptionRole"
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@pytest.fixture
def lm(environment):
    with Emulator() as emulator:
        emulator.clock.freeze()
        yield emulator


@pytest.fixture
def connect(lm):
    """``connect(service, credentials, at=)``: a client, of an emulator that checks signatures where one is given."""
    clients = []

    def make(service="sts", credentials=None, at=lm, config=ONE_ATTEMPT):
        found = credentials or {"AccessKeyId": "testing", "SecretAccessKey": "testing", "SessionToken": None}
        clients.append(
            boto3.Session(botocore_session=SESSION).client(
                service,
                endpoint_url=at.url,
                region_name=at.region,
                config=config,
                aws_access_key_id=found["AccessKeyId"],
                aws_secret_access_key=found["SecretAccessKey"],
                aws_session_token=found["SessionToken"],
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def access(connect):
    """``access(roles)``: an access token of a refresh token that names these roles."""

    def get(roles=(), at=None, kind="AccessToken"):
        where = {} if at is None else {"at": at}
        seller = connect("license-manager", **where)
        licences = seller.list_licenses()["Licenses"]
        arn = licences[0]["LicenseArn"]
        more = {"RoleArns": list(roles)} if roles else {}
        made = seller.create_token(LicenseArn=arn, ClientToken=str(len(roles)), **more)["Token"]
        return made if kind == "RefreshToken" else seller.get_access_token(Token=made)["AccessToken"]

    return get


@pytest.fixture
def mine(lm):
    return lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id, recipients=[BUYER])


@pytest.fixture
def assume(connect):
    """``assume(token, role)``: what STS answers to a customer who has nothing else."""

    def ask(token, role=ROLE, using=None, **more):
        using = using or connect(config=ONE_ATTEMPT.merge(Config(signature_version=UNSIGNED)))
        return using.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="jo@acme", WebIdentityToken=token, **more
        )

    return ask


def seconds(answer, lm):
    return (answer["Credentials"]["Expiration"] - lm.clock.datetime()) // timedelta(seconds=1) + 1


class TestWhoCalls:
    @pytest.mark.parametrize(("key", "account"), [("testing", "111122223333"), (BUYER, BUYER)])
    def test_the_account_of_the_access_key(self, lm, connect, key, account):
        client = connect(credentials={"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": None})
        answer = client.get_caller_identity()
        assert (answer["Account"], answer["Arn"]) == (account, f"arn:aws:iam::{account}:user/{key}")
        assert answer["UserId"] == account
        assert answer["ResponseMetadata"]["RequestId"] == lm.requests[-1].request_id
        assert (lm.calls("GetCallerIdentity"), lm.requests[-1].parameters) == (1, {})

    def test_a_session_of_a_role(self, mine, connect, access, assume):
        found = assume(access())
        answer = connect(credentials=found["Credentials"]).get_caller_identity()
        assert {name: answer[name] for name in ("Account", "Arn", "UserId")} == {
            "Account": BUYER,
            "Arn": f"arn:aws:sts::{BUYER}:assumed-role/AWSLicenseManagerConsumptionRole/jo@acme",
            "UserId": found["AssumedRoleUser"]["AssumedRoleId"],
        }


class TestAssuming:
    def test_what_is_answered(self, lm, mine, access, assume):
        token = access([ROLE])
        said = jwt.decode(token, options={"verify_signature": False})
        answer = assume(token)
        del answer["ResponseMetadata"]
        credentials = answer.pop("Credentials")
        assert answer == {
            "SubjectFromWebIdentityToken": said["sub"],
            "AssumedRoleUser": {
                "AssumedRoleId": answer["AssumedRoleUser"]["AssumedRoleId"],
                "Arn": f"arn:aws:sts::{BUYER}:assumed-role/AWSLicenseManagerConsumptionRole/jo@acme",
            },
            "Provider": "https://openid-license-manager.amazonaws.com",
            "Audience": mine.arn,
        }
        assert (credentials["AccessKeyId"][:4], len(credentials["AccessKeyId"])) == ("ASIA", 20)
        assert len(credentials["SecretAccessKey"]) == 40
        assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA")

    def test_they_act_in_the_account_of_the_role(self, lm, mine, connect, access, assume):
        customer = connect("license-manager", assume(access())["Credentials"])
        customer.checkout_license(
            ProductSKU="MINE",
            KeyFingerprint=mine.key_fingerprint,
            CheckoutType="PROVISIONAL",
            ClientToken="one",
            Entitlements=[{"Name": "Seats", "Value": "1", "Unit": "Count"}],
        )
        assert [one.account for one in lm.checkouts()] == [BUYER]

    @pytest.mark.parametrize("asked", [900, 3600, None])
    def test_they_end_when_they_should(self, lm, mine, connect, access, assume, code, asked):
        answer = assume(access(), **({} if asked is None else {"DurationSeconds": asked}))
        assert seconds(answer, lm) == (asked or 3600)
        customer = connect("license-manager", answer["Credentials"])
        lm.clock.advance((asked or 3600) - 1)
        customer.list_received_licenses()
        lm.clock.advance(1)
        with code("ExpiredTokenException") as refusal:
            customer.list_received_licenses()
        assert refusal.message == "The security token included in the request is expired"
        with code("ExpiredToken") as refusal:
            connect(credentials=answer["Credentials"]).get_caller_identity()
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"DurationSeconds": 899}, "greater than or equal to 900"),
            ({"DurationSeconds": 3601}, "exceeds the MaxSessionDuration"),
            ({"role": f"arn:aws:iam::{BUYER}:user/somebody"}, "Request ARN is invalid"),
            ({"role": f"arn:aws:iam::{BUYER}:role/"}, "Request ARN is invalid"),
            ({"RoleSessionName": "jo jo"}, "regular expression pattern"),
            ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, "Member is not known"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, lm, mine, connect, access, code, more, said):
        role = more.pop("role", ROLE)
        loose = connect(config=ONE_ATTEMPT.merge(Config(parameter_validation=False)))
        asked = {"RoleArn": role, "RoleSessionName": "jo", "WebIdentityToken": access(), **more}
        with code("ValidationError") as refusal:
            loose.assume_role_with_web_identity(**asked)
        assert said in refusal.message
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400

    def test_a_session_policy_is_not_passed_over(self, mine, access, assume, code):
        with code("MalformedPolicyDocument"):
            assume(access(), Policy='{"Statement": []}')

    def test_a_role_that_the_token_does_not_name(self, mine, access, assume, code):
        other = ROLE.replace(BUYER, "333333333333")
        with code("AccessDenied") as refusal:
            assume(access([ROLE]), other)
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assume(access(), other)
        assume(access([ROLE, other]), other)

    def test_a_token_that_is_over(self, lm, mine, access, assume, code):
        token = access()
        lm.clock.advance(3599)
        assume(token)
        lm.clock.advance(1)
        with code("ExpiredTokenException") as refusal:
            assume(token)
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400

    def test_a_token_that_is_not_ours_or_no_access_token(self, mine, access, assume, code):
        head, said, signature = access().split(".")
        refresh = access(kind="RefreshToken")
        for wrong in (
            refresh,
            "hello",
            f"{head}.{said}.{signature[::-1]}",
            f"{head}.{said}.",
            f"{head}.e30.{signature}",
        ):
            with code("InvalidIdentityToken") as refusal:
                assume(wrong)
            assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400

    def test_a_provider_that_cannot_be_reached(self, lm, mine, access, assume, code):
        token = access()
        lm.faults.add("AssumeRoleWithWebIdentity", error="IDPCommunicationError")
        with code("IDPCommunicationError"):
            assume(token)
        assume(token)
        assert lm.calls("AssumeRoleWithWebIdentity") == 2

    @pytest.mark.parametrize("fault", [{"drop": "after"}, {"status": 503}])
    def test_botocore_tries_again(self, lm, mine, connect, access, assume, fault):
        lm.faults.add("AssumeRoleWithWebIdentity", **fault)
        patient = connect(config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 2}))
        assert assume(access(), using=patient)["Credentials"]
        assert lm.calls("AssumeRoleWithWebIdentity") == 2

    def test_no_secret_is_in_a_repr(self, lm, mine, access, assume):
        token = access()
        found = assume(token)["Credentials"]
        shown = repr(lm.requests) + repr(list(lm._state.sessions._sessions.values()))
        assert not {token, found["SecretAccessKey"], found["SessionToken"], ROLE} & set(shown.split("'"))
        assert token not in shown


class TestStrict:
    @pytest.fixture
    def strict(self, environment):
        with Emulator(verify_signatures=True) as emulator:
            emulator.add_license("MINE", [("Seats", 3, "Count")], issuer_account=emulator.account_id)
            yield emulator

    @pytest.fixture
    def found(self, strict, connect, access, assume):
        using = connect(at=strict, config=Config(signature_version=UNSIGNED))
        return assume(access(at=strict), using=using)["Credentials"]

    def test_the_credentials_sign(self, strict, found, connect):
        assert connect(credentials=found, at=strict).get_caller_identity()["Account"] == BUYER
        connect("license-manager", found, at=strict).list_received_licenses()

    @pytest.mark.parametrize(
        ("member", "of_sts", "of_lm"),
        [
            ("SecretAccessKey", "SignatureDoesNotMatch", "InvalidSignatureException"),
            ("SessionToken", "InvalidClientTokenId", "UnrecognizedClientException"),
        ],
    )
    def test_and_nothing_else_does(self, strict, found, connect, code, member, of_sts, of_lm):
        wrong = {**found, member: "testing"}
        with code(of_sts) as refusal:
            connect(credentials=wrong, at=strict).get_caller_identity()
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        with code(of_lm):
            connect("license-manager", wrong, at=strict).list_received_licenses()

    def test_ended_ones_are_told_so_before_their_signature_is_looked_at(self, strict, found, connect, code):
        strict.clock.advance(3601)
        with code("ExpiredTokenException"):
            connect("license-manager", found, at=strict).list_received_licenses()

    def test_without_a_signature(self, strict, connect, code):
        with code("MissingAuthenticationToken"):
            connect(at=strict, config=Config(signature_version=UNSIGNED)).get_caller_identity()


def statement(effect, action):
    return {"Effect": effect, "Action": action, "Resource": "*"}


class TestPolicies:
    def test_a_policy_of_the_roles_account_holds_for_the_session(self, connect, access, assume, code):
        policy = {BUYER: {"Statement": statement("Allow", "license-manager:List*")}}
        with Emulator(policy=policy) as lm:
            lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id)
            found = assume(access(at=lm), using=connect(at=lm, config=Config(signature_version=UNSIGNED)))[
                "Credentials"
            ]
            customer = connect("license-manager", found, at=lm)
            customer.list_received_licenses()
            with code("AccessDeniedException") as refusal:
                customer.get_license(LicenseArn=lm.license("MINE").arn)
        session = f"arn:aws:sts::{BUYER}:assumed-role/AWSLicenseManagerConsumptionRole/jo@acme"
        assert refusal.message.startswith(f"User: {session} is not authorized to perform: license-manager:GetLicense")

    def test_who_calls_is_answered_whatever_a_policy_says(self, connect):
        with Emulator(policy={"Statement": statement("Deny", "*")}) as lm:
            assert connect(at=lm).get_caller_identity()["Account"] == lm.account_id

    def test_an_action_of_sts_has_its_own_prefix(self, mine, connect, assume, code):
        with Emulator(policy={"Statement": statement("Allow", "license-manager:*")}) as lm:
            signed = connect(at=lm)
            signed.meta.events.register("choose-signer.sts.*", lambda **_: "v4")
            with code("AccessDenied") as refusal:
                assume("whatever", using=signed)
        assert "sts:AssumeRoleWithWebIdentity" in refusal.message


class TestTheWire:
    @pytest.fixture
    def post(self, lm):
        """``post(Action=...)``: send a form; status, headers and XML come back."""

        def send(body=None, kind="application/x-www-form-urlencoded; charset=utf-8", **form):
            connection = http.client.HTTPConnection("127.0.0.1", lm.port, timeout=20)
            try:
                connection.request("POST", "/", body or urlencode(form), {"Content-Type": kind})
                answer = connection.getresponse()
                return answer.status, answer.headers, ET.fromstring(answer.read())
            finally:
                connection.close()

        return send

    def test_an_answer(self, post):
        status, headers, answer = post(Action="GetCallerIdentity", Version="2011-06-15")
        assert (status, headers["Content-Type"], answer.tag) == (
            200,
            "text/xml",
            f"{NAMESPACE}GetCallerIdentityResponse",
        )
        assert answer.findtext(f"{NAMESPACE}GetCallerIdentityResult/{NAMESPACE}Account") == "111122223333"
        told = answer.findtext(f"{NAMESPACE}ResponseMetadata/{NAMESPACE}RequestId")
        assert told == headers["x-amzn-requestid"]

    def test_a_refusal(self, post):
        status, headers, answer = post(Action="AssumeRoleWithWebIdentity", RoleArn="<&\x00>", DurationSeconds="x")
        error = answer.find(f"{NAMESPACE}Error")
        told = [error.findtext(NAMESPACE + name) for name in ("Type", "Code")]
        assert (status, answer.tag, told) == (400, f"{NAMESPACE}ErrorResponse", ["Sender", "ValidationError"])
        assert answer.findtext(f"{NAMESPACE}RequestId") == headers["x-amzn-requestid"]

    @pytest.mark.parametrize("action", ["AssumeRole", "CheckoutLicense", "<b>", "\N{SNOWMAN}"])
    def test_another_operation(self, lm, post, action):
        status, _, answer = post(Action=action)
        code = answer.findtext(f"{NAMESPACE}Error/{NAMESPACE}Code")
        assert (status, code, lm.calls("CheckoutLicense")) == (400, "InvalidAction", 0)

    def test_a_fault_of_the_service_is_the_receivers(self, lm, post):
        lm.faults.add("GetCallerIdentity", error="InternalFailure", message="<&>")
        status, _, answer = post(Action="GetCallerIdentity")
        error = answer.find(f"{NAMESPACE}Error")
        told = [error.findtext(NAMESPACE + name) for name in ("Type", "Code", "Message")]
        assert (status, told) == (500, ["Receiver", "InternalFailure", "<&>"])

    @pytest.mark.parametrize("body", [b"Action=GetCallerIdentity&x=%ff", b"&".join(b"a=%d" % n for n in range(200))])
    def test_a_form_that_is_none(self, lm, body):
        connection = http.client.HTTPConnection("127.0.0.1", lm.port, timeout=20)
        connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert connection.getresponse().status == 400
        connection.close()


def test_botocores_own_provider_gets_its_credentials_here(lm, mine, access, monkeypatch, tmp_path):
    token = tmp_path / "token"
    token.write_text(access())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", lm.url)
    client = boto3.Session().client("license-manager", endpoint_url=lm.url)
    client.list_received_licenses()
    assert (lm.requests[-1].account, lm.calls("AssumeRoleWithWebIdentity")) == (BUYER, 1)
    client.close()


def test_a_client_of_another_emulator_is_left_alone(environment):
    with Emulator().in_process() as lm, Emulator() as other:
        sts = boto3.client("sts", endpoint_url=other.url)
        sts.get_caller_identity()
        sts.close()
    assert (lm.calls("GetCallerIdentity"), other.calls("GetCallerIdentity")) == (0, 1)


def test_without_a_socket(environment):
    lm = Emulator()
    mine = lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id)
    with lm.in_process():
        token = boto3.client("license-manager").create_token(LicenseArn=mine.arn, ClientToken="t")["Token"]
        access = boto3.client("license-manager").get_access_token(Token=token)["AccessToken"]
        sts = boto3.client("sts")
        assert sts.get_caller_identity()["Account"] == lm.account_id
        found = sts.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="jo", WebIdentityToken=access)
    assert lm.calls() == 4
    session = boto3.Session(
        *(found["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    )
    lm.attach(session)
    assert session.client("sts").get_caller_identity()["Account"] == BUYER


def test_credentials_stay_over_a_restart(again, connect, access, assume):
    lm = again()
    lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id)
    using = connect(at=lm, config=Config(signature_version=UNSIGNED))
    found = assume(access(at=lm), using=using)["Credentials"]
    lm = again(verify_signatures=True)
    assert connect(credentials=found, at=lm).get_caller_identity()["Account"] == BUYER
    lm.clock.advance(3601)
    with pytest.raises(ClientError, match="ExpiredToken"):
        connect(credentials=found, at=again()).get_caller_identity()
