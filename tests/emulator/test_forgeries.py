"""Forged tokens: each is what its name says, and an honest verifier takes none but those that say wrong things."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from itertools import count

import boto3
import jwt
import pytest

from meterguard.emulator import Behavior, Emulator, load_seed

DAY = 24 * 3600


@pytest.fixture
def lm(environment):
    with Emulator(behavior=Behavior(sign_checkouts=True)) as emulator:
        emulator.clock.freeze("2030-03-01T12:00:00Z")
        yield emulator


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", [("Seats", 9, "Count")], borrow_ttl=DAY)


@pytest.fixture(params=["CheckoutLicense", "CheckoutBorrowLicense"])
def operation(request):
    return request.param


@pytest.fixture
def ask(client, licence, operation, take):
    """``ask()``: the answer to one request of the operation, as a verifier gets it."""
    tokens = count()

    def check_out():
        if operation == "CheckoutLicense":
            return take(Seats=1, NodeId="node")
        return client.checkout_borrow_license(
            LicenseArn=licence.arn,
            Entitlements=[{"Name": "Seats", "Unit": "Count", "Value": "1"}],
            DigitalSignatureMethod="JWT_PS384",
            NodeId="node",
            ClientToken=f"borrow-{next(tokens)}",
        )

    return check_out


def parts(token):
    """The header, the payload and the signature of a token, whoever signed it."""
    head, said, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return json.loads(head), json.loads(said), signature


def verified(licence, token):
    return jwt.decode(token, licence.public_key_pem, ["PS384"])


def test_the_signature(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="signature")
    answer = ask()
    head, said, signature = parts(answer["SignedToken"])
    assert (head, len(signature)) == ({"alg": "PS384", "typ": "JWT"}, 256)
    assert said["licenseConsumptionToken"] == answer["LicenseConsumptionToken"]
    with pytest.raises(jwt.InvalidSignatureError):
        verified(licence, answer["SignedToken"])
    assert verified(licence, ask()["SignedToken"])


def test_the_payload(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="payload", times=2)
    answer = ask()
    head, said, signature = parts(answer["SignedToken"])
    assert head == {"alg": "PS384", "typ": "JWT"}
    assert said.pop("forged") is True
    # It is the true token's signature: with the true payload it verifies.
    text = json.dumps(said, separators=(",", ":")).encode()
    honest = [
        answer["SignedToken"].split(".")[0],
        *(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in (text, signature)),
    ]
    assert verified(licence, ".".join(honest)) == said
    with pytest.raises(jwt.InvalidSignatureError):
        verified(licence, answer["SignedToken"])


def test_the_payload_may_say_anything(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="payload", claims={"expiration": "2099-01-01T00:00:00"})
    token = ask()["SignedToken"]
    assert parts(token)[1]["expiration"] == "2099-01-01T00:00:00"
    assert "forged" not in parts(token)[1]
    with pytest.raises(jwt.InvalidSignatureError):
        verified(licence, token)


def test_another_key(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="key", times=2)
    answer = ask()
    head, said, signature = parts(answer["SignedToken"])
    assert (head["alg"], len(signature)) == ("PS384", 256)
    assert said["licenseConsumptionToken"] == answer["LicenseConsumptionToken"]
    for token in (answer["SignedToken"], ask()["SignedToken"]):
        with pytest.raises(jwt.InvalidSignatureError):
            verified(licence, token)


def test_no_algorithm(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="none")
    answer = ask()
    head, said, signature = parts(answer["SignedToken"])
    assert (head, signature) == ({"alg": "none", "typ": "JWT"}, b"")
    assert said["licenseConsumptionToken"] == answer["LicenseConsumptionToken"]
    with pytest.raises(jwt.InvalidAlgorithmError):
        verified(licence, answer["SignedToken"])


def test_the_public_key_as_a_secret(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="hs256")
    token = ask()["SignedToken"]
    head, _, signature = parts(token)
    assert head == {"alg": "HS256", "typ": "JWT"}
    signed = token.rpartition(".")[0].encode()
    assert signature == hmac.new(licence.public_key_pem.encode(), signed, hashlib.sha256).digest()
    with pytest.raises(jwt.InvalidAlgorithmError):
        verified(licence, token)


def test_a_replay(lm, licence, ask, operation):
    first, second = ask(), ask()
    lm.faults.add(operation, tamper="replay", times=2)
    third = ask()
    assert third["SignedToken"] == second["SignedToken"] != first["SignedToken"]
    assert verified(licence, third["SignedToken"])["licenseConsumptionToken"] == second["LicenseConsumptionToken"]
    assert verified(licence, ask()["SignedToken"])["licenseConsumptionToken"] == third["LicenseConsumptionToken"]


def test_a_replay_of_nothing_is_the_true_token(lm, licence, ask, operation):
    lm.faults.add(operation, tamper="replay")
    answer = ask()
    assert verified(licence, answer["SignedToken"])["licenseConsumptionToken"] == answer["LicenseConsumptionToken"]


def test_claims_are_signed_with_the_right_key(lm, licence, ask, operation):
    true = verified(licence, ask()["SignedToken"])
    lm.faults.add(
        operation, claims={"nodeId": "other", "issuedAt": None, "entitlementsAllowed": [], "more": {"a": [1]}}
    )
    answer = ask()
    said = verified(licence, answer["SignedToken"])
    del true["issuedAt"]
    true["licenseConsumptionToken"] = answer["LicenseConsumptionToken"]
    assert said == {**true, "nodeId": "other", "entitlementsAllowed": [], "more": {"a": [1]}}
    assert answer["NodeId"] == "node"


def test_a_clock_that_is_wrong_is_wrong_in_the_token_too(lm, licence, ask, operation):
    lm.faults.add(operation, skew=3600, lifetime=60)
    answer = ask()
    said = verified(licence, answer["SignedToken"])
    assert (said["issuedAt"], said["expiration"]) == (answer["IssuedAt"], answer["Expiration"])
    assert said["issuedAt"] == "2030-03-01T13:00:00"


def test_what_is_left_out_of_the_answer_is_not_left_out_of_the_token(lm, licence, ask, operation):
    lm.faults.add(operation, strip=["Expiration"])
    answer = ask()
    assert "Expiration" not in answer
    assert verified(licence, answer["SignedToken"])["expiration"]
    lm.faults.add(operation, strip="SignedToken", tamper="none")
    assert "SignedToken" not in ask()


def test_the_key_of_the_licence_signs_forgeries_too(lm, take):
    kms = boto3.client("kms", endpoint_url=lm.url)
    key = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    kms.close()
    licence = lm.add_license("ACME-2", [("Seats", 9, "Count")], sign_key=key)
    lm.faults.add("CheckoutLicense", claims={"nodeId": "other"})
    assert verified(licence, take(Seats=1, of=licence)["SignedToken"])["nodeId"] == "other"


def test_a_replay_says_what_it_said(lm):
    with pytest.raises(ValueError, match=r"^claims: a replay says what it said before"):
        lm.faults.add("*", tamper="replay", claims={"nodeId": "other"})


def test_an_answer_without_a_token_gets_none(take, connect):
    with Emulator() as lm:
        licence = lm.add_license("ACME-1", [("Seats", 9, "Count")])
        lm.faults.add("*", tamper="none", times=None)
        assert "SignedToken" not in take(Seats=1, of=licence, using=connect(url=lm.url))
        assert connect(url=lm.url).list_received_licenses()["Licenses"]


SEEDS = {
    "seed.toml": """
        [behavior]
        sign_checkouts = true
        [[licenses]]
        product_sku = "ACME-1"
        entitlements = [["Seats", 3, "Count"]]
        [[faults]]
        operation = "CheckoutLicense"
        tamper = "none"
        claims = { nodeId = "other" }
    """,
    "seed.json": json.dumps(
        {
            "behavior": {"sign_checkouts": True},
            "licenses": [{"product_sku": "ACME-1", "entitlements": [["Seats", 3, "Count"]]}],
            "faults": [
                {"operation": "CheckoutLicense", "tamper": "none", "claims": {"nodeId": "other", "issuedAt": None}}
            ],
        }
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_in_a_seed_file(tmp_path, take, connect, name):
    (tmp_path / name).write_text(SEEDS[name])
    with Emulator(seed=load_seed(tmp_path / name)) as lm:
        answer = take(Seats=1, of=lm.license("ACME-1"), using=connect(url=lm.url))
    head, said, _ = parts(answer["SignedToken"])
    assert (head["alg"], said["nodeId"], "issuedAt" in said) == ("none", "other", name == "seed.toml")
