"""IAM policies. An explicit deny wins, and an operation that no statement allows is refused.

A policy with more than these rules understand is not loaded: to ignore a condition would allow too much.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import ConfigurationError, ServiceError
from .messages import Caller, Parameters
from .redaction import shown

__all__ = ("Authorize", "Policy", "PolicyError", "authorizer")

_VERSIONS: Final = ("2012-10-17", "2008-10-17")
_STATEMENT: Final = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"})
_UNSIGNED: Final = frozenset({"AssumeRoleWithWebIdentity", "GetAccessToken"})
# AWS answers it to everybody, whatever a policy says.
_ALWAYS: Final = "GetCallerIdentity"

# Of the other operations AWS's table of actions has no resource: they are allowed with "*" alone.
_RESOURCES: Final = {
    "LicenseArn": (
        "CheckoutBorrowLicense",
        "CreateGrant",
        "CreateLicenseVersion",
        "CreateToken",
        "DeleteLicense",
        "GetLicense",
        "GetLicenseUsage",
        "ListLicenseVersions",
    ),
    "GrantArn": ("AcceptGrant", "CreateGrantVersion", "DeleteGrant", "GetGrant", "RejectGrant"),
    "KeyId": ("DescribeKey", "GetPublicKey", "Sign"),
    "ResourceArn": ("ListTagsForResource", "TagResource", "UntagResource"),
}
_NAMED_BY: Final = {operation: member for member, operations in _RESOURCES.items() for operation in operations}

Document = Parameters
Policy = Document | str | os.PathLike[str]
"""A policy document, a JSON file of one, or a mapping of access keys and accounts to such."""
Authorize = Callable[[Caller, str, str, Parameters], None]
"""Refuses, with the service's own error, an operation of a service that a caller is not allowed to do."""


class PolicyError(ConfigurationError, ValueError):
    """A policy that cannot be used."""


@dataclass(frozen=True, slots=True)
class _Statement:
    is_allowing: bool
    means_action: Callable[[str], bool]
    means_resource: Callable[[str], bool]

    def means(self, action: str, resource: str) -> bool:
        return self.means_action(action) and self.means_resource(resource)


def authorizer(policy: Policy | None) -> Authorize | None:
    """Return the check by a policy document or a JSON file of one, for all callers.

    With a mapping of access keys and accounts to such, a caller that is not in it may do all.
    """
    if policy is None:
        return None
    if not isinstance(policy, Mapping) or "Statement" in policy:
        statements = _read(policy)
        return _check(lambda caller: statements)
    if not all(isinstance(name, str) for name in policy):
        raise PolicyError("policy: the keys of a mapping of policies must be access keys and accounts")
    each = {name: _read(one, f"{name}: ") for name, one in policy.items()}
    return _check(lambda caller: each.get(caller.access_key or "", each.get(caller.account)))


def _check(statements_of: Callable[[Caller], Sequence[_Statement] | None]) -> Authorize:
    def authorize(caller: Caller, service: str, operation: str, parameters: Parameters) -> None:
        statements = statements_of(caller)
        if statements is None or operation == _ALWAYS or (operation in _UNSIGNED and caller.access_key is None):
            return
        action = f"{service}:{operation}"
        resource = _resource(caller, operation, parameters)
        effects = {one.is_allowing for one in statements if one.means(action, resource)}
        if effects == {True}:
            return
        why = f"no identity-based policy allows the {action} action"
        if False in effects:
            why = "of an explicit deny in an identity-based policy"
        raise ServiceError(
            "AccessDeniedException",
            f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} because {why}",
        )

    return authorize


def _resource(caller: Caller, operation: str, parameters: Parameters) -> str:
    """Return the ARN of what a request is for; a key may be named by its id alone."""
    named = str(parameters.get(_NAMED_BY.get(operation, ""), "*"))
    is_id = _NAMED_BY.get(operation) == "KeyId" and not named.startswith("arn:")
    return f"arn:aws:kms:{caller.region}:{caller.account}:key/{named}" if is_id else named


# Reading


def _read(policy: Policy, where: str = "policy: ") -> Sequence[_Statement]:
    if isinstance(policy, (str, os.PathLike)):
        file = Path(policy)
        try:
            policy = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise PolicyError(f"{file.name}: {error.strerror}") from error
        except RecursionError as error:
            raise PolicyError(f"{file.name}: tables and lists are nested too deeply") from error
        except ValueError as error:
            raise PolicyError(f"{file.name} is not JSON: {error}") from error
        where = f"{file.name}: "
    if not isinstance(policy, Mapping) or "Statement" not in policy:
        raise PolicyError(f"{where}a policy must be a table with a Statement")
    _require_known(policy.keys(), {"Version", "Id", "Statement"}, where)
    if policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise PolicyError(f"{where}Version: {shown(policy['Version'])} is not one of {', '.join(_VERSIONS)}")
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    return [_statement(one, f"{where}Statement[{number}]: ") for number, one in enumerate(statements)]


def _statement(said: Any, where: str) -> _Statement:
    if not isinstance(said, Mapping):
        raise PolicyError(f"{where}a statement must be a table")
    if "Condition" in said:
        raise PolicyError(f"{where}Condition: the emulator supports no conditions; leave it out")
    _require_known(said.keys(), _STATEMENT, where)
    if said.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{where}Effect: {shown(said.get('Effect'))} is neither 'Allow' nor 'Deny'")
    return _Statement(
        said["Effect"] == "Allow",
        _matcher(said, "Action", where, _is_action, re.IGNORECASE),
        _matcher(said, "Resource", where, _is_resource, re.NOFLAG),
    )


def _matcher(
    said: Document, name: str, where: str, is_right: Callable[[str], bool], flags: re.RegexFlag
) -> Callable[[str], bool]:
    """Return the test for ``Action`` or ``NotAction``, ``Resource`` or ``NotResource``."""
    if (name in said) == (f"Not{name}" in said):
        raise PolicyError(f"{where}it needs either {name} or Not{name}")
    key = name if name in said else f"Not{name}"
    patterns = said[key] if isinstance(said[key], list) else [said[key]]
    for one in patterns:
        if not isinstance(one, str) or not is_right(one):
            text = repr(one) if isinstance(one, str) else shown(one)
            raise PolicyError(f"{where}{key}: {text} is not a pattern that the emulator understands")
    found = re.compile("|".join(map(_expression, patterns)) or r"(?!)", flags | re.DOTALL)
    is_named = key == name
    return lambda value: (found.fullmatch(value) is not None) == is_named


def _is_action(pattern: str) -> bool:
    return pattern == "*" or ":" in pattern


def _is_resource(pattern: str) -> bool:
    return (pattern == "*" or pattern.startswith("arn:")) and "${" not in pattern


def _expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)


def _require_known(given: Any, known: Any, where: str) -> None:
    unknown = set(given) - set(known)
    if unknown:
        raise PolicyError(f"{where}the emulator does not know {', '.join(sorted(map(str, unknown)))}")
