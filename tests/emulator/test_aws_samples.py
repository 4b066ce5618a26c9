"""AWS's own samples for Python, and the calls that they make, in our own words.

The samples themselves are not ours to keep here. They are run, unmodified, where ``METERGUARD_AWS_SAMPLES`` names a
clone of github.com/aws-samples/aws-license-manager-license-consumption-sample.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import boto3
import jwt
import pytest

CLONE = os.environ.get("METERGUARD_AWS_SAMPLES")
SAMPLES = {
    "managed_entitlements_checkout_borrow_sample.py": [
        "CreateKey",
        "GetPublicKey",
        "CreateLicense",
        "CheckoutBorrowLicense",
    ],
    "managed_entitlements_sample.py": [
        *("GetCallerIdentity", "CreateLicense", "GetLicense", "CheckoutLicense"),
        *("ExtendLicenseConsumption", "CheckInLicense", "DeleteLicense"),
    ],
}


@pytest.fixture
def pointed(lm, monkeypatch):
    """The environment in which boto3 finds the emulator for all three services."""
    for service in ("LICENSE_MANAGER", "KMS", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", lm.url)
    return lm


@pytest.mark.skipif(CLONE is None, reason="METERGUARD_AWS_SAMPLES names no clone of AWS's samples")
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_of_aws_runs_to_its_end(pointed, name):
    program = Path(CLONE, "managed-entitlements", "Python", "src", name)
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=50, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert [one.operation for one in pointed.requests] == SAMPLES[name]
    assert {one.status for one in pointed.requests} == {200}


@pytest.fixture
def service():
    """``service(name)``: a client that is made as a script makes one."""
    clients = []

    def make(name):
        clients.append(boto3.client(name, "us-east-1"))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_vendor_makes_a_key_and_checks_what_a_customer_borrows(pointed, service):
    kms = service("kms")
    made = kms.create_key(Description="licences", CustomerMasterKeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    der = kms.get_public_key(KeyId=made["KeyMetadata"]["Arn"])["PublicKey"]
    # In one line, as a vendor who knows no better writes it.
    pem = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    created = service("license-manager").create_license(
        LicenseName="Drawing",
        ProductName="Draw",
        ProductSKU="draw-1",
        Beneficiary="Jo",
        Issuer={"Name": "Acme", "SignKey": made["KeyMetadata"]["Arn"]},
        HomeRegion="us-east-1",
        Validity={"Begin": "2021-04-12T00:00:00Z"},
        Entitlements=[{"Name": "Users", "Unit": "Count", "MaxCount": 9, "Overage": False, "AllowCheckIn": True}],
        ConsumptionConfiguration={
            "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60},
            "BorrowConfiguration": {"MaxTimeToLiveInMinutes": 1440, "AllowEarlyCheckIn": True},
        },
        ClientToken="create",
    )
    answer = service("license-manager").checkout_borrow_license(
        LicenseArn=created["LicenseArn"],
        Entitlements=[{"Name": "Users", "Value": "1", "Unit": "Count"}],
        NodeId="node",
        DigitalSignatureMethod="JWT_PS384",
        ClientToken="borrow",
    )
    said = jwt.decode(answer["SignedToken"], pem, algorithms=["PS384"])
    issued, ends = (datetime.fromisoformat(said.pop(name)) for name in ("issuedAt", "expiration"))
    assert (ends - issued).total_seconds() == 24 * 3600
    assert said == {
        "licenseArn": created["LicenseArn"],
        "licenseConsumptionToken": answer["LicenseConsumptionToken"],
        "entitlementsAllowed": [{"name": "Users", "value": "1", "unit": "Count"}],
        "nodeId": "node",
    }


def test_a_vendor_issues_consumes_and_deletes_a_licence(pointed, service):
    account = service("sts").get_caller_identity()["Account"]
    using = service("license-manager")
    arn = using.create_license(
        LicenseName="Drawing",
        ProductName="Draw",
        ProductSKU="draw-1",
        Beneficiary="Jo",
        Issuer={"Name": "Acme"},
        HomeRegion="us-east-1",
        Validity={"Begin": "2021-04-12T00:00:00Z"},
        Entitlements=[{"Name": "Users", "Unit": "Count", "MaxCount": 9, "AllowCheckIn": True}],
        ConsumptionConfiguration={"ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60}},
        ClientToken="create",
    )["LicenseArn"]
    assert using.get_license(LicenseArn=arn)["License"]["Issuer"]["KeyFingerprint"].startswith(f"aws:{account}:Acme:")
    held = using.checkout_license(
        ProductSKU="draw-1",
        KeyFingerprint=f"aws:{account}:Acme:issuer-fingerprint",
        CheckoutType="PROVISIONAL",
        Beneficiary="Jo",
        Entitlements=[{"Name": "Users", "Unit": "Count", "Value": "1"}],
        ClientToken="checkout",
    )["LicenseConsumptionToken"]
    using.extend_license_consumption(LicenseConsumptionToken=held)
    using.check_in_license(LicenseConsumptionToken=held)
    assert using.delete_license(LicenseArn=arn, SourceVersion="1")["Status"] == "DELETED"
    assert {one.error for one in pointed.requests} == {None}
