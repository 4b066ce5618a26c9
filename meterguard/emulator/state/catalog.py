"""The catalog of licences: their versions, who received them, and which one a checkout means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import replace

from ..protocol.errors import ServiceError, elsewhere
from .allocation import Ask
from .grants import Grants, ready_grant
from .kms_keys import KmsKeys
from .licenses import License
from .listings import Listings
from .mappings import MakeTable
from .metering import Meterings
from .sessions import Sessions
from .switches import Behavior
from .tags import Tags
from .tokens import Tokens

__all__ = ("Catalog",)


class Catalog:
    """All licences with their versions, their grants, tags and tokens, and who may act by a token."""

    def __init__(self, behavior: Behavior, new_id: Callable[[], str], table: MakeTable) -> None:
        self.behavior = behavior
        self.grants = Grants(table("grants"))
        self.tags = Tags(table("tags"))
        self.tokens = Tokens(table("tokens"))
        self.kms_keys = KmsKeys(table("kms_keys"))
        self.sessions = Sessions(table("sessions"))
        self.listings = Listings(table, self.licenses)
        self.meterings = Meterings(table("meterings"))
        self.organizations: dict[str, Sequence[str]] = {}
        self._new_id = new_id
        self._versions: MutableMapping[str, tuple[License, ...]] = table("licenses")
        self._by_product: MutableMapping[tuple[str, str], tuple[str, ...]] = table("products")

    def add(self, licence: License, recipients: Iterable[str] = ()) -> None:
        """Put a new licence in the tables, received and activated by some accounts."""
        self._versions[licence.arn] = (licence,)
        self._list(licence)
        for account in recipients:
            self.receive(licence.arn, account, "ACTIVE")

    def change(self, arn: str, **changes: object) -> License:
        """Make a new version of a licence."""
        current = self._versions[arn][-1]
        version = replace(current, version=current.version + 1, **changes)  # type: ignore[arg-type]
        self._versions[arn] = (*self._versions[arn], version)
        if version.key_fingerprint != current.key_fingerprint:
            before = current.sku, current.key_fingerprint
            self._by_product[before] = tuple(one for one in self._by_product[before] if one != arn)
            self._list(version)
        return version

    def receive(self, arn: str, account: str, status: str, operations: Sequence[str] | None = None) -> None:
        """Set the status of a licence that an account received, and the operations that its grant allows."""
        grant = self.grants.shown(arn, account)
        if grant is None:
            self.grants.add(ready_grant(self._versions[arn][-1], self._new_id(), account, status, operations))
            return
        if operations is not None:
            self.grants.revise(grant.arn, operations=tuple(operations))
        self.grants.settle(grant.arn, status)

    def current(self, arn: str) -> License:
        """Return the newest version of a licence that there is."""
        return self._versions[arn][-1]

    def license(self, arn: str) -> License | None:
        """Return the newest version of a licence."""
        versions = self._versions.get(arn)
        return versions[-1] if versions else None

    def version(self, arn: str, version: str) -> License | None:
        """Return one version of a licence."""
        return next((one for one in self._versions.get(arn, ()) if str(one.version) == version), None)

    def versions(self, arn: str) -> list[License]:
        """List all versions of a licence, the first one first."""
        return list(self._versions.get(arn, ()))

    def owner_of(self, arn: str) -> str | None:
        """Return the account that a licence or grant belongs to."""
        licence, grant = self.license(arn), self.grants.find(arn)
        if licence is not None:
            return licence.issuer_account
        return None if grant is None else grant.granter

    def members(self, account: str) -> frozenset[str]:
        """Return the accounts of the organizations that an account manages."""
        managed = (accounts for arn, accounts in self.organizations.items() if f"::{account}:" in arn)
        return frozenset(member for accounts in managed for member in accounts)

    def licenses(self) -> list[License]:
        """Return the newest version of every licence, in the order of creation."""
        return [versions[-1] for versions in self._versions.values()]

    def received_status(self, arn: str, account: str) -> str | None:
        """Return the status of a licence that an account received; None if it never received it."""
        grant = self.grants.shown(arn, account)
        return None if grant is None else grant.status

    def is_visible(self, licence: License, account: str) -> bool:
        """Return whether an account may read a licence, for it issued or received it."""
        return licence.issuer_account == account or self.received_status(licence.arn, account) is not None

    def choose(self, ask: Ask, now: float) -> License:
        """Return the licence that a checkout is made of; a ServiceError if there is none for it."""
        arns = self._by_product.get((ask.sku, ask.key_fingerprint), ())
        matching = [licence for licence in (self._versions[arn][-1] for arn in arns) if licence.status != "DELETED"]
        own = [licence for licence in matching if licence.issuer_account == ask.account]
        if ask.beneficiary is not None:
            candidates = [licence for licence in own if licence.beneficiary == ask.beneficiary]
        else:
            candidates = [one for one in matching if self.grants.active(one.arn, ask.account)]
            if own and not candidates:
                raise ServiceError(
                    self.behavior.missing_beneficiary_error,
                    "Beneficiary is required when the license was issued by the caller's account.",
                )
        # The newest wins, and the caller has no say in it.
        for licence in reversed(candidates):
            if licence.is_usable_at(now):
                if self.behavior.checkout_only_at_home and ask.region not in (None, licence.home_region):
                    raise elsewhere(licence.home_region)
                self.require_granted(licence, ask.account, "CheckoutLicense")
                return licence
        raise self.not_usable(candidates, now)

    def may_use(self, licence: License, account: str) -> bool:
        """Return whether an account issued a licence, or has an active grant of it."""
        return licence.issuer_account == account or bool(self.grants.active(licence.arn, account))

    def require_granted(self, licence: License, account: str, operation: str) -> None:
        """Refuse an operation that no active grant of an account allows."""
        # Whoever lost its grant may still return what it holds.
        active = self.grants.active(licence.arn, account)
        if licence.issuer_account != account and active and not any(operation in one.operations for one in active):
            raise ServiceError(self.behavior.not_granted_error, f"The grant does not allow {operation}.")

    def not_usable(self, candidates: Sequence[License], now: float) -> ServiceError:
        """Return the error that tells why none of these licences can be used."""
        if not candidates:
            return ServiceError(self.behavior.unknown_sku_error, "No license was found for the product and issuer.")
        if candidates[-1].status_at(now) == "PENDING_AVAILABLE":
            return ServiceError(self.behavior.pending_license_error, "The license is not available yet.")
        return ServiceError(self.behavior.unusable_license_error, "No Entitlements Allowed")

    def _list(self, licence: License) -> None:
        product = licence.sku, licence.key_fingerprint
        self._by_product[product] = (*self._by_product.get(product, ()), licence.arn)
