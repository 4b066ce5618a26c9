"""What AWS does not document, the other way round."""

from __future__ import annotations

import jwt

from meterguard.emulator import Behavior, Emulator

SEATS = [("Seats", 3, "Count")]


def test_a_checkout_may_outlive_its_licence(connect, take):
    with Emulator(behavior=Behavior(cut_at_end=False)) as lm:
        lm.clock.freeze("2030-03-01T12:00:00Z")
        licence = lm.add_license("ACME-1", SEATS, end="2030-03-01T12:10:00Z")
        assert take(Seats=1, of=licence, using=connect(url=lm.url))["Expiration"] == "2030-03-01T13:00:00"


def test_a_checkout_may_belong_to_its_region(connect, take, code):
    with Emulator(behavior=Behavior(token_bound_to_region=True)) as lm:
        here, away = connect(url=lm.url), connect(url=lm.url, region="eu-west-1")
        token = take(Seats=1, of=lm.add_license("ACME-1", SEATS), using=away)["LicenseConsumptionToken"]
        with code("ResourceNotFoundException"):
            here.extend_license_consumption(LicenseConsumptionToken=token)
        with code("ResourceNotFoundException"):
            here.check_in_license(LicenseConsumptionToken=token)
        away.extend_license_consumption(LicenseConsumptionToken=token)
        away.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_checkout_belongs_to_no_region_by_default(connect, licence, take):
    token = take(Seats=1, using=connect(region="eu-west-1"))["LicenseConsumptionToken"]
    connect().check_in_license(LicenseConsumptionToken=token)


def test_every_checkout_may_be_signed(connect, take):
    with Emulator(behavior=Behavior(sign_checkouts=True)) as lm:
        answer = take(Seats=1, of=lm.add_license("ACME-1", SEATS), using=connect(url=lm.url))
        payload = jwt.decode(answer["SignedToken"], lm.public_key_pem, algorithms=["PS384"])
        assert payload["licenseConsumptionToken"] == answer["LicenseConsumptionToken"]
        assert payload["expiration"] == answer["Expiration"]


def test_checkouts_are_not_signed_by_default(licence, take):
    assert "SignedToken" not in take(Seats=1)


def test_the_error_of_a_licence_that_is_only_drawn_from(connect, take, code):
    with Emulator(behavior=Behavior(not_provisional_error="NoEntitlementsAllowedException")) as lm:
        drawn = lm.add_license("ACME-1", SEATS, ttl=None)
        with code("NoEntitlementsAllowedException"):
            take(Seats=1, of=drawn, using=connect(url=lm.url))
