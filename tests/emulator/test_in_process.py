"""The emulator without a socket, answering where botocore would send."""

from __future__ import annotations

import threading

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from moto import mock_aws

import meterguard
from meterguard.emulator import Emulator
from meterguard.emulator.serving import in_process

ENTITLEMENTS = [("Seats", 3, "Count"), ("Export", None, "None")]
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})


@pytest.fixture
def lm(environment):
    """Not serving on any port."""
    return Emulator()


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=ENTITLEMENTS)


def check_out(client, licence, **more):
    return client.checkout_license(
        ProductSKU=licence.product_sku,
        CheckoutType="PROVISIONAL",
        KeyFingerprint=licence.key_fingerprint,
        Entitlements=[{"Name": "Seats", "Value": "1", "Unit": "Count"}],
        **{"ClientToken": "token-1", **more},
    )


def seats(lm):
    return lm.usage("ACME-1")["Seats"]


def test_every_client_of_the_process_is_answered(lm, licence):
    with lm.in_process() as same:
        client = boto3.client("license-manager")
        answer = check_out(client, licence)
        assert same is lm
        assert seats(lm) == 1
        client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
    assert seats(lm) == 0
    assert not lm.is_running
    # other clients of this process are answered too, such as those of a guard that a test left to close by itself
    assert sum(request.parameters.get("ClientToken") == "token-1" for request in lm.requests) == 1


def test_one_request_is_answered_once_however_often_there_was_an_emulator_before():
    for _ in range(3):
        with Emulator().in_process() as lm:
            boto3.client("license-manager").list_licenses()
        assert lm.calls() == 1
    boto3.DEFAULT_SESSION = None


def test_a_session_made_before_is_answered_too(lm, licence):
    boto3.setup_default_session()
    with lm.in_process():
        check_out(boto3.client("license-manager"), licence)
    boto3.DEFAULT_SESSION = None
    assert seats(lm) == 1


def test_a_session_made_meanwhile_is_answered_once(lm, licence, monkeypatch):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for n in range(3):
        with lm.in_process():
            check_out(boto3.client("license-manager"), licence, ClientToken=str(n))
    assert lm.calls("CheckoutLicense") == 3


def test_an_old_session_put_back_by_others_is_answered_too(lm, licence, monkeypatch):
    boto3.setup_default_session()
    old = boto3.DEFAULT_SESSION
    old.events.unregister("before-send.license-manager", in_process._answer_if_active)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with lm.in_process():
        pass
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", old)
    with lm.in_process():
        check_out(boto3.client("license-manager"), licence)
    assert seats(lm) == 1


@pytest.mark.parametrize("kind", ["client", "session"])
def test_one_client_or_session_is_attached(lm, licence, kind):
    session = boto3.Session()
    if kind == "session":
        lm.attach(session)
    client = session.client("license-manager")
    if kind == "client":
        lm.attach(client)
    check_out(client, licence)
    assert seats(lm) == 1


def test_the_innermost_answers_and_afterwards_the_network_is_asked(lm, licence):
    inner = Emulator()
    same_sku = inner.add_license("ACME-1", entitlements=ENTITLEMENTS)
    with lm.in_process():
        client = boto3.client("license-manager", endpoint_url="http://127.0.0.1:9", config=ONCE)
        with inner.in_process():
            check_out(client, same_sku)
        check_out(client, licence)
    assert (seats(lm), seats(inner)) == (1, 1)
    with pytest.raises(Exception, match="Could not connect") as caught:
        check_out(client, licence)
    assert type(caught.value).__name__ == "EndpointConnectionError"


@pytest.mark.parametrize("moto_outside", [True, False])
def test_beside_moto(lm, licence, moto_outside):
    outer, inner = (mock_aws(), lm.in_process()) if moto_outside else (lm.in_process(), mock_aws())
    with outer, inner:
        key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
        account = boto3.client("sts").get_caller_identity()["Account"]
        check_out(boto3.client("license-manager"), licence)
        assert boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]["AWSAccountId"] == account
    assert seats(lm) == 1


