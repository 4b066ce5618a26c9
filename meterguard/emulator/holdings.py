"""The licences of an emulator, as a test adds, changes and looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from .options import check_arguments
from .protocol.errors import UnknownLicense
from .protocol.moments import Moment
from .protocol.redaction import shown
from .state.clock import Clock
from .state.identifiers import Identifiers
from .state.licenses import Checkout, License, license_arn
from .state.persistence import Memory
from .state.pools import State
from .state.terms import (
    ISSUER_ACCOUNT,
    ISSUER_NAME,
    EntitlementLike,
    LicenseChanges,
    MoreTerms,
    build_license,
    change_terms,
    check_receipt,
)

__all__ = ("Holdings",)


class Holdings:
    """The licences of an emulator, and what is checked out of them.

    Args:
        state: The tables that they are in.
        kept: The lock and the clock of these tables.
        identifiers: The source of new ARNs.
        account_id: The account that receives licences.
        region: The home Region of licences that name none.
    """

    def __init__(self, state: State, kept: Memory, identifiers: Identifiers, account_id: str, region: str) -> None:
        self.account_id = account_id
        self.region = region
        self.clock: Clock = kept.clock
        self._state = state
        self._lock = kept.lock
        self._identifiers = identifiers

    def add_license(
        self,
        product_sku: str,
        entitlements: list[EntitlementLike] | tuple[EntitlementLike, ...],
        *,
        ttl: float | None = 3600,
        issuer_account: str | None = None,
        issuer_name: str = ISSUER_NAME,
        beneficiary: str | None = None,
        recipients: tuple[str, ...] | list[str] | None = None,
        begin: Moment | None = None,
        end: Moment | None = None,
        allow_check_in: bool = True,
        overage: bool = False,
        **more: Unpack[MoreTerms],
    ) -> License:
        """Issue a licence. Unless told otherwise another account issues it and `account_id` received it.

        Args:
            product_sku: The SKU to ask for in a checkout.
            entitlements: ``(name, maximum, unit)`` for what is counted, where the maximum None is no limit;
                ``(name, value or None, "None")`` for a feature. A mapping as fourth member may set
                ``overage`` and ``allow_check_in`` of one entitlement.
            ttl: How long a provisional checkout lives: whole seconds, at least 1. None: none can be made.
            issuer_account: Who issues it. If that is `account_id`, nobody receives it, and a checkout has to
                name the beneficiary.
            issuer_name: The name in the fingerprint.
            beneficiary: The customer's name or account; by default `account_id`.
            recipients: The accounts that received and activated it.
            begin: When it becomes valid; by default now.
            end: When it ends; by default never.
            allow_check_in: Whether units can be returned before they lapse.
            overage: Whether more than the maximum may be taken.
            more: ``name``, ``product_name``, ``home_region``, ``status``, ``renew_type``, ``borrow_ttl``,
                ``borrow_early_check_in``, ``metadata`` (a mapping), ``sign_key``.
        """
        issuer = ISSUER_ACCOUNT if issuer_account is None else issuer_account
        default = () if issuer == self.account_id else (self.account_id,)
        terms = {
            "product_sku": product_sku,
            "entitlements": entitlements,
            "ttl": ttl,
            "issuer_account": issuer,
            "issuer_name": issuer_name,
            "beneficiary": beneficiary if beneficiary is not None else self.account_id,
            "recipients": recipients,
            "begin": begin,
            "end": end,
            "allow_check_in": allow_check_in,
            "overage": overage,
            "home_region": self.region,
            **more,
        }
        licence = build_license(license_arn(issuer, self._identifiers.new()), self.clock.now(), terms)
        with self._lock:
            self._state.add(licence, default if recipients is None else recipients)
        return licence

    def update_license(self, licence: License | str, **changes: Unpack[LicenseChanges]) -> License:
        """Make a new version of a licence; ``changes`` are named as in :meth:`add_license`."""
        with self._lock:
            current = self.license(licence)
            return self._state.change(current.arn, **change_terms(current, changes))

    def receive(
        self,
        licence: License | str,
        *,
        account: str | None = None,
        status: str = "ACTIVE",
        operations: Sequence[str] | None = None,
    ) -> None:
        """Set what has become of a licence that an account received, by default `account_id`.

        Only ``"ACTIVE"`` may be checked out; ``"DISABLED"`` and ``"DELETED"`` take it away. ``operations`` are
        what its grant allows, as ``CreateGrant`` names them.
        """
        check_receipt(account, status, operations)
        with self._lock:
            self._state.receive(self.license(licence).arn, account or self.account_id, status, operations)

    def license(self, licence: License | str) -> License:
        """The newest version of a licence, found by its ARN or as the newest of its SKU."""
        check_arguments(licence=licence)
        with self._lock:
            for known in reversed(self._state.licenses()):
                if _is_meant(known, licence):
                    return known
        raise UnknownLicense(f"licence: {shown(licence)} was not added")

    def licenses(self) -> list[License]:
        """The newest version of every licence, deleted ones too, in the order in which they were added."""
        with self._lock:
            return self._state.licenses()

    def usage(self, licence: License | str) -> dict[str, int]:
        """The units in use now of each counted entitlement, held and spent."""
        with self._lock:
            arn = self.license(licence).arn
            return {held.name: used for held, used in self._state.usage(arn, self.clock.now())}

    def checkouts(self, licence: License | str | None = None) -> list[Checkout]:
        """The provisional checkouts and borrows that are live now."""
        with self._lock:
            arn = None if licence is None else self.license(licence).arn
            return [one for one in self._state.checkouts(self.clock.now()) if arn in (None, one.arn)]


def _is_meant(known: License, licence: License | str) -> bool:
    return (licence.arn if isinstance(licence, License) else licence) in (known.arn, known.sku)
