"""KMS on the same port: RSA keys, what they sign, and the licences whose tokens they sign."""

from __future__ import annotations

import base64
import hashlib
import pickle
import re
from dataclasses import asdict
from datetime import UTC, datetime

import boto3
import jwt
import pytest
from botocore.config import Config
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from meterguard import ConfigurationError
from meterguard.emulator import Behavior, Emulator

from .conftest import ONE_ATTEMPT, SESSION

BUYER, DAY = "222222222222", 24 * 3600
ALGORITHMS = [f"RSASSA_{pad}_SHA_{bits}" for pad in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)]
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RSA = {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}


@pytest.fixture
def connect_kms(lm):
    clients = []

    def make(access_key="testing", region=None, url=None, config=ONE_ATTEMPT):
        clients.append(
            boto3.Session(botocore_session=SESSION).client(
                "kms",
                endpoint_url=url or lm.url,
                region_name=region or lm.region,
                config=config,
                aws_access_key_id=access_key,
                aws_secret_access_key="testing",
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def kms(connect_kms):
    return connect_kms()


@pytest.fixture
def key(kms):
    """The metadata of a key."""
    return kms.create_key(**RSA, Description="tokens")["KeyMetadata"]


def bare(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def verify(public, signature, message, algorithm, *, is_digest=False):
    used = HASHES[algorithm[-3:]]
    pad = padding.PSS(padding.MGF1(used), used.digest_size) if "PSS" in algorithm else padding.PKCS1v15()
    load_der_public_key(public).verify(signature, message, pad, Prehashed(used) if is_digest else used)


class TestAKey:
    def test_what_is_told_of_it(self, lm, kms):
        lm.clock.freeze("2030-03-01T12:00:00.25Z")
        key = kms.create_key(**RSA, Description="tokens")["KeyMetadata"]
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key["KeyId"])
        arn = f"arn:aws:kms:us-east-1:111122223333:key/{key['KeyId']}"
        assert key == {
            "AWSAccountId": "111122223333",
            "KeyId": key["KeyId"],
            "Arn": arn,
            "CreationDate": datetime(2030, 3, 1, 12, 0, 0, 250000, UTC),
            "Enabled": True,
            "Description": "tokens",
            "KeyUsage": "SIGN_VERIFY",
            "KeyState": "Enabled",
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "MultiRegion": False,
            "KeySpec": "RSA_2048",
            "CustomerMasterKeySpec": "RSA_2048",
            "SigningAlgorithms": ALGORITHMS,
        }
        for name in (arn, key["KeyId"]):
            assert kms.describe_key(KeyId=name)["KeyMetadata"] == key
            public = bare(kms.get_public_key(KeyId=name))
            assert load_der_public_key(public.pop("PublicKey")).key_size == 2048
            assert public == {
                "KeyId": arn,
                "KeySpec": "RSA_2048",
                "CustomerMasterKeySpec": "RSA_2048",
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": ALGORITHMS,
            }
        assert [one.operation for one in lm.requests[:2]] == ["CreateKey", "DescribeKey"]

    @pytest.mark.parametrize("member", ["KeySpec", "CustomerMasterKeySpec"])
    def test_its_size_by_the_new_and_the_old_name(self, kms, member):
        key = kms.create_key(**{member: "RSA_3072"}, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        assert (key["KeySpec"], key["Description"]) == ("RSA_3072", "")
        assert load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]).key_size == 3072

    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            ({}, "UnsupportedOperationException"),
            ({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}, "UnsupportedOperationException"),
            ({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}, "UnsupportedOperationException"),
            ({"KeySpec": "RSA_2048"}, "ValidationException"),
            ({**RSA, "CustomerMasterKeySpec": "RSA_2048"}, "ValidationException"),
            ({**RSA, "KeySpec": "RSA_1024"}, "ValidationException"),
        ],
    )
    def test_any_other_is_refused(self, lm, kms, code, asked, error):
        with code(error) as refusal:
            kms.create_key(**asked)
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert len(lm._state.kms_keys._keys) == 0


