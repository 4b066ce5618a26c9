"""Signatures, checked on demand: what boto3 signs passes, and what is wrong is refused as the service does."""

from __future__ import annotations

from datetime import timedelta

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session

import meterguard
from meterguard.emulator import Emulator

LOADER = Loader()
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})
SCOPE = "testing/20260301/us-east-1/license-manager/aws4_request"
RUBBISH = f"AWS4-HMAC-SHA256 Credential=\xe4{SCOPE}, SignedHeaders=host;x-amz-target;x-amz-date;\xe4, Signature=\xe4"
SECRETS = {"AKIAOWN": "a secret of its own"}


@pytest.fixture
def lm(environment):
    with Emulator(verify_signatures=SECRETS) as emulator:
        yield emulator


@pytest.fixture
def connect(lm):
    """``connect(secret, key=, token=, **options)``: a boto3 client with these credentials."""
    clients = []

    def make(secret="testing", key="testing", token=None, config=ONCE, **options):
        core = Session()
        core.register_component("data_loader", LOADER)
        session = boto3.Session(key, secret, token, botocore_session=core)
        where = {"endpoint_url": lm.url, "region_name": lm.region, **options}
        clients.append(session.client("license-manager", config=config, **where))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


class TestRight:
    def test_a_whole_life_signed_by_boto3(self, lm, take, client):
        token = take(Seats=1)["LicenseConsumptionToken"]
        client.extend_license_consumption(LicenseConsumptionToken=token)
        client.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage("ACME-1") == {"Seats": 0}

    def test_by_an_access_key_with_its_own_secret(self, connect, code):
        assert connect("a secret of its own", "AKIAOWN").list_licenses()["Licenses"] == []
        with code("InvalidSignatureException"):
            connect("testing", "AKIAOWN").list_licenses()

    @pytest.mark.parametrize("region", ["us-east-1", "eu-central-2"])
    def test_for_any_region(self, connect, region):
        assert connect(region_name=region).list_licenses()["Licenses"] == []

    def test_with_a_session_token(self, connect):
        assert connect(key="ASIATEMPORARY", token="session").list_licenses()["Licenses"] == []

    def test_under_another_name_of_this_machine(self, lm, connect):
        assert connect(endpoint_url=f"http://localhost:{lm.port}").list_licenses()["Licenses"] == []

    def test_without_a_socket(self, connect, code):
        with Emulator(verify_signatures=True).in_process():
            assert connect(endpoint_url=None).list_licenses()["Licenses"] == []
            with code("InvalidSignatureException"):
                connect("wrong", endpoint_url=None).list_licenses()

    def test_by_a_guard(self, lm, make_guard):
        licence = lm.add_license("ACME-1", [("Seats", 1, "Count")])
        with make_guard(lm, licence) as guard:
            assert guard.has_entitlement("Seats", 1, "Count")
        assert lm.usage("ACME-1") == {"Seats": 0}

    def test_off_by_default(self, connect):
        with Emulator() as open_to_all:
            assert connect("wrong", endpoint_url=open_to_all.url).list_licenses()["Licenses"] == []


