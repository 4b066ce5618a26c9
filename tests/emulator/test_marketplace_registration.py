"""RegisterUsage and ResolveCustomer by their published rules: plain boto3 over HTTP."""

from __future__ import annotations

import jwt
import pytest

from meterguard.emulator import Behavior, Emulator

BUYER, SELLER = "222222222222", "333333333333"


@pytest.fixture
def metering(connect_to):
    return connect_to("meteringmarketplace")


def bare(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class TestRegisterUsage:
    def test_its_signature_is_the_emulators(self, lm, metering):
        answer = metering.register_usage(ProductCode="prod-1", PublicKeyVersion=1, Nonce="n-1")
        assert bare(answer).keys() == {"Signature"}
        assert jwt.decode(answer["Signature"], lm.public_key_pem, ["RS256"]) == {
            "productCode": "prod-1",
            "publicKeyVersion": 1,
            "nonce": "n-1",
        }

    def test_without_a_nonce(self, lm, metering):
        signature = metering.register_usage(ProductCode="prod-1", PublicKeyVersion=1)["Signature"]
        assert jwt.decode(signature, lm.public_key_pem, ["RS256"]).keys() == {"productCode", "publicKeyVersion"}

    def test_a_version_that_there_is_not(self, lm, metering, code):
        lm.add_product("prod-1", [], public_key_version=2)
        for product, version in (("prod-1", 3), ("prod-1", 2**31 - 1)):
            with code("InvalidPublicKeyVersionException"):
                metering.register_usage(ProductCode=product, PublicKeyVersion=version)

    def test_a_version_that_has_expired(self, lm, metering):
        lm.clock.freeze("2026-11-12T12:30:00Z")
        lm.add_product("prod-1", [], public_key_version=2)
        assert "PublicKeyRotationTimestamp" not in metering.register_usage(ProductCode="prod-1", PublicKeyVersion=2)
        answer = metering.register_usage(ProductCode="prod-1", PublicKeyVersion=1)
        assert answer["PublicKeyRotationTimestamp"].isoformat()[:16] == "2026-11-12T12:30"
        assert jwt.decode(answer["Signature"], lm.public_key_pem, ["RS256"])["publicKeyVersion"] == 1

    def test_a_customer_who_is_not_subscribed(self, lm, metering, connect_to, code):
        (customer,) = lm.add_product("prod-1", [], [BUYER]).customers
        with code("CustomerNotEntitledException"):
            metering.register_usage(ProductCode="prod-1", PublicKeyVersion=1)
        with code("InvalidProductCodeException"):
            metering.register_usage(ProductCode="prod-2", PublicKeyVersion=1)
        lm.accounts.update({"TASK1": BUYER, "TASK2": BUYER})
        running, later = (connect_to("meteringmarketplace", access_key=name) for name in ("TASK1", "TASK2"))
        running.register_usage(ProductCode="prod-1", PublicKeyVersion=1)
        customer.unsubscribe()
        with code("CustomerNotEntitledException"):
            later.register_usage(ProductCode="prod-1", PublicKeyVersion=1)
        # A task that runs is never refused, whatever happens to the subscription.
        running.register_usage(ProductCode="prod-1", PublicKeyVersion=1)

    @pytest.mark.parametrize("error", ["PlatformNotSupportedException", "InvalidRegionException"])
    def test_where_a_container_runs_is_a_fault(self, lm, metering, code, error):
        lm.faults.add("RegisterUsage", error=error)
        with code(error):
            metering.register_usage(ProductCode="prod-1", PublicKeyVersion=1)

    def test_it_bills_nothing_that_the_emulator_could_know(self, lm, metering):
        metering.register_usage(ProductCode="prod-1", PublicKeyVersion=1)
        assert lm.bill() == {}


class TestResolveCustomer:
    def test_a_token_stands_for_a_customer(self, lm, metering):
        product = lm.add_product("prod-1", ["pages"], [BUYER, BUYER])
        first, second = product.customers
        for one in (first, second, first):
            assert bare(metering.resolve_customer(RegistrationToken=one.registration_token)) == {
                "ProductCode": "prod-1",
                "CustomerAWSAccountId": BUYER,
                "LicenseArn": one.license_arn,
                "Metadata": {"AgreementId": one.agreement_id},
            }
        assert (first.license_arn, first.agreement_id) != (second.license_arn, second.agreement_id)

    def test_an_older_product_has_identifiers(self, lm, metering):
        (customer,) = lm.add_product("prod-1", ["pages"], [BUYER], customer_identifiers=True).customers
        answer = metering.resolve_customer(RegistrationToken=customer.registration_token)
        assert answer["CustomerIdentifier"] == customer.identifier != ""

    def test_it_counts_for_four_hours(self, lm, metering, code):
        lm.clock.freeze()
        (customer,) = lm.add_product("prod-1", ["pages"], [BUYER]).customers
        first = customer.registration_token
        lm.clock.advance(4 * 3600 - 1)
        metering.resolve_customer(RegistrationToken=first)
        lm.clock.advance(1)
        with code("ExpiredTokenException"):
            metering.resolve_customer(RegistrationToken=first)
        again = customer.register()
        assert again == customer.registration_token != first
        assert metering.resolve_customer(RegistrationToken=again)["LicenseArn"] == customer.license_arn

    def test_how_long_it_counts_is_a_switch(self, connect_to, code):
        with Emulator(behavior=Behavior(registration_token_ttl=0)) as lm:
            (customer,) = lm.add_product("prod-1", []).customers
            with code("ExpiredTokenException"):
                connect_to("meteringmarketplace", url=lm.url).resolve_customer(
                    RegistrationToken=customer.registration_token
                )

    def test_any_other_is_not_valid(self, lm, metering, connect_to, code):
        (customer,) = lm.add_product("prod-1", ["pages"], [BUYER], seller_account=SELLER).customers
        token = customer.registration_token
        for using, text in ((metering, token), (metering, "x"), (metering, customer.license_arn)):
            with code("InvalidTokenException"):
                using.resolve_customer(RegistrationToken=text)
        seller = connect_to("meteringmarketplace", access_key=SELLER)
        assert seller.resolve_customer(RegistrationToken=token)["CustomerAWSAccountId"] == BUYER

    def test_no_repr_shows_it(self, lm, metering):
        (customer,) = lm.add_product("prod-1", ["pages"], [BUYER]).customers
        metering.resolve_customer(RegistrationToken=customer.registration_token)
        shown = repr([lm.requests, customer, lm.products(), lm._state.listings._registrations.values()])
        assert customer.registration_token not in shown
        assert customer.license_arn not in shown
