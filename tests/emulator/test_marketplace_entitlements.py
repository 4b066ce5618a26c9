"""GetEntitlements by its published rules: plain boto3 over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.config import Config

from .conftest import ONE_ATTEMPT

BUYER, OTHER = "222222222222", "333333333333"
LOOSE = ONE_ATTEMPT.merge(Config(parameter_validation=False))


@pytest.fixture
def entitlement(connect_to):
    return connect_to("marketplace-entitlement")


@pytest.fixture
def ask(entitlement):
    """``ask(DIMENSION=["seats"])``: what is found with these filters, as accounts and dimensions."""

    def get(code="prod-1", **filters):
        found = entitlement.get_entitlements(ProductCode=code, **({"Filter": filters} if filters else {}))
        return [(one["CustomerAWSAccountId"], one["Dimension"]) for one in found["Entitlements"]]

    return get


class TestValues:
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (5, {"IntegerValue": 5}),
            (-(2**31), {"IntegerValue": -(2**31)}),
            (2.5, {"DoubleValue": 2.5}),
            (True, {"BooleanValue": True}),
            (False, {"BooleanValue": False}),
            ("Gold", {"StringValue": "Gold"}),
            ("", {"StringValue": ""}),
        ],
    )
    def test_each_kind_has_its_member(self, lm, entitlement, value, told):
        (customer,) = lm.add_product("prod-1", ["seats"], [BUYER]).customers
        customer.entitle("seats", value)
        (found,) = entitlement.get_entitlements(ProductCode="prod-1")["Entitlements"]
        assert found == {
            "ProductCode": "prod-1",
            "Dimension": "seats",
            "CustomerAWSAccountId": BUYER,
            "LicenseArn": customer.license_arn,
            "Value": told,
        }

    def test_it_can_be_set_anew_and_with_the_product(self, lm, entitlement):
        bought = {"account_id": BUYER, "entitlements": {"seats": 5, "tier": "Gold"}}
        (customer,) = lm.add_product("prod-1", ["seats", "tier"], [bought]).customers
        customer.entitle("seats", 7)
        found = entitlement.get_entitlements(ProductCode="prod-1")["Entitlements"]
        assert [one["Value"] for one in found] == [{"IntegerValue": 7}, {"StringValue": "Gold"}]

    def test_an_older_product_tells_identifiers(self, lm, entitlement):
        bought = {"account_id": BUYER, "entitlements": {"seats": 5}}
        (customer,) = lm.add_product("prod-1", ["seats"], [bought], customer_identifiers=True).customers
        (found,) = entitlement.get_entitlements(ProductCode="prod-1")["Entitlements"]
        assert found["CustomerIdentifier"] == customer.identifier


class TestTheEnd:
    def test_it_is_told_and_kept(self, lm, entitlement, ask):
        lm.clock.freeze("2026-11-12T12:30:00Z")
        (customer,) = lm.add_product("prod-1", ["seats", "tier"], [BUYER]).customers
        customer.entitle("seats", 5, end="2026-11-12T13:00:00Z")
        customer.entitle("tier", "Gold")
        found = entitlement.get_entitlements(ProductCode="prod-1")["Entitlements"]
        assert [one.get("ExpirationDate") for one in found] == [datetime(2026, 11, 12, 13, tzinfo=UTC), None]
        lm.clock.advance(1799)
        assert len(ask()) == 2
        lm.clock.advance(1)
        assert ask() == [(BUYER, "tier")]

    def test_that_of_the_agreement(self, lm, entitlement, ask):
        lm.clock.freeze("2026-11-12T12:30:00Z")
        bought = {"account_id": BUYER, "end": "2026-12-12T00:00:00Z", "entitlements": {"seats": 5}}
        lm.add_product("prod-1", ["seats"], [bought])
        (found,) = entitlement.get_entitlements(ProductCode="prod-1")["Entitlements"]
        assert found["ExpirationDate"] == datetime(2026, 12, 12, tzinfo=UTC)
        lm.clock.set("2026-12-12T00:00:00Z")
        assert ask() == []

    def test_a_customer_who_left_has_nothing(self, lm, ask):
        customers = lm.add_product("prod-1", ["seats"], [BUYER, OTHER]).customers
        for one in customers:
            one.entitle("seats", 5)
        customers[0].unsubscribe()
        assert ask() == [(OTHER, "seats")]


class TestFilters:
    @pytest.fixture(autouse=True)
    def customers(self, lm):
        product = lm.add_product("prod-1", ["seats", "tier"], [BUYER, OTHER, BUYER], customer_identifiers=True)
        for number, one in enumerate(product.customers):
            one.entitle("seats", number)
            one.entitle("tier", "Gold")
        lm.add_product("prod-2", ["seats"], [{"account_id": BUYER, "entitlements": {"seats": 9}}])
        return product.customers

    def test_none(self, ask):
        assert ask() == [(one, name) for one in (BUYER, OTHER, BUYER) for name in ("seats", "tier")]

    def test_each(self, ask, customers):
        assert ask(CUSTOMER_AWS_ACCOUNT_ID=[OTHER]) == [(OTHER, "seats"), (OTHER, "tier")]
        assert ask(CUSTOMER_IDENTIFIER=[customers[1].identifier]) == [(OTHER, "seats"), (OTHER, "tier")]
        assert ask(LICENSE_ARN=[customers[2].license_arn]) == [(BUYER, "seats"), (BUYER, "tier")]
        assert ask(DIMENSION=["tier"]) == [(BUYER, "tier"), (OTHER, "tier"), (BUYER, "tier")]
        assert ask(DIMENSION=["none"]) == []

    def test_values_are_united_and_filters_intersected(self, ask, customers):
        arns = [customers[0].license_arn, customers[1].license_arn]
        assert ask(LICENSE_ARN=arns, DIMENSION=["seats"]) == [(BUYER, "seats"), (OTHER, "seats")]
        assert ask(LICENSE_ARN=arns, DIMENSION=["seats", "tier"], CUSTOMER_AWS_ACCOUNT_ID=[OTHER]) == [
            *((OTHER, "seats"), (OTHER, "tier"))
        ]
        assert ask(LICENSE_ARN=[customers[0].license_arn], CUSTOMER_AWS_ACCOUNT_ID=[OTHER]) == []

    def test_an_account_and_an_identifier_exclude_each_other(self, ask, code):
        with code("InvalidParameterException"):
            ask(CUSTOMER_AWS_ACCOUNT_ID=[BUYER], CUSTOMER_IDENTIFIER=["x"])

    @pytest.mark.parametrize("filters", [{"COLOUR": ["red"]}, {"DIMENSION": []}])
    def test_what_is_no_filter(self, connect_to, code, filters):
        using = connect_to("marketplace-entitlement", config=LOOSE)
        with code("InvalidParameterException"):
            using.get_entitlements(ProductCode="prod-1", Filter=filters)

    def test_another_product(self, ask, code):
        assert ask("prod-2") == [(BUYER, "seats")]
        with code("InvalidParameterException"):
            ask("prod-3")


class TestPages:
    @pytest.fixture(autouse=True)
    def product(self, lm):
        bought = {"account_id": BUYER, "entitlements": {"seats": 1}}
        return lm.add_product("prod-1", ["seats"], [bought] * 60)

    def test_25_at_once(self, entitlement, product):
        pages = list(entitlement.get_paginator("get_entitlements").paginate(ProductCode="prod-1"))
        assert [len(one["Entitlements"]) for one in pages] == [25, 25, 10]
        found = [one["LicenseArn"] for page in pages for one in page["Entitlements"]]
        assert found == [one.license_arn for one in product.customers]

    def test_fewer_and_never_more(self, connect_to, code):
        entitlement = connect_to("marketplace-entitlement", config=LOOSE)
        assert len(entitlement.get_entitlements(ProductCode="prod-1", MaxResults=3)["Entitlements"]) == 3
        for size in (0, 26):
            with code("InvalidParameterException"):
                entitlement.get_entitlements(ProductCode="prod-1", MaxResults=size)

    def test_a_token_of_another_question(self, entitlement, code):
        token = entitlement.get_entitlements(ProductCode="prod-1")["NextToken"]
        with code("InvalidParameterException"):
            entitlement.get_entitlements(ProductCode="prod-1", NextToken=token, Filter={"DIMENSION": ["seats"]})
        with code("InvalidParameterException"):
            entitlement.get_entitlements(ProductCode="prod-1", NextToken="x")


class TestLicences:
    def test_what_they_entitle_to(self, lm, entitlement):
        licence = lm.add_license(
            "sku-1",
            [
                ("Seats", 3, "Count"),
                ("Calls", None, "Count"),
                ("Bytes", 2**40, "Bytes"),
                ("Export", None, "None"),
                ("Tier", "Gold", "None"),
            ],
            beneficiary=BUYER,
            end="2099-01-01T00:00:00Z",
        )
        found = entitlement.get_entitlements(ProductCode="sku-1")["Entitlements"]
        assert {one["Dimension"]: one["Value"] for one in found} == {
            "Seats": {"IntegerValue": 3},
            "Calls": {"IntegerValue": 2**31 - 1},
            "Bytes": {"IntegerValue": 2**31 - 1},
            "Export": {"BooleanValue": True},
            "Tier": {"StringValue": "Gold"},
        }
        same = {(one["LicenseArn"], one["CustomerAWSAccountId"], one["ExpirationDate"].year) for one in found}
        assert same == {(licence.arn, BUYER, 2099)}

    def test_one_that_cannot_be_used(self, lm, ask):
        licence = lm.add_license("sku-1", [("Seats", 3, "Count")])
        assert ask("sku-1") == [(lm.account_id, "Seats")]
        lm.update_license(licence, status="SUSPENDED")
        assert ask("sku-1") == []

    def test_the_beneficiary_may_be_no_account(self, lm, entitlement):
        lm.add_license("sku-1", [("Seats", 3, "Count")], beneficiary="Jo")
        (found,) = entitlement.get_entitlements(ProductCode="sku-1")["Entitlements"]
        assert "CustomerAWSAccountId" not in found

    def test_one_that_was_sold_as_a_product(self, lm, entitlement):
        licence = lm.add_license("sku-1", [("Seats", 3, "Count")], beneficiary=BUYER)
        (customer,) = lm.add_product("sku-1", ["Seats"], [licence]).customers
        assert (customer.account_id, customer.license_arn) == (BUYER, licence.arn)
        (found,) = entitlement.get_entitlements(ProductCode="sku-1")["Entitlements"]
        assert (found["LicenseArn"], found["Value"]) == (licence.arn, {"IntegerValue": 3})

    def test_any_code_is_empty_until_a_product_is_added(self, ask):
        assert ask("anything") == []


def test_faults(lm, entitlement, code):
    lm.faults.add("GetEntitlements", error="ThrottlingException")
    lm.faults.add("GetEntitlements", error="InternalServiceErrorException")
    lm.faults.add("GetEntitlements", strip=["Entitlements"])
    for error in ("ThrottlingException", "InternalServiceErrorException"):
        with code(error):
            entitlement.get_entitlements(ProductCode="prod-1")
    assert "Entitlements" not in entitlement.get_entitlements(ProductCode="prod-1")