def test_customers_without_an_account_get_their_credentials_from_moto(lm):
    mine = lm.add_license("ACME-1", ENTITLEMENTS, issuer_account=lm.account_id, beneficiary="Jo")
    role = f"arn:aws:iam::{lm.account_id}:role/AWSLicenseManagerConsumptionRole"
    unsigned = Config(signature_version=UNSIGNED)
    with mock_aws(), lm.in_process():
        refresh = boto3.client("license-manager").create_token(
            LicenseArn=mine.arn, RoleArns=[role], ClientToken="token"
        )["Token"]
        access = boto3.client("license-manager", config=unsigned).get_access_token(Token=refresh)["AccessToken"]
        found = boto3.client("sts", config=unsigned).assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="Jo", WebIdentityToken=access
        )["Credentials"]
        customer = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
        check_out(customer.client("license-manager"), mine, Beneficiary="Jo")
    assert seats(lm) == 1


FAULTS = {
    "an error": {"error": "RateLimitExceededException"},
    "a status": {"status": 502},
    "a redirect": {"error": "RedirectException", "location": "eu-west-1"},
    "dropped before": {"drop": "before"},
    "dropped after": {"drop": "after"},
    "garbled": {"body": "garbled"},
    "cut": {"body": "cut"},
    "empty": {"body": "empty"},
    "less": {"partial": ["Seats"]},
    "headers": {"headers": {"X-Extra": "1"}},
    "stripped": {"strip": ["Expiration"]},
    "slow": {"latency": 0.01},
}


def outcome(client, licence):
    """What a program gets to see of an answer."""
    try:
        answer = check_out(client, licence)
    except Exception as error:  # noqa: BLE001 - it is what is compared
        response = getattr(error, "response", None) or {}
        told = {name: response.get(name) for name in ("Error", "message", "Message")}
        return type(error).__name__, response.get("ResponseMetadata", {}).get("HTTPStatusCode"), told
    metadata = answer.pop("ResponseMetadata")
    headers = {name for name in metadata["HTTPHeaders"] if name not in ("connection", "server")}
    return sorted(answer), metadata["HTTPStatusCode"], headers


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_looks_as_it_does_over_http(fault):
    outcomes, taken = [], []
    for http in (True, False):
        with Emulator(random_seed=1) as lm:
            licence = lm.add_license("ACME-1", entitlements=ENTITLEMENTS)
            lm.faults.add("CheckoutLicense", **fault)
            client = boto3.client("license-manager", endpoint_url=lm.url, config=ONCE)
            if not http:
                lm.attach(client)
                lm.stop()
            outcomes.append(outcome(client, licence))
            taken.append(seats(lm))
            client.close()
    assert outcomes[0] == outcomes[1]
    assert taken[0] == taken[1]


def test_a_held_request_waits_for_its_release(lm, licence):
    fault = lm.faults.add("CheckoutLicense", hold=True, applied=True)
    client = boto3.client("license-manager")
    lm.attach(client)
    thread = threading.Thread(target=check_out, args=(client, licence))
    thread.start()
    lm.wait_for_calls("CheckoutLicense")
    assert thread.is_alive()
    fault.release()
    thread.join(10)
    assert seats(lm) == 1


def test_botocore_tries_again_as_it_does_over_http(lm, licence):
    lm.faults.add("CheckoutLicense", drop="after", times=2)
    client = boto3.client("license-manager", config=Config(retries={"total_max_attempts": 3, "mode": "standard"}))
    lm.attach(client)
    check_out(client, licence)
    assert (lm.calls("CheckoutLicense"), seats(lm)) == (3, 1)


def test_a_guard_runs_wholly_on_it(lm, licence):
    with (
        lm.in_process(),
        meterguard.MeterGuard(licence.product_sku, licence.key_fingerprint, region_name="us-east-1") as guard,
    ):
        gate = guard.requires_entitlement("Seats", 1, "Count")
        threads = [threading.Thread(target=gate(lambda: None)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (lm.calls("CheckoutLicense"), seats(lm)) == (1, 1)
    assert seats(lm) == 0
