"""CheckoutBorrowLicense: all or nothing, signed, and returned early or not."""

from __future__ import annotations

import base64
import string
import sys
from itertools import count

import jwt
import pytest

from meterguard.emulator import Behavior, Emulator, EmulatorBug

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
BUYER, STRANGER, DAY = "222222222222", "333333333333", 24 * 3600


@pytest.fixture
def licence(lm):
    return lm.add_license(
        "ACME-1",
        [("Seats", 3, "Count"), ("Drops", 2, "Count"), ("Export", "Enabled", "None")],
        borrow_ttl=DAY,
        borrow_early_check_in=True,
    )


@pytest.fixture
def borrow(client, licence):
    """``borrow(Seats=1)``: borrow that."""
    tokens = count()

    def check_out(using=client, of=licence, more=None, **amounts):
        items = [
            {"Name": name, "Unit": "None"} if amount is None else {"Name": name, "Unit": "Count", "Value": str(amount)}
            for name, amount in amounts.items()
        ]
        return using.checkout_borrow_license(
            **{
                "LicenseArn": of.arn,
                "Entitlements": items,
                "DigitalSignatureMethod": "JWT_PS384",
                "ClientToken": f"borrow-{next(tokens)}",
                **(more or {}),
            }
        )

    return check_out


def bare(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class TestTheToken:
    def test_it_says_what_the_answer_says(self, lm, licence, borrow):
        lm.clock.freeze("2030-03-01T12:00:00Z")
        metadata = [{"Name": "site", "Value": "North"}, {"Name": "empty", "Value": ""}]
        answer = bare(borrow(Seats=2, Export=None, more={"NodeId": "node-7", "CheckoutMetadata": metadata}))
        signed = answer.pop("SignedToken")
        token = answer.pop("LicenseConsumptionToken")
        assert answer == {
            "LicenseArn": licence.arn,
            "EntitlementsAllowed": [
                {"Name": "Seats", "Value": "2", "Unit": "Count"},
                {"Name": "Export", "Value": "Enabled", "Unit": "None"},
            ],
            "NodeId": "node-7",
            "CheckoutMetadata": metadata,
            "IssuedAt": "2030-03-01T12:00:00",
            "Expiration": "2030-03-02T12:00:00",
        }
        assert jwt.get_unverified_header(signed) == {"alg": "PS384", "typ": "JWT"}
        assert jwt.decode(signed, lm.public_key_pem, algorithms=["PS384"]) == {
            "licenseArn": licence.arn,
            "licenseConsumptionToken": token,
            "entitlementsAllowed": [
                {"name": "Seats", "value": "2", "unit": "Count"},
                {"name": "Export", "value": "Enabled", "unit": "None"},
            ],
            "nodeId": "node-7",
            "checkoutMetadata": {"site": "North", "empty": ""},
            "issuedAt": "2030-03-01T12:00:00",
            "expiration": "2030-03-02T12:00:00",
        }

    def test_what_was_not_sent_is_not_there(self, lm, borrow):
        answer = borrow(Seats=1)
        assert {"NodeId", "CheckoutMetadata"}.isdisjoint(answer)
        payload = jwt.decode(answer["SignedToken"], lm.public_key_pem, algorithms=["PS384"])
        assert {"nodeId", "checkoutMetadata"}.isdisjoint(payload)

    def test_any_changed_byte_is_noticed(self, lm, borrow):
        parts = [
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
            for part in borrow(Seats=1)["SignedToken"].split(".")
        ]

        def written(parts):
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

        jwt.decode(written(parts), lm.public_key_pem, algorithms=["PS384"])
        for index, part in enumerate(parts):
            for place in range(len(part)):
                changed = bytearray(part)
                changed[place] ^= 1
                forged = [*parts[:index], bytes(changed), *parts[index + 1 :]]
                with pytest.raises(jwt.InvalidTokenError):
                    jwt.decode(written(forged), lm.public_key_pem, algorithms=["PS384"])

    def test_any_changed_character_of_it_is_noticed(self, lm, borrow):
        signed = borrow(Seats=1)["SignedToken"]
        jwt.decode(signed, lm.public_key_pem, algorithms=["PS384"])
        for place, was in enumerate(signed):
            # The upper bit of a letter's six: of the last letter the lower ones mean nothing, whoever reads it.
            other = "." if was not in ALPHABET else ALPHABET[ALPHABET.index(was) ^ 32]
            for now in {other, "!", "\N{SNOWMAN}", "", was * 2} - {was}:
                with pytest.raises(jwt.InvalidTokenError):
                    jwt.decode(signed[:place] + now + signed[place + 1 :], lm.public_key_pem, algorithms=["PS384"])

    def test_another_emulators_key_does_not_verify_it(self, lm, borrow):
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(borrow(Seats=1)["SignedToken"], Emulator().public_key_pem, algorithms=["PS384"])

    def test_the_key_stays_the_same_over_a_restart(self, lm, borrow):
        signed, key = borrow(Seats=1)["SignedToken"], lm.public_key_pem
        assert key.startswith("-----BEGIN PUBLIC KEY-----\n")
        lm.stop()
        lm.start()
        assert lm.public_key_pem == key
        jwt.decode(signed, key, algorithms=["PS384"])

    def test_a_replay_is_the_same_token_and_takes_nothing(self, lm, borrow):
        first, second = (bare(borrow(Seats=1, more={"ClientToken": "same"})) for _ in range(2))
        assert first == second
        assert lm.usage("ACME-1")["Seats"] == 1

    def test_without_the_packages_it_says_what_to_install_and_takes_nothing(self, monkeypatch, connect, borrow, code):
        monkeypatch.delitem(sys.modules, "meterguard.emulator.protocol.signer", raising=False)
        monkeypatch.setitem(sys.modules, "jwt", None)
        lm = Emulator().start()
        licence = lm.add_license("ACME-1", [("Seats", 3, "Count")], borrow_ttl=DAY)
        with code("InternalFailure"):
            borrow(Seats=1, using=connect(url=lm.url), of=licence)
        assert lm.usage(licence) == {"Seats": 0}
        with pytest.raises(EmulatorBug) as told:
            lm.__exit__(None, None, None)
        assert "meterguard[emulator]" in str(told.value.__cause__)


class TestAllOrNothing:
    @pytest.mark.parametrize(
        ("amounts", "error"),
        [
            ({"Seats": 4}, "NoEntitlementsAllowedException"),
            ({"Chairs": 1}, "NoEntitlementsAllowedException"),
            ({"Seats": None}, "NoEntitlementsAllowedException"),
            ({"Seats": 4, "Drops": 3}, "NoEntitlementsAllowedException"),
            ({"Seats": 3, "Drops": 3}, "EntitlementNotAllowedException"),
            ({"Export": None, "Import": None}, "EntitlementNotAllowedException"),
            ({"Seats": 0}, "ValidationException"),
        ],
    )
    def test_what_cannot_be_given_whole_is_not_given(self, lm, borrow, code, amounts, error):
        with code(error):
            borrow(**amounts)
        assert lm.usage("ACME-1") == {"Seats": 0, "Drops": 0}

    def test_an_item_is_never_cut_down(self, connect, borrow, code):
        with Emulator(behavior=Behavior(reduce_value=True, borrow_partly_error="NoEntitlementsAllowedException")) as lm:
            licence = lm.add_license("ACME-1", [("Seats", 3, "Count"), ("Export", None, "None")], borrow_ttl=DAY)
            with code("NoEntitlementsAllowedException"):
                borrow(Seats=4, Export=None, using=connect(url=lm.url), of=licence)
            assert lm.usage(licence) == {"Seats": 0}

    def test_it_shares_the_pool_with_other_checkouts(self, borrow, take, code):
        borrow(Seats=2)
        with code("NoEntitlementsAllowedException"):
            take(Seats=2)
        take(Seats=1)
        with code("NoEntitlementsAllowedException"):
            borrow(Seats=1)


class TestItsLife:
    def test_it_lasts_for_the_borrow_lifetime(self, lm, client, borrow, code):
        lm.clock.freeze()
        token = borrow(Seats=2)["LicenseConsumptionToken"]
        lm.clock.advance(DAY - 1)
        assert lm.usage("ACME-1")["Seats"] == 2
        assert [one.kind for one in lm.checkouts()] == ["BORROW"]
        lm.clock.advance(1)
        assert lm.usage("ACME-1")["Seats"] == 0
        with code("ResourceNotFoundException"):
            client.check_in_license(LicenseConsumptionToken=token)

    def test_it_ends_with_the_licence(self, lm, licence, borrow):
        lm.clock.freeze("2030-03-01T12:00:00Z")
        lm.update_license(licence, end="2030-03-01T13:00:00Z")
        assert borrow(Seats=1)["Expiration"] == "2030-03-01T13:00:00"

    def test_it_can_be_returned_early_and_not_extended(self, lm, client, borrow, code):
        token = borrow(Seats=2)["LicenseConsumptionToken"]
        with code("InvalidParameterValueException"):
            client.extend_license_consumption(LicenseConsumptionToken=token)
        client.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage("ACME-1")["Seats"] == 0
        with code("ResourceNotFoundException"):
            client.check_in_license(LicenseConsumptionToken=token)

    def test_without_early_check_in_it_stays_to_its_end(self, lm, client, licence, borrow, code):
        lm.update_license(licence, borrow_early_check_in=False)
        token = borrow(Seats=2)["LicenseConsumptionToken"]
        with code("InvalidParameterValueException"):
            client.check_in_license(LicenseConsumptionToken=token)
        assert lm.usage("ACME-1")["Seats"] == 2


class TestWhoAndWhere:
    def test_its_issuer_borrows_without_a_grant(self, lm, borrow):
        mine = lm.add_license("MINE", [("Seats", 1, "Count")], issuer_account=lm.account_id, borrow_ttl=60)
        borrow(Seats=1, of=mine)
        assert lm.usage(mine) == {"Seats": 1}

    def test_a_licence_without_borrow_configuration(self, lm, borrow, code):
        with code("NoEntitlementsAllowedException"):
            borrow(Seats=1, of=lm.add_license("PLAIN", [("Seats", 1, "Count")]))

    def test_a_licence_without_a_key(self, lm, licence, borrow, code):
        lm.update_license(licence, sign_key=None)
        with code("UnsupportedDigitalSignatureMethodException"):
            borrow(Seats=1)
        lm.update_license(licence, borrow_ttl=60)
        borrow(Seats=1)

    def test_another_signature_method(self, borrow, code):
        with code("ValidationException"):
            borrow(Seats=1, more={"DigitalSignatureMethod": "JWT_RS256"})

    @pytest.mark.parametrize(
        ("status", "error"),
        [("SUSPENDED", "NoEntitlementsAllowedException"), ("PENDING_AVAILABLE", "ResourceNotFoundException")],
    )
    def test_a_licence_that_is_not_available(self, lm, licence, borrow, code, status, error):
        lm.update_license(licence, status=status)
        with code(error):
            borrow(Seats=1)

    def test_a_grant_has_to_allow_it_and_to_be_active(self, lm, connect, licence, borrow, code):
        buyer = connect(BUYER)
        with code("ResourceNotFoundException"):
            borrow(Seats=1, using=buyer)
        lm.receive(licence, account=BUYER, status="DISABLED")
        with code("ResourceNotFoundException"):
            borrow(Seats=1, using=buyer)
        lm.receive(licence, account=BUYER, operations=["CheckoutLicense"])
        with code("AuthorizationException"):
            borrow(Seats=1, using=buyer)
        lm.receive(licence, account=BUYER, operations=["CheckoutBorrowLicense"])
        borrow(Seats=1, using=buyer)

    def test_only_in_the_home_region(self, connect, borrow, code):
        with code("RedirectException") as refusal:
            borrow(Seats=1, using=connect(region="eu-west-1"))
        assert refusal.response["Location"] == "us-east-1"

    def test_checkouts_too_can_be_sent_home(self, connect, take, code):
        with Emulator(behavior=Behavior(checkout_only_at_home=True, borrow_only_at_home=False)) as lm:
            licence = lm.add_license("ACME-1", [("Seats", 3, "Count")])
            with code("RedirectException") as refusal:
                take(Seats=1, of=licence, using=connect(region="eu-west-1", url=lm.url))
            assert refusal.response["Location"] == "us-east-1"
            take(Seats=1, of=licence, using=connect(url=lm.url))
