"""CreateGrant, CreateGrantVersion, AcceptGrant, RejectGrant, DeleteGrant.

A grant is accepted, then activated. A grant to an organization becomes a grant for each of its accounts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ..protocol.errors import ServiceError, wrong_value
from ..protocol.messages import Answer, Parameters
from ..state.grants import Grant, account_principal, grant_arn
from ..state.licenses import License
from .activation import activate, refuse_misplaced_options
from .call import Call

__all__ = ("accept_grant", "create_grant", "create_grant_version", "delete_grant", "known_grant", "reject_grant")

_PRINCIPAL: Final = re.compile(r"arn:aws[a-z-]*:(iam::\d{12}:root|organizations::\d{12}:(organization|ou)/[a-z0-9/-]+)")
_OVER: Final = frozenset({"REJECTED", "FAILED_WORKFLOW", "PENDING_DELETE", "DELETED"})
_READ_ONLY: Final = ("ListReceivedLicenses",)


def create_grant(call: Call, parameters: Parameters) -> Answer:
    """Give a licence, or part of one's own grant of it, to an account or an organization."""
    licence = call.state.license(parameters["LicenseArn"])
    if licence is None or licence.status == "DELETED" or not call.state.is_visible(licence, call.caller.account):
        raise wrong_value("The license was not found.")
    grant = _new_grant(call, licence, parameters)
    _require_sense(call, licence, grant)
    call.state.tags.put(grant.arn, parameters.get("Tags", ()))
    call.state.grants.add(grant)
    if grant.grantee is None:
        _distribute(call, licence, grant)
    return _answer(grant, "PENDING_WORKFLOW")


def accept_grant(call: Call, parameters: Parameters) -> Answer:
    """Accept a grant for the caller's account; it still has to be activated."""
    return _decide(call, parameters["GrantArn"], "DISABLED")


def reject_grant(call: Call, parameters: Parameters) -> Answer:
    """Reject a grant for the caller's account, for good."""
    return _decide(call, parameters["GrantArn"], "REJECTED")


def create_grant_version(call: Call, parameters: Parameters) -> Answer:
    """Change a grant. Either side may change its status; only the side that made it may change the rest."""
    grant = known_grant(call, parameters["GrantArn"])
    _require_version(grant, parameters.get("SourceVersion"))
    changes = {
        "reason": parameters.get("StatusReason", grant.reason),
        "options": parameters.get("Options", grant.options),
    }
    changes |= _terms(call, grant, parameters)
    if grant.status_at(call.now) in _OVER:
        raise _wrong_state(call, "The grant is over.")
    refuse_misplaced_options(call.state, grant, parameters.get("Options"), parameters.get("Status"))
    status = parameters.get("Status")
    if status is not None:
        _switch(call, grant, status, parameters.get("Options"))
        changes["status"] = grant.status if grant.grantee is None else status
    revised = call.state.grants.revise(grant.arn, **changes)
    return _answer(revised, revised.status_at(call.now))


def delete_grant(call: Call, parameters: Parameters) -> Answer:
    """Delete a grant, and all grants that were made from it."""
    grant = known_grant(call, parameters["GrantArn"])
    if grant.granter != call.caller.account:
        raise _refused(call, "A grant is deleted by the account that made it.")
    _require_version(grant, parameters["Version"])
    if grant.status == "DELETED":
        raise _wrong_state(call, "The grant is deleted.")
    deleted = _delete(call, grant, parameters.get("StatusReason"))
    return _answer(deleted, deleted.status)


def known_grant(call: Call, arn: str, version: str | None = None) -> Grant:
    """Return a grant that the caller's account made or received, or that is of a licence that it issued."""
    grant = call.state.grants.find(arn, version)
    if grant is None or not _concerns(call, grant):
        raise wrong_value("The grant was not found.")
    return grant


def _new_grant(call: Call, licence: License, parameters: Parameters) -> Grant:
    kind, operations = parameters.get("GrantType"), tuple(dict.fromkeys(parameters["AllowedOperations"]))
    return Grant(
        arn=grant_arn(call.caller.account, call.new_id()),
        name=parameters["GrantName"],
        licence_arn=licence.arn,
        parent_arn=_parent(call, licence, operations),
        granter=call.caller.account,
        principal=parameters["Principals"][0],
        home_region=parameters["HomeRegion"],
        operations=operations,
        status="PENDING_ACCEPT",
        options=parameters.get("Options"),
        kind=kind,
        ready_at=call.now + call.state.behavior.grant_propagation,
    )


def _parent(call: Call, licence: License, operations: Sequence[str]) -> str:
    if licence.issuer_account == call.caller.account:
        return licence.arn
    parent = call.state.grants.allowing(licence.arn, call.caller.account, "CreateGrant")
    if parent is None:
        raise _refused(call, "No active grant allows CreateGrant.")
    if not set(operations) <= set(parent.operations):
        raise wrong_value("AllowedOperations go beyond what the caller was granted.")
    return parent.arn


