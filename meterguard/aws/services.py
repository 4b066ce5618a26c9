"""The services of AWS that answer for entitlements: their names, where they are, and what sets them up wrongly."""

from __future__ import annotations

from typing import NamedTuple


class Service(NamedTuple):
    """One service of AWS."""

    name: str
    """boto3's name for it."""
    title: str
    """Its name for people."""
    action: str
    """What its IAM actions begin with."""
    onboarding: str
    """What an account needs besides the IAM action."""
    suspects: str
    """The arguments to look at where it calls a request wrong."""
    variable: str
    """The variable that names its endpoint for boto3."""
    home: str | None = None
    """The Region that counts for a service that few Regions have; None for one that is in all of them."""


LICENSE_MANAGER = Service(
    "license-manager",
    "License Manager",
    "license-manager",
    "the account has to be onboarded to License Manager",
    "product_sku, key_fingerprint and beneficiary, and the entitlements' names, values and units",
    "AWS_ENDPOINT_URL_LICENSE_MANAGER",
)

MARKETPLACE_ENTITLEMENT = Service(
    "marketplace-entitlement",
    "AWS Marketplace",
    "aws-marketplace",
    "the account has to be the one that sells the product",
    "product_sku, which is the product code, and customer",
    "AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE",
    home="us-east-1",
)

MARKETPLACE_METERING = Service(
    "meteringmarketplace",
    "AWS Marketplace Metering",
    "aws-marketplace",
    "the credentials have to be those that AWS Marketplace expects: of the role of the instance, task or pod, or for "
    "SaaS of the account that sells the product",
    "product_code, dimensions and customers",
    "AWS_ENDPOINT_URL_MARKETPLACE_METERING",
)
