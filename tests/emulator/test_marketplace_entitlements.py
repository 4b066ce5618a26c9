"""What customers have bought, by plain boto3 over HTTP."""

from __future__ import annotations

import pytest

BUYER = "222222222222"


@pytest.fixture
def entitlement(connect_to):
    return connect_to("marketplace-entitlement")


def test_a_licence_entitles(lm, entitlement):
    licence = lm.add_license("pages-1", [("Seats", 3, "Count"), ("Export", None, "None"), ("Tier", "Gold", "None")])
    found = entitlement.get_entitlements(ProductCode="pages-1")["Entitlements"]
    assert {one["Dimension"]: one["Value"] for one in found} == {
        "Seats": {"IntegerValue": 3},
        "Export": {"BooleanValue": True},
        "Tier": {"StringValue": "Gold"},
    }
    assert {one["LicenseArn"] for one in found} == {licence.arn}
    assert {one["CustomerAWSAccountId"] for one in found} == {lm.account_id}


def test_a_customer_is_entitled(lm, entitlement):
    product = lm.add_product("pages-1", ["seats"], [BUYER])
    product.customers[0].entitle("seats", 5, end="2099-01-01T00:00:00Z")
    (one,) = entitlement.get_entitlements(ProductCode="pages-1")["Entitlements"]
    assert (one["Value"], one["ExpirationDate"].year) == ({"IntegerValue": 5}, 2099)
