"""The table of grants: the licence, the giver, the receiver, the operations, and the status.

Pure, like `pools`. A grant made from another one counts only as long as that one does.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .licenses import License

__all__ = ("Grant", "Grants", "account_principal", "grant_arn", "ready_grant")

_ACCOUNT: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")
_LIVE: Final = ("ACTIVE", "WORKFLOW_COMPLETED")

_BUYERS: Final = (
    "CheckoutLicense",
    "CheckInLicense",
    "ExtendConsumptionLicense",
    "ListPurchasedLicenses",
)
"""The operations that a buyer may do with a licence that arrived accepted and activated."""


def grant_arn(account: str, identifier: str) -> str:
    """Return the ARN of a grant, of the same form as a licence's."""
    return f"arn:aws:license-manager::{account}:grant:g-{identifier}"


def account_principal(account: str) -> str:
    """Return the principal of an account."""
    return f"arn:aws:iam::{account}:root"


@dataclass(frozen=True, slots=True)
class Grant:
    """One version of a grant. ``principal`` is an account's root, an organization or a unit of one."""

    arn: str = field(repr=False)
    name: str
    licence_arn: str = field(repr=False)
    parent_arn: str = field(repr=False)
    granter: str
    principal: str = field(repr=False)
    home_region: str
    operations: tuple[str, ...]
    status: str
    version: int = 1
    reason: str | None = None
    options: Mapping[str, Any] | None = None
    kind: str | None = None
    ready_at: float = -math.inf

    @property
    def grantee(self) -> str | None:
        """Return the account that the grant is for; None for an organization's."""
        found = _ACCOUNT.fullmatch(self.principal)
        return None if found is None else found[1]

    def status_at(self, now: float) -> str:
        """Return the status that a reader sees at that moment."""
        return "PENDING_WORKFLOW" if now < self.ready_at and self.status == "PENDING_ACCEPT" else self.status


def ready_grant(
    licence: License, identifier: str, account: str, status: str, operations: Sequence[str] | None
) -> Grant:
    """Return the grant by which a bought licence arrives: accepted and activated."""
    borrow = () if licence.borrow_ttl is None else ("CheckoutBorrowLicense",)
    return Grant(
        arn=grant_arn(licence.issuer_account, identifier),
        name=licence.name,
        licence_arn=licence.arn,
        parent_arn=licence.arn,
        granter=licence.issuer_account,
        principal=account_principal(account),
        home_region=licence.home_region,
        operations=(*_BUYERS, *borrow) if operations is None else tuple(operations),
        status=status,
    )


class Grants:
    """All grants, with all their versions."""

    def __init__(self, versions: MutableMapping[str, tuple[Grant, ...]]) -> None:
        self._versions = versions
        self._by_grantee: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for grant in self:
            self._list(grant)

    def __iter__(self) -> Iterator[Grant]:
        """Return the newest version of every grant, in the order of creation."""
        return (versions[-1] for versions in self._versions.values())

    def add(self, grant: Grant) -> None:
        """Put a new grant in the table."""
        self._versions[grant.arn] = (grant,)
        self._list(grant)

    def find(self, arn: str, version: str | None = None) -> Grant | None:
        """Return a grant as it is, or one of its versions."""
        versions = self._versions.get(arn, ())
        if version is None:
            return versions[-1] if versions else None
        return next((one for one in versions if str(one.version) == version), None)

    def settle(self, arn: str, status: str, reason: str | None = None) -> Grant:
        """Set the status of a grant, without a new version of it."""
        *before, current = self._versions[arn]
        settled = replace(current, status=status, reason=current.reason if reason is None else reason)
        self._versions[arn] = (*before, settled)
        return settled

    def revise(self, arn: str, **changes: object) -> Grant:
        """Make a new version of a grant."""
        current = self._versions[arn][-1]
        revised = replace(current, version=current.version + 1, **changes)  # type: ignore[arg-type]
        self._versions[arn] = (*self._versions[arn], revised)
        return revised

    def children(self, arn: str) -> list[Grant]:
        """Return the grants that were made from this one."""
        return [grant for grant in self if grant.parent_arn == arn]

    def held(self, licence_arn: str, account: str) -> list[Grant]:
        """Return an account's grants of a licence, as they are."""
        return [self._versions[arn][-1] for arn in self._by_grantee.get((licence_arn, account), ())]

    def shown(self, licence_arn: str, account: str) -> Grant | None:
        """Return the grant that tells the status of a received licence: the active one, or the newest."""
        held = self.held(licence_arn, account)
        return next((grant for grant in held if grant.status == "ACTIVE"), held[-1] if held else None)

    def active(self, licence_arn: str, account: str) -> list[Grant]:
        """Return an account's grants of a licence that can be used."""
        return [one for one in self.held(licence_arn, account) if one.status == "ACTIVE" and self._is_rooted(one)]

    def allowing(self, licence_arn: str, account: str, operation: str) -> Grant | None:
        """Return a grant that allows an account an operation on a licence, if there is one."""
        return next((one for one in self.active(licence_arn, account) if operation in one.operations), None)

    def _list(self, grant: Grant) -> None:
        # Who it is for never changes.
        if grant.grantee is not None:
            self._by_grantee[grant.licence_arn, grant.grantee].append(grant.arn)

    def _is_rooted(self, grant: Grant) -> bool:
        while (parent := self.find(grant.parent_arn)) is not None:
            if parent.status not in _LIVE:
                return False
            grant = parent
        return True