class TestWrong:
    def test_the_wrong_secret(self, lm, take, connect, code):
        with code("InvalidSignatureException") as refusal:
            take(Seats=1, using=connect("wrong"))
        assert refusal.message.startswith("The request signature we calculated does not match")
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert lm.usage("ACME-1") == {"Seats": 0}

    def test_no_signature(self, connect, code, post):
        with code("MissingAuthenticationTokenException") as refusal:
            connect(config=ONCE.merge(Config(signature_version=UNSIGNED))).list_licenses()
        assert refusal.message == "Missing Authentication Token"
        status, _, body = post(b"no json", "NoOperation")
        assert (status, b"MissingAuthenticationTokenException" in body) == (400, True)

    def test_temporary_credentials_without_their_token(self, connect, code):
        with code("UnrecognizedClientException"):
            connect(key="ASIATEMPORARY").list_licenses()

    @pytest.mark.parametrize("seconds", [240, -240])
    def test_a_clock_that_is_a_little_off_is_let_pass(self, lm, client, seconds):
        lm.clock.advance(seconds)
        client.list_licenses()

    @pytest.mark.parametrize(
        ("ahead", "message"),
        [
            (timedelta(minutes=6), "Signature expired: "),
            (timedelta(minutes=16), "Signature expired: "),
            (timedelta(minutes=-6), "Signature not yet current: "),
            (timedelta(days=-2), "Signature not yet current: "),
        ],
    )
    def test_a_clock_that_is_off_by_more_than_five_minutes(self, lm, client, code, ahead, message):
        lm.clock.advance(ahead)
        with code("InvalidSignatureException") as refusal:
            client.list_licenses()
        assert refusal.message.startswith(message)
        assert "5 min.)" in refusal.message

    def test_one_byte_of_the_body(self, lm, licence, client, code):
        def change(request, **_):
            request.body = request.body.replace(b"Count", b"Bytes")

        client.meta.events.register("before-send.license-manager.CheckoutLicense", change)
        with code("InvalidSignatureException"):
            client.checkout_license(
                ProductSKU="ACME-1",
                KeyFingerprint=licence.key_fingerprint,
                CheckoutType="PROVISIONAL",
                ClientToken="one",
                Entitlements=[{"Name": "Seats", "Value": "1", "Unit": "Count"}],
            )
        assert lm.usage("ACME-1") == {"Seats": 0}

    @pytest.mark.parametrize(
        ("header", "value"), [("X-Amz-Target", b"AWSLicenseManager.ListTokens"), ("X-Amz-Date", b"20260301T120000Z")]
    )
    def test_a_signed_header(self, client, code, header, value):
        def change(request, **_):
            del request.headers[header]
            request.headers[header] = value

        client.meta.events.register("before-send.license-manager.ListLicenses", change)
        with code("InvalidSignatureException"):
            client.list_licenses()

    def test_a_header_added_on_the_way(self, client, code):
        def add(request, **_):
            request.headers["X-Amz-Security-Token"] = "added"

        client.meta.events.register("before-send.license-manager.ListLicenses", add)
        with code("InvalidSignatureException") as refusal:
            client.list_licenses()
        assert refusal.message.startswith("'x-amz-security-token' must be a 'SignedHeader'")

    def test_a_request_for_another_service(self, client, code):
        client._request_signer._signing_name = "s3"
        with code("InvalidSignatureException") as refusal:
            client.list_licenses()
        assert "correct service: 'license-manager'" in refusal.message

    @pytest.mark.parametrize(
        ("authorization", "message"),
        [
            ("Basic dTpw", "requires the algorithm"),
            ("AWS4-HMAC-SHA256 Credential=", "requires 'Credential'"),
            ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host", "requires 'Signature'"),
            ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", "5 slash-delimited"),
            (f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-target, Signature=0", "X-Amz-Date"),
        ],
    )
    def test_a_header_that_is_not_whole(self, post, authorization, message):
        status, headers, body = post({}, headers={"Authorization": authorization})
        assert (status, headers["x-amzn-errortype"]) == (400, "IncompleteSignatureException")
        assert message.encode() in body

    @pytest.mark.parametrize("at", ["", "20269999T000000Z", "today", "\xb2\xb2"])
    def test_rubbish(self, post, at):
        headers = {"Authorization": RUBBISH.encode("latin-1"), "X-Amz-Date": at.encode("latin-1")}
        status, _, body = post({}, headers=headers)
        assert (status, b"IncompleteSignatureException" in body) == (400, True)

    def test_a_signature_that_is_no_ascii(self, lm, post):
        lm.clock.freeze("2026-03-01T12:00:00Z")
        headers = {"Authorization": RUBBISH.encode("latin-1"), "X-Amz-Date": "20260301T120000Z"}
        status, _, body = post({}, headers=headers)
        assert b"does not match the signature" in body, body
        assert status == 400


class TestTokens:
    def test_customers_without_an_account_ask_for_access_unsigned(self, connect, code):
        using = connect(config=ONCE.merge(Config(signature_version=UNSIGNED)))
        with code("AuthorizationException"):
            using.get_access_token(Token="a.b.c")

    def test_a_wrong_signature_is_wrong_there_too(self, connect, code):
        with code("InvalidSignatureException"):
            connect("wrong").get_access_token(Token="a.b.c")


class TestTheGuard:
    @pytest.mark.parametrize(
        ("secret", "ahead", "said"),
        [("wrong", 0, "check the secret access key"), ("testing", 3600, "the clock of this machine is wrong")],
    )
    def test_says_what_is_wrong(self, lm, make_guard, monkeypatch, secret, ahead, said):
        licence = lm.add_license("ACME-1", [("Seats", 1, "Count")])
        lm.clock.advance(ahead)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        guard = make_guard(lm, licence)
        with (
            pytest.raises(meterguard.AuthorizationRefused, match=said) as refused,
            guard.requires_entitlement("Seats", 1),
        ):
            pass
        assert refused.value.code == "InvalidSignatureException"


def test_an_error_never_names_the_secret(lm, connect):
    with pytest.raises(ClientError) as refused:
        connect("wrong").list_licenses()
    assert "testing" not in str(refused.value)
