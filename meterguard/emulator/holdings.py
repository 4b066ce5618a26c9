"""The licences of an emulator, as a test adds, changes and looks at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

from .options import check_arguments
from .protocol.errors import ConfigurationError, UnknownLicense
from .protocol.redaction import shown
from .state.identifiers import Identifiers
from .state.licenses import Checkout, License, license_arn
from .state.persistence import Memory
from .state.pools import State
from .state.signing_key import SigningKey
from .state.terms import ISSUER_ACCOUNT, build_license, change_terms, check_receipt

__all__ = ("Holdings", "IssuedLicense")


class IssuedLicense(License):
    """A licence as a test gets it, with the key that its signed tokens verify with."""

    # No field: it is not part of what the licence is, and a copy in another process goes without it.
    __slots__ = ("_key_of",)
    _key_of: Callable[[License], str]

    @classmethod
    def of(cls, licence: License, key_of: Callable[[License], str]) -> IssuedLicense:
        """Return a licence with a function that finds its key."""
        issued = cls(**{one.name: getattr(licence, one.name) for one in fields(licence)})
        object.__setattr__(issued, "_key_of", key_of)
        return issued

    @property
    def public_key_pem(self) -> str:
        """Return the key that verifies the licence's signed tokens, as a vendor ships it."""
        if not hasattr(self, "_key_of"):
            raise ConfigurationError(
                "public_key_pem: a copy of a licence does not know its key; ask license() of the emulator for it"
            )
        return self._key_of(self)


class Holdings:
    """The licences of an emulator, and what is checked out of them. `Emulator` says what its methods do.

    Args:
        state: The tables that they are in.
        kept: The lock and the clock of these tables.
        identifiers: The source of new ARNs.
        account_id: The account that receives licences.
        region: The home Region of licences that name none.
        signing: The keys that their tokens are signed with.
    """

    def __init__(
        self, state: State, kept: Memory, identifiers: Identifiers, account_id: str, region: str, signing: SigningKey
    ) -> None:
        self._state = state
        self._lock = kept.lock
        self._clock = kept.clock
        self._identifiers = identifiers
        self._account = account_id
        self._region = region
        self._signing = signing

    def add(self, given: Mapping[str, object]) -> IssuedLicense:
        """Issue a licence on the terms that are given, None for a default of the emulator."""
        issuer = given["issuer_account"]
        issuer = ISSUER_ACCOUNT if issuer is None else issuer
        beneficiary, recipients = given["beneficiary"], given["recipients"]
        terms = {
            "home_region": self._region,
            **given,
            "issuer_account": issuer,
            "beneficiary": self._account if beneficiary is None else beneficiary,
        }
        licence = build_license(license_arn(str(issuer), self._identifiers.new()), self._clock.now(), terms)
        if recipients is None:
            recipients = () if issuer == self._account else (self._account,)
        with self._lock:
            self._state.add(licence, recipients)  # type: ignore[arg-type]
        return self._issued(licence)

    def change(self, licence: License | str, changes: Mapping[str, object]) -> IssuedLicense:
        """Make a new version of a licence."""
        with self._lock:
            current = self.find(licence)
            return self._issued(self._state.change(current.arn, **change_terms(current, changes)))

    def receive(
        self, licence: License | str, account: str | None, status: str, operations: Sequence[str] | None
    ) -> None:
        """Set the status of a licence that an account received."""
        check_receipt(account, status, operations)
        with self._lock:
            self._state.receive(self.find(licence).arn, account or self._account, status, operations)

    def find(self, licence: License | str) -> IssuedLicense:
        """Return the newest version of a licence."""
        check_arguments(licence=licence)
        with self._lock:
            for known in reversed(self._state.licenses()):
                if _is_meant(known, licence):
                    return self._issued(known)
        raise UnknownLicense(f"licence: {shown(licence)} was not added")

    def all(self) -> list[IssuedLicense]:
        """Return the newest version of every licence."""
        with self._lock:
            return [self._issued(one) for one in self._state.licenses()]

    def as_issued(self) -> list[License]:
        """Return the first version of every licence."""
        with self._lock:
            return [self._state.versions(one.arn)[0] for one in self._state.licenses()]

    def usage(self, licence: License | str) -> dict[str, int]:
        """Return the units in use of each counted entitlement."""
        with self._lock:
            arn = self.find(licence).arn
            return {held.name: used for held, used in self._state.usage(arn, self._clock.now())}

    def checkouts(self, licence: License | str | None) -> list[Checkout]:
        """Return what is held now, of one licence or of all."""
        with self._lock:
            arn = None if licence is None else self.find(licence).arn
            return [one for one in self._state.checkouts(self._clock.now()) if arn in (None, one.arn)]

    def _issued(self, licence: License) -> IssuedLicense:
        return IssuedLicense.of(licence, self._public_key_of)

    def _public_key_of(self, licence: License) -> str:
        return self._signing.of(licence.sign_key).public_key_pem


def _is_meant(known: License, licence: License | str) -> bool:
    return (licence.arn if isinstance(licence, License) else licence) in (known.arn, known.sku)
