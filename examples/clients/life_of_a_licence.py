"""The life of a licence with boto3 alone: made, granted, used, deleted.

In one shell: ``meterguard emulator``. In another, with the ``export`` lines it prints:
``python examples/clients/life_of_a_licence.py``. An access key of twelve digits is an account.
"""

import boto3
from botocore.client import BaseClient

BUYER = "222222222222"


def connect(access_key: str) -> BaseClient:
    """A client of the account that this key belongs to. Any secret will do."""
    session = boto3.Session(access_key, "any", region_name="us-east-1")
    return session.client("license-manager")


seller, buyer = connect("111111111111"), connect(BUYER)
arn = seller.create_license(
    LicenseName="Acme for Jo",
    ProductName="Acme",
    ProductSKU="ACME-PY",
    Issuer={"Name": "My shop", "SignKey": "arn:aws:kms:us-east-1:111111111111:key/1"},
    HomeRegion="us-east-1",
    Validity={"Begin": "2020-01-01T00:00:00Z"},
    Beneficiary=BUYER,
    Entitlements=[{"Name": "Seats", "Unit": "Count", "MaxCount": 10, "AllowCheckIn": True}],
    ConsumptionConfiguration={
        "RenewType": "None",
        "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60},
        "BorrowConfiguration": {"AllowEarlyCheckIn": True, "MaxTimeToLiveInMinutes": 1440},
    },
    ClientToken="create",
)["LicenseArn"]
grant = seller.create_grant(
    GrantName="For Jo",
    LicenseArn=arn,
    Principals=[f"arn:aws:iam::{BUYER}:root"],
    HomeRegion="us-east-1",
    AllowedOperations=["CheckoutLicense", "CheckInLicense", "ExtendConsumptionLicense", "CheckoutBorrowLicense"],
    ClientToken="grant",
)["GrantArn"]
assert buyer.accept_grant(GrantArn=grant)["Status"] == "DISABLED"
buyer.create_grant_version(GrantArn=grant, Status="ACTIVE", SourceVersion="1", ClientToken="activate")
print("granted and active")


def used() -> int:
    """How many seats are taken, as the seller sees it."""
    (seats,) = seller.get_license_usage(LicenseArn=arn)["LicenseUsage"]["EntitlementUsages"]
    return int(seats["ConsumedValue"])


(received,) = buyer.list_received_licenses(Filters=[{"Name": "ProductSKU", "Values": ["ACME-PY"]}])["Licenses"]
four = [{"Name": "Seats", "Unit": "Count", "Value": "4"}]
ask = {
    "ProductSKU": "ACME-PY",
    "KeyFingerprint": received["Issuer"]["KeyFingerprint"],
    "CheckoutType": "PROVISIONAL",
    "Entitlements": four,
    "ClientToken": "hold",
}
held = buyer.checkout_license(**ask)["LicenseConsumptionToken"]
assert buyer.checkout_license(**ask)["LicenseConsumptionToken"] == held, "a replay takes nothing"
buyer.extend_license_consumption(LicenseConsumptionToken=held)
assert used() == 4
print("4 seats checked out and extended")

borrowed = buyer.checkout_borrow_license(
    LicenseArn=arn, Entitlements=four, DigitalSignatureMethod="JWT_PS384", ClientToken="borrow"
)
assert used() == 8
try:
    buyer.checkout_license(**ask | {"ClientToken": "more"})
    raise AssertionError("12 seats of 10")
except buyer.exceptions.NoEntitlementsAllowedException:
    print("8 of 10 seats are taken, 4 more are refused")

for token in (held, borrowed["LicenseConsumptionToken"]):
    buyer.check_in_license(LicenseConsumptionToken=token)
assert used() == 0
seller.delete_grant(GrantArn=grant, Version="2")
seller.delete_license(LicenseArn=arn, SourceVersion="1")
assert seller.get_license(LicenseArn=arn)["License"]["Status"] == "DELETED"
print("checked in and deleted")