class TestSigning:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_a_message_and_its_digest(self, kms, key, algorithm):
        public = kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
        answer = bare(kms.sign(KeyId=key["KeyId"], Message=b"hello", SigningAlgorithm=algorithm))
        verify(public, answer.pop("Signature"), b"hello", algorithm)
        assert answer == {"KeyId": key["Arn"], "SigningAlgorithm": algorithm}
        digest = hashlib.new(f"sha{algorithm[-3:]}", b"hello").digest()
        signed = kms.sign(KeyId=key["Arn"], Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)
        verify(public, signed["Signature"], b"hello", algorithm)
        with pytest.raises(InvalidSignature):
            verify(public, signed["Signature"], b"Hello", algorithm)

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"SigningAlgorithm": "ECDSA_SHA_256"}, "InvalidKeyUsageException"),
            ({"SigningAlgorithm": "RSA"}, "ValidationException"),
            ({"MessageType": "DIGEST"}, "ValidationException"),
            ({"MessageType": "EXTERNAL_MU"}, "ValidationException"),
            ({"Message": b"x" * 4097}, "ValidationException"),
            ({"DryRun": True}, "DryRunOperationException"),
            ({"KeyId": "00000000-0000-0000-0000-000000000000"}, "NotFoundException"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, connect_kms, key, code, more, error):
        asked = {"KeyId": key["KeyId"], "Message": b"hello", "SigningAlgorithm": ALGORITHMS[0]}
        loose = connect_kms(config=ONE_ATTEMPT.merge(Config(parameter_validation=False)))
        with code(error):
            loose.sign(**{**asked, **more})

    @pytest.mark.parametrize("message", ["no base64!", "a", 7, None, ["aGVsbG8="]])
    def test_a_message_that_is_no_base64(self, post, key, message):
        body = {"KeyId": key["KeyId"], "Message": message, "SigningAlgorithm": ALGORITHMS[0]}
        status, headers, _ = post(body, None, {"X-Amz-Target": "TrentService.Sign"})
        assert (status, headers["x-amzn-errortype"]) in (
            (400, "SerializationException"),
            (400, "ValidationException"),
        )


class TestWhoseItIs:
    def test_it_is_found_in_its_region_and_account_only(self, connect_kms, key, code):
        with code("NotFoundException") as refusal:
            connect_kms(region="eu-west-1").describe_key(KeyId=key["KeyId"])
        arn = f"arn:aws:kms:eu-west-1:111122223333:key/{key['KeyId']}"
        assert refusal.message == f"Key '{arn}' does not exist"
        for name in (key["KeyId"], "alias/tokens", key["Arn"] + "0"):
            with code("NotFoundException"):
                connect_kms(BUYER).describe_key(KeyId=name)
        with code("AccessDeniedException"):
            connect_kms(BUYER).get_public_key(KeyId=key["Arn"])

    def test_a_policy_may_name_it(self, connect_kms, code):
        mine = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
        never = {"Effect": "Deny", "Action": "kms:Sign", "Resource": "arn:aws:kms:*:111122223333:key/*"}
        with Emulator(policy={"Statement": [mine, never]}) as lm:
            kms = connect_kms(url=lm.url)
            key = kms.create_key(**RSA)["KeyMetadata"]["KeyId"]
            kms.get_public_key(KeyId=key)
            with code("AccessDeniedException") as refusal:
                kms.sign(KeyId=key, Message=b"hello", SigningAlgorithm=ALGORITHMS[0])
            assert f"kms:Sign on resource: arn:aws:kms:us-east-1:111122223333:key/{key}" in refusal.message
            with code("AccessDeniedException"):
                boto3.client("license-manager", endpoint_url=lm.url).list_licenses()

    def test_signatures_and_faults(self, connect_kms, code):
        with Emulator(verify_signatures={"AKIAOWN": "own"}) as lm:
            connect_kms(url=lm.url).create_key(**RSA)
            with code("InvalidSignatureException"):
                connect_kms("AKIAOWN", url=lm.url).create_key(**RSA)
            lm.faults.add("CreateKey", error="KMSInternalException", status=500)
            with code("KMSInternalException"):
                connect_kms(url=lm.url).create_key(**RSA)
            assert lm.calls("CreateKey") == 3

    def test_another_operation_is_not_taken_for_license_managers(self, lm, kms, key, code):
        lm.faults.add("CreateGrant", error="ServerInternalException")
        with code("UnknownOperationException"):
            kms.create_grant(KeyId=key["KeyId"], GranteePrincipal="a", Operations=["Sign"])
        assert (lm.calls("CreateGrant"), lm.requests[-1].operation) == (0, "TrentService.CreateGrant")

    def test_it_stays_over_a_restart_and_shows_nothing(self, again, connect_kms):
        lm = again()
        made = connect_kms(url=lm.url).create_key(**RSA)["KeyMetadata"]
        public = connect_kms(url=lm.url).get_public_key(KeyId=made["KeyId"])["PublicKey"]
        assert "PRIVATE" not in repr(lm._state.kms_keys.find(made["KeyId"]))
        again()
        kms = connect_kms(url=lm.url)
        assert kms.describe_key(KeyId=made["Arn"])["KeyMetadata"] == made
        assert kms.get_public_key(KeyId=made["KeyId"])["PublicKey"] == public