def _require_sense(call: Call, licence: License, grant: Grant) -> None:
    behavior, options = call.state.behavior, grant.options or {}
    if _PRINCIPAL.fullmatch(grant.principal) is None:
        raise wrong_value("Principals must name an account, an organization or an organizational unit.")
    if grant.grantee == call.caller.account and not behavior.grant_to_oneself:
        raise wrong_value("A license cannot be granted to the account that grants it.")
    if grant.home_region != licence.home_region and not behavior.grant_away_from_home:
        raise wrong_value("HomeRegion must be the license's home Region.")
    if (grant.kind == "DelegateGrant") != (grant.operations == _READ_ONLY):
        raise wrong_value("ListReceivedLicenses is what a delegate grant allows, and all that it allows.")
    desired = options.get("DesiredStatus")
    if desired is not None and (desired != "ACTIVE" or grant.grantee is not None):
        raise wrong_value("DesiredStatus can be ACTIVE, for an organization or an organizational unit.")
    refuse_misplaced_options(call.state, grant, options, desired)
    existing = sum(one.licence_arn == licence.arn and one.status not in _OVER for one in call.state.grants)
    if existing >= behavior.grants_per_license:
        raise ServiceError("ResourceLimitExceededException", "The license has as many grants as it can have.")


def _distribute(call: Call, licence: License, grant: Grant) -> None:
    accounts = call.state.organizations.get(grant.principal)
    call.state.grants.settle(grant.arn, "FAILED_WORKFLOW" if accounts is None else "WORKFLOW_COMPLETED")
    options = dict(grant.options or {})
    for account in accounts or ():
        if account in (grant.granter, licence.issuer_account):
            continue
        child = replace(
            grant,
            arn=grant_arn(grant.granter, call.new_id()),
            parent_arn=grant.arn,
            principal=account_principal(account),
            status="DISABLED",
            options=None,
        )
        call.state.grants.add(child)
        if "DesiredStatus" in options and activate(call.state, child, options):
            call.state.grants.settle(child.arn, "ACTIVE")


def _decide(call: Call, arn: str, status: str) -> Answer:
    grant = known_grant(call, arn)
    if grant.grantee != call.caller.account:
        raise _refused(call, "A grant is accepted or rejected by the account that it is for.")
    if grant.status_at(call.now) != "PENDING_ACCEPT":
        raise _wrong_state(call, "The grant is not waiting to be accepted.")
    return _answer(call.state.grants.settle(arn, status), status)


def _terms(call: Call, grant: Grant, parameters: Parameters) -> Answer:
    changes: Answer = {}
    if "GrantName" in parameters:
        changes["name"] = parameters["GrantName"]
    if "AllowedOperations" in parameters:
        changes["operations"] = tuple(dict.fromkeys(parameters["AllowedOperations"]))
        if (grant.kind == "DelegateGrant") != (changes["operations"] == _READ_ONLY):
            raise wrong_value("ListReceivedLicenses is what a delegate grant allows, and all that it allows.")
        parent = call.state.grants.find(grant.parent_arn)
        if parent is not None and not set(changes["operations"]) <= set(parent.operations):
            raise wrong_value("AllowedOperations go beyond what the caller was granted.")
    if changes and grant.granter != call.caller.account:
        raise _refused(call, "The terms of a grant are changed by the account that made it.")
    return changes


def _switch(call: Call, grant: Grant, status: str, options: Parameters | None) -> None:
    if status not in ("ACTIVE", "DISABLED"):
        raise wrong_value("Status must be ACTIVE or DISABLED.")
    if grant.grantee is None:
        for child in call.state.grants.children(grant.arn):
            if child.status in ("ACTIVE", "DISABLED"):
                may = status == "DISABLED" or activate(call.state, child, options)
                call.state.grants.settle(child.arn, status if may else child.status)
        return
    if grant.status_at(call.now) not in ("ACTIVE", "DISABLED"):
        raise _wrong_state(call, "The grant has not been accepted.")
    if status == "ACTIVE":
        if grant.grantee != call.caller.account and not _may_activate(call, grant):
            raise _refused(call, "A grant is activated by the account that it is for.")
        if not activate(call.state, grant, options):
            raise _wrong_state(call, "Another license of the product is active in the account.")


def _may_activate(call: Call, grant: Grant) -> bool:
    return call.state.behavior.granter_may_activate or grant.grantee in call.state.members(call.caller.account)


def _delete(call: Call, grant: Grant, reason: str | None) -> Grant:
    for child in call.state.grants.children(grant.arn):
        _delete(call, child, reason)
    return call.state.grants.settle(grant.arn, "DELETED", reason)


def _concerns(call: Call, grant: Grant) -> bool:
    licence = call.state.license(grant.licence_arn)
    issuer = None if licence is None else licence.issuer_account
    return call.caller.account in (grant.granter, grant.grantee, issuer)


def _require_version(grant: Grant, source: str | None) -> None:
    if source is not None and source != str(grant.version):
        raise wrong_value("The version is not the grant's current one.")


def _wrong_state(call: Call, message: str) -> ServiceError:
    return ServiceError(call.state.behavior.grant_state_error, message)


def _refused(call: Call, message: str) -> ServiceError:
    return ServiceError(call.state.behavior.not_granted_error, message)


def _answer(grant: Grant, status: str) -> Answer:
    return {"GrantArn": grant.arn, "Status": status, "Version": str(grant.version)}
