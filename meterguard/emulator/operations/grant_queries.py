"""GetGrant and the lists of grants: distributed, received, received by an organization."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..protocol.errors import ServiceError
from ..protocol.messages import Answer, Parameters
from ..state.grants import Grant
from ..state.licenses import License
from .call import Call
from .descriptions import present
from .grants import known_grant
from .pagination import Filters, page, wanted

__all__ = (
    "get_grant",
    "list_distributed_grants",
    "list_received_grants",
    "list_received_grants_for_organization",
    "members_of",
)

_Row = tuple[Grant, License]

_FILTERS: Final[Filters[_Row]] = {
    "LicenseArn": lambda row, now: row[0].licence_arn,
    "GrantStatus": lambda row, now: row[0].status_at(now),
    "ProductSKU": lambda row, now: row[1].sku,
    "LicenseIssuerName": lambda row, now: row[1].issuer_name,
}
_DISTRIBUTED_FILTERS: Final[Filters[_Row]] = {
    **_FILTERS,
    "GranteePrincipalARN": lambda row, now: row[0].principal,
}
_RECEIVED_FILTERS: Final[Filters[_Row]] = {
    **_FILTERS,
    "GranterAccountId": lambda row, now: row[0].granter,
}
_ORGANIZATION_FILTERS: Final[Filters[_Row]] = {
    "ParentArn": lambda row, now: row[0].parent_arn,
    "GranteePrincipalArn": lambda row, now: row[0].principal,
}


def get_grant(call: Call, parameters: Parameters) -> Answer:
    """Return a grant as it is, or one of its versions."""
    return {"Grant": _described(known_grant(call, parameters["GrantArn"], parameters.get("Version")), call.now)}


def list_distributed_grants(call: Call, parameters: Parameters) -> Answer:
    """List the grants that the caller's account made."""
    made = (grant for grant in call.state.grants if grant.granter == call.caller.account)
    return _listed("ListDistributedGrants", call, made, _DISTRIBUTED_FILTERS, parameters)


def list_received_grants(call: Call, parameters: Parameters) -> Answer:
    """List the grants that the caller's account received."""
    received = (grant for grant in call.state.grants if grant.grantee == call.caller.account)
    return _listed("ListReceivedGrants", call, received, _RECEIVED_FILTERS, parameters)


def list_received_grants_for_organization(call: Call, parameters: Parameters) -> Answer:
    """List the grants of a licence that accounts of the caller's organization received."""
    members, arn = members_of(call), parameters["LicenseArn"]
    received = (grant for grant in call.state.grants if grant.licence_arn == arn and grant.grantee in members)
    return _listed("ListReceivedGrantsForOrganization", call, received, _ORGANIZATION_FILTERS, parameters)


def members_of(call: Call) -> frozenset[str]:
    """Return the accounts of the organizations that the caller's account manages."""
    members = call.state.members(call.caller.account)
    if not members:
        raise ServiceError(call.state.behavior.no_organization_error, "The account manages no organization.")
    return members


def _listed(
    operation: str, call: Call, grants: Iterable[Grant], filters: Filters[_Row], parameters: Parameters
) -> Answer:
    passes: Callable[[_Row], bool] = wanted(filters, parameters, call.now)
    arns = parameters.get("GrantArns")
    rows = ((grant, call.state.license(grant.licence_arn)) for grant in grants)
    found = [
        grant
        for grant, licence in rows
        if licence is not None and (arns is None or grant.arn in arns) and passes((grant, licence))
    ]
    given, more = page(operation, found, parameters, lambda grant: grant.arn)
    return {"Grants": [_described(grant, call.now) for grant in given], **more}


def _described(grant: Grant, now: float) -> Answer:
    return present(
        {
            "GrantArn": grant.arn,
            "GrantName": grant.name,
            "ParentArn": grant.parent_arn,
            "LicenseArn": grant.licence_arn,
            "GranteePrincipalArn": grant.principal,
            "HomeRegion": grant.home_region,
            "GrantStatus": grant.status_at(now),
            "StatusReason": grant.reason,
            "Version": str(grant.version),
            "GrantedOperations": list(grant.operations),
            "Options": grant.options,
            "GrantType": grant.kind,
        }
    )
