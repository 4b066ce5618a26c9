"""The life of a licence from its making to its end, by the seller, the buyer and nobody else's help."""

from __future__ import annotations

from functools import partial

import jwt

BUYER = "222222222222"
SEATS = {"Name": "Seats", "Unit": "Count", "MaxCount": 10, "AllowCheckIn": True}
CALLS = {"Name": "Calls", "Unit": "Count", "MaxCount": 100, "AllowCheckIn": False}
TERMS = {
    "LicenseName": "Acme for Jo",
    "ProductName": "Acme",
    "Issuer": {"Name": "My shop", "SignKey": "arn:aws:kms:us-east-1:111122223333:key/1"},
    "HomeRegion": "us-east-1",
    "Validity": {"Begin": "2020-01-01T00:00:00Z"},
    "ConsumptionConfiguration": {
        "RenewType": "Monthly",
        "ProvisionalConfiguration": {"MaxTimeToLiveInMinutes": 60},
        "BorrowConfiguration": {"AllowEarlyCheckIn": True, "MaxTimeToLiveInMinutes": 1440},
    },
}
OPERATIONS = ["CheckoutLicense", "CheckInLicense", "ExtendConsumptionLicense", "CheckoutBorrowLicense"]


def consumed(client, arn):
    usages = client.get_license_usage(LicenseArn=arn)["LicenseUsage"]["EntitlementUsages"]
    return {one["Name"]: one["ConsumedValue"] for one in usages}


def live(step, connect, code):
    """The story. ``step()`` ends a step of it, and gives the emulator to go on with."""
    lm = step()
    lm.clock.freeze("2030-03-15T12:00:00Z")
    seller, buyer = connect(), connect(BUYER, region="eu-west-1")
    arn = seller.create_license(
        **TERMS, ProductSKU="ACME", Beneficiary=BUYER, Entitlements=[SEATS, CALLS], ClientToken="create"
    )["LicenseArn"]
    lm = step()
    grant = seller.create_grant(
        GrantName="For Jo",
        LicenseArn=arn,
        Principals=[f"arn:aws:iam::{BUYER}:root"],
        HomeRegion="us-east-1",
        AllowedOperations=OPERATIONS,
        ClientToken="grant",
    )["GrantArn"]
    lm = step()
    buyer.accept_grant(GrantArn=grant)
    lm = step()
    buyer.create_grant_version(GrantArn=grant, Status="ACTIVE", SourceVersion="1", ClientToken="activate")

    lm = step()

    # The buyer finds out by itself all that a checkout needs.
    wanted = [{"Name": "ProductSKU", "Values": ["ACME"]}]
    (received,) = buyer.list_received_licenses(Filters=wanted)["Licenses"]
    ask = {"ProductSKU": "ACME", "KeyFingerprint": received["Issuer"]["KeyFingerprint"]}
    seats = [{"Name": "Seats", "Unit": "Count", "Value": "4"}]
    calls = [{"Name": "Calls", "Unit": "Count", "Value": "30"}]
    held = buyer.checkout_license(**ask, CheckoutType="PROVISIONAL", Entitlements=seats, ClientToken="hold")
    lm = step()
    drawn = buyer.checkout_license(**ask, CheckoutType="PERPETUAL", Entitlements=calls, ClientToken="draw")
    lm = step()
    lm.clock.advance(1800)
    lm = step()
    extended = buyer.extend_license_consumption(LicenseConsumptionToken=held["LicenseConsumptionToken"])
    lm = step()
    assert (held["Expiration"], extended["Expiration"]) == ("2030-03-15T13:00:00", "2030-03-15T13:30:00Z")
    assert consumed(seller, arn) == consumed(buyer, arn) == {"Seats": "4", "Calls": "30"}

    # A borrow is made at home.
    home = connect(BUYER)
    borrow = {"LicenseArn": arn, "Entitlements": seats, "DigitalSignatureMethod": "JWT_PS384", "ClientToken": "borrow"}
    with code("RedirectException"):
        buyer.checkout_borrow_license(**borrow)
    borrowed = home.checkout_borrow_license(**borrow)
    lm = step()
    assert home.checkout_borrow_license(**borrow)["SignedToken"] == borrowed["SignedToken"]
    assert jwt.decode(borrowed["SignedToken"], lm.public_key_pem, algorithms=["PS384"])["licenseArn"] == arn
    assert consumed(buyer, arn) == {"Seats": "8", "Calls": "30"}
    for token in (held, borrowed):
        buyer.check_in_license(LicenseConsumptionToken=token["LicenseConsumptionToken"])
        lm = step()
    with code("InvalidParameterValueException"):
        buyer.check_in_license(LicenseConsumptionToken=drawn["LicenseConsumptionToken"])
    assert consumed(buyer, arn) == {"Seats": "0", "Calls": "30"}

    # What was drawn comes back with the next period, which begins on the first.
    lm.clock.set("2030-04-01T00:00:00Z")
    lm = step()
    assert consumed(buyer, arn) == {"Seats": "0", "Calls": "0"}

    lm = step()
    more = seller.create_license_version(
        **TERMS,
        LicenseArn=arn,
        Entitlements=[{**SEATS, "MaxCount": 20}, CALLS],
        Status="AVAILABLE",
        SourceVersion="1",
        ClientToken="more",
    )
    seats[0]["Value"] = "20"
    lm = step()
    buyer.checkout_license(**ask, CheckoutType="PROVISIONAL", Entitlements=seats, ClientToken="all")
    lm = step()
    seller.delete_grant(GrantArn=grant, Version="2")
    lm = step()
    with code("ResourceNotFoundException"):
        buyer.checkout_license(**ask, CheckoutType="PROVISIONAL", Entitlements=calls, ClientToken="late")
    seller.delete_license(LicenseArn=arn, SourceVersion=more["Version"])
    lm = step()
    assert seller.get_license(LicenseArn=arn)["License"]["Status"] == "DELETED"


def test_from_making_to_deleting(lm, connect, code):
    live(lambda: lm, connect, code)


def test_a_life_with_a_restart_after_each_step(again, connect, code):
    live(again, partial(connect, url=again().url), code)


def test_a_year_passes_while_nobody_waits(lm, client, take, code):
    lm.clock.freeze("2030-01-01T00:00:00Z")
    licence = lm.add_license("YEAR", [("Calls", 10, "Count")], renew_type="Monthly", end="2031-01-01T00:00:00Z")
    for month in range(1, 13):
        lm.clock.set(f"2030-{month:02}-01T00:00:00Z")
        take(kind="PERPETUAL", of=licence, Calls=10)
        lm.clock.advance(27 * 24 * 3600)
        with code("NoEntitlementsAllowedException"):
            take(kind="PERPETUAL", of=licence, Calls=1)
    lm.clock.set("2031-01-01T00:00:00Z")
    with code("NoEntitlementsAllowedException"):
        take(kind="PERPETUAL", of=licence, Calls=1)
    assert client.get_license(LicenseArn=licence.arn)["License"]["Status"] == "EXPIRED"
