"""The tables of operations: each name with the function that carries the operation out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .borrows import check_out_borrow_license
from .call import Handler
from .checkouts import check_in_license, check_out_license, extend_license_consumption
from .entitlements import get_entitlements
from .grant_queries import (
    get_grant,
    list_distributed_grants,
    list_received_grants,
    list_received_grants_for_organization,
)
from .grants import accept_grant, create_grant, create_grant_version, delete_grant, reject_grant
from .identities import assume_role_with_web_identity, get_caller_identity
from .keys import create_key, describe_key, get_public_key, sign
from .license_queries import (
    get_license,
    get_license_usage,
    list_license_versions,
    list_licenses,
    list_received_licenses,
    list_received_licenses_for_organization,
)
from .licenses import create_license, create_license_version, delete_license
from .metering import batch_meter_usage, meter_usage
from .registration import register_usage, resolve_customer
from .tags import list_tags_for_resource, tag_resource, untag_resource
from .tokens import create_token, delete_token, get_access_token, list_tokens

__all__ = (
    "ENTITLEMENT_OPERATIONS",
    "IDENTITY_OPERATIONS",
    "KEY_OPERATIONS",
    "METERING_OPERATIONS",
    "OPERATIONS",
)

OPERATIONS: Final[Mapping[str, Handler]] = {
    "CheckoutLicense": check_out_license,
    "CheckoutBorrowLicense": check_out_borrow_license,
    "CheckInLicense": check_in_license,
    "ExtendLicenseConsumption": extend_license_consumption,
    "GetLicense": get_license,
    "GetLicenseUsage": get_license_usage,
    "ListLicenses": list_licenses,
    "ListLicenseVersions": list_license_versions,
    "ListReceivedLicenses": list_received_licenses,
    "ListReceivedLicensesForOrganization": list_received_licenses_for_organization,
    "CreateLicense": create_license,
    "CreateLicenseVersion": create_license_version,
    "DeleteLicense": delete_license,
    "CreateGrant": create_grant,
    "CreateGrantVersion": create_grant_version,
    "AcceptGrant": accept_grant,
    "RejectGrant": reject_grant,
    "DeleteGrant": delete_grant,
    "GetGrant": get_grant,
    "ListDistributedGrants": list_distributed_grants,
    "ListReceivedGrants": list_received_grants,
    "ListReceivedGrantsForOrganization": list_received_grants_for_organization,
    "CreateToken": create_token,
    "GetAccessToken": get_access_token,
    "ListTokens": list_tokens,
    "DeleteToken": delete_token,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "ListTagsForResource": list_tags_for_resource,
}
"""Those of License Manager."""

IDENTITY_OPERATIONS: Final[Mapping[str, Handler]] = {
    "AssumeRoleWithWebIdentity": assume_role_with_web_identity,
    "GetCallerIdentity": get_caller_identity,
}
"""Those of STS."""

KEY_OPERATIONS: Final[Mapping[str, Handler]] = {
    "CreateKey": create_key,
    "DescribeKey": describe_key,
    "GetPublicKey": get_public_key,
    "Sign": sign,
}
"""Those of KMS."""

METERING_OPERATIONS: Final[Mapping[str, Handler]] = {
    "MeterUsage": meter_usage,
    "BatchMeterUsage": batch_meter_usage,
    "RegisterUsage": register_usage,
    "ResolveCustomer": resolve_customer,
}
"""Those of AWS Marketplace's metering."""

ENTITLEMENT_OPERATIONS: Final[Mapping[str, Handler]] = {
    "GetEntitlements": get_entitlements,
}
"""Those of AWS Marketplace's entitlements."""