class TestTheTokensOfALicence:
    @pytest.fixture
    def borrow(self, client):
        def ask(licence, using=client, **more):
            return using.checkout_borrow_license(
                LicenseArn=licence.arn,
                Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": "1"}],
                DigitalSignatureMethod="JWT_PS384",
                ClientToken=licence.sku,
                **more,
            )["SignedToken"]

        return ask

    def test_are_signed_by_the_key_that_it_names(self, lm, kms, key, borrow):
        der = kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
        pem = f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(der).decode()}-----END PUBLIC KEY-----\n"
        licences = [
            lm.add_license(f"ACME-{n}", [("Seats", 3, "Count")], borrow_ttl=DAY, sign_key=name)
            for n, name in enumerate((key["Arn"], key["KeyId"]))
        ]
        for licence in licences:
            assert load_pem_public_key(licence.public_key_pem.encode()) == load_pem_public_key(pem.encode())
            assert jwt.decode(borrow(licence), pem, ["PS384"])["licenseArn"] == licence.arn
            with pytest.raises(jwt.InvalidSignatureError):
                jwt.decode(borrow(licence), lm.public_key_pem, ["PS384"])

    def test_are_signed_by_the_emulators_key_if_it_names_another(self, lm, key, borrow):
        elsewhere = key["Arn"].replace("us-east-1", "us-west-2")
        for n, name in enumerate((None, elsewhere, "any text")):
            more = {} if name is None else {"sign_key": name}
            licence = lm.add_license(f"ACME-{n}", [("Seats", 3, "Count")], borrow_ttl=DAY, **more)
            assert licence.public_key_pem == lm.public_key_pem
            jwt.decode(borrow(licence), lm.public_key_pem, ["PS384"])

    def test_of_a_checkout_too(self, connect, connect_kms, take):
        with Emulator(behavior=Behavior(sign_checkouts=True)) as lm:
            key = connect_kms(url=lm.url).create_key(**RSA)["KeyMetadata"]["Arn"]
            licence = lm.add_license("ACME-1", [("Seats", 3, "Count")], sign_key=key)
            signed = take(Seats=1, of=licence, using=connect(url=lm.url))["SignedToken"]
            assert jwt.decode(signed, licence.public_key_pem, ["PS384"])["licenseArn"] == licence.arn
            assert licence.public_key_pem != lm.public_key_pem

    def test_of_a_new_version_are_signed_by_its_new_key(self, lm, kms, key, borrow):
        licence = lm.add_license("ACME-1", [("Seats", 3, "Count")], borrow_ttl=DAY, sign_key=key["Arn"])
        other = kms.create_key(**RSA)["KeyMetadata"]["Arn"]
        newer = lm.update_license(licence, sign_key=other)
        assert len({one.public_key_pem for one in (licence, newer, lm.license("ACME-1"))}) == 2
        jwt.decode(borrow(newer), newer.public_key_pem, ["PS384"])

    def test_those_of_customers_are_always_the_emulators(self, lm, client, key):
        mine = lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id, sign_key=key["Arn"])
        refresh = client.create_token(LicenseArn=mine.arn, ClientToken="t")["Token"]
        access = client.get_access_token(Token=refresh)["AccessToken"]
        for token in (refresh, access):
            jwt.decode(token, lm.public_key_pem, ["PS384"], audience=mine.arn)

    def test_a_licence_compares_by_what_it_is(self, lm, licence):
        assert lm.license("ACME-1") == licence
        assert lm.update_license(licence, name="other") != licence
        assert licence.public_key_pem not in repr(licence)

    def test_a_licence_can_be_sent_to_another_process(self, licence):
        copied = pickle.loads(pickle.dumps(licence))
        assert (copied, asdict(copied)) == (licence, asdict(licence))
        with pytest.raises(ConfigurationError, match=r"ask license\(\) of the emulator"):
            _ = copied.public_key_pem
