"""GetLicense, GetLicenseUsage and the lists of licences: issued, versions, received, received by an organization."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from ..protocol.errors import wrong_value
from ..protocol.messages import Answer, Parameters
from ..state.grants import Grant
from ..state.licenses import License
from .call import Call
from .descriptions import describe_license, present
from .grant_queries import members_of
from .pagination import Filters, page, wanted

__all__ = (
    "get_license",
    "get_license_usage",
    "list_license_versions",
    "list_licenses",
    "list_received_licenses",
    "list_received_licenses_for_organization",
)

_FILTERS: Final[Filters[License]] = {
    "Beneficiary": lambda licence, now: licence.beneficiary,
    "ProductSKU": lambda licence, now: licence.sku,
    "Fingerprint": lambda licence, now: licence.key_fingerprint,
    "Status": lambda licence, now: licence.status_at(now),
}

_RECEIVED_FILTERS: Final[Filters[License]] = {
    **_FILTERS,
    "IssuerName": lambda licence, now: licence.issuer_name,
}

_ORGANIZATION_FILTERS: Final[Filters[License]] = {
    "Beneficiary": lambda licence, now: licence.beneficiary,
    "ProductSKU": lambda licence, now: licence.sku,
}


def get_license(call: Call, parameters: Parameters) -> Answer:
    """Return a licence as it is, or one of its versions."""
    licence = _visible(call, parameters["LicenseArn"])
    number = parameters.get("Version")
    if number is not None:
        version = call.state.version(licence.arn, number)
        if version is None:
            raise wrong_value("The license has no such version.")
        licence = version
    return {"License": describe_license(licence, call.now)}


def get_license_usage(call: Call, parameters: Parameters) -> Answer:
    """Return the units in use of each counted entitlement."""
    licence = _visible(call, parameters["LicenseArn"])
    usages = []
    for entitlement, consumed in call.state.usage(licence.arn, call.now):
        usage = {"Name": entitlement.name, "ConsumedValue": str(consumed), "Unit": entitlement.unit}
        if entitlement.max_count is not None:
            usage["MaxCount"] = str(entitlement.max_count)
        usages.append(usage)
    return {"LicenseUsage": {"EntitlementUsages": usages}}


def list_licenses(call: Call, parameters: Parameters) -> Answer:
    """List the licences that the caller's account issued, as they are."""
    issued = (one for one in call.state.licenses() if one.issuer_account == call.caller.account)
    found = _selected(issued, _FILTERS, parameters, call.now)
    given, more = page("ListLicenses", found, parameters, lambda licence: licence.arn)
    return {"Licenses": [describe_license(licence, call.now) for licence in given], **more}


def list_license_versions(call: Call, parameters: Parameters) -> Answer:
    """List all versions of a licence, the first one first."""
    versions = call.state.versions(_visible(call, parameters["LicenseArn"]).arn)
    given, more = page("ListLicenseVersions", versions, parameters, lambda licence: str(licence.version))
    return {"Licenses": [describe_license(licence, call.now) for licence in given], **more}


def list_received_licenses(call: Call, parameters: Parameters) -> Answer:
    """List the licences that the caller's account received from others."""
    return _list_received("ListReceivedLicenses", call, parameters, _RECEIVED_FILTERS, {call.caller.account})


def list_received_licenses_for_organization(call: Call, parameters: Parameters) -> Answer:
    """List the licences that accounts of the caller's organization received."""
    operation = "ListReceivedLicensesForOrganization"
    return _list_received(operation, call, parameters, _ORGANIZATION_FILTERS, members_of(call))


def _visible(call: Call, arn: str) -> License:
    licence = call.state.license(arn)
    if licence is None or not call.state.is_visible(licence, call.caller.account):
        raise wrong_value("The license was not found.")
    return licence


def _selected(
    licences: Iterable[License], filters: Filters[License], parameters: Parameters, now: float
) -> list[License]:
    passes: Callable[[License], bool] = wanted(filters, parameters, now)
    arns = parameters.get("LicenseArns")
    return [one for one in licences if (arns is None or one.arn in arns) and passes(one)]


def _list_received(
    operation: str,
    call: Call,
    parameters: Parameters,
    filters: Filters[License],
    accounts: Collection[str],
) -> Answer:
    grants: dict[str, Grant] = {}
    for grant in call.state.grants:
        if grant.grantee in accounts:
            known = grants.get(grant.licence_arn)
            if known is None or known.status != "ACTIVE":
                grants[grant.licence_arn] = grant
    received = (one for one in call.state.licenses() if one.arn in grants)
    found = _selected(received, filters, parameters, call.now)
    given, more = page(operation, found, parameters, lambda licence: licence.arn)
    return {"Licenses": [_received(licence, grants[licence.arn], call.now) for licence in given], **more}


def _received(licence: License, grant: Grant, now: float) -> Answer:
    metadata = {
        "ReceivedStatus": grant.status_at(now),
        "ReceivedStatusReason": grant.reason,
        "AllowedOperations": list(grant.operations),
        "GrantType": grant.kind,
    }
    return {**describe_license(licence, now), "ReceivedMetadata": present(metadata)}
