"""The buyer that a record of usage means, and whether usage of that buyer is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..protocol.errors import ServiceError
from ..protocol.messages import Parameters
from .listings import FLUSH, Agreement, Listings
from .metering import hour_of

__all__ = ("Buyer", "buyer_of", "require_entitled")


@dataclass(frozen=True, slots=True)
class Buyer:
    """The customer of one record. ``product`` is None where nobody knows what a licence is of."""

    product: str | None
    account: str
    license_arn: str | None = field(default=None, repr=False)
    is_subscribed: bool = True


def buyer_of(listings: Listings, code: str | None, record: Parameters, now: float) -> Buyer:
    """Return who is meant by a record of a batch, whose request names the product ``code`` or None.

    Raises:
        ServiceError: The record poisons its batch: it names nobody, or a licence that is not that customer's.
    """
    if "LicenseArn" in record:
        return _by_license(listings, code, record, now)
    if code is None:
        raise ServiceError("InvalidProductCodeException", "A usage record without a LicenseArn needs a ProductCode.")
    return _by_product(listings, code, record, now)


def require_entitled(listings: Listings, code: str, account: str, now: float) -> None:
    """Refuse a product that an account is not subscribed to. A product that nobody knows is everybody's."""
    agreements = listings.agreements(code)
    if listings.find(code) is None and not agreements:
        return
    if not any(one.account in (None, account) and one.is_active_at(now) for one in agreements):
        raise ServiceError(
            "CustomerNotEntitledException", "The customer does not have a valid subscription for the product."
        )


def _by_license(listings: Listings, code: str | None, record: Parameters, now: float) -> Buyer:
    arn, account = record["LicenseArn"], record.get("CustomerAWSAccountId")
    if account is None:
        raise _nobody("A usage record with a LicenseArn needs a CustomerAWSAccountId.")
    agreement = listings.agreement(arn)
    if agreement is None:
        if listings.is_strict:
            raise _wrong_license("The LicenseArn is not valid.")
        return Buyer(code, account, arn)
    if code not in (None, agreement.product):
        raise _wrong_license("The LicenseArn is not one of the product's.")
    if agreement.account not in (None, account):
        raise _wrong_license("The LicenseArn does not match the customer.")
    is_subscribed = agreement.is_active_at(now - FLUSH)
    if is_subscribed and not agreement.covers(hour_of(record["Timestamp"])):
        raise _wrong_license("The usage is not within the license activation period.")
    return Buyer(agreement.product, account, arn, is_subscribed)


def _by_product(listings: Listings, code: str, record: Parameters, now: float) -> Buyer:
    account, identifier = record.get("CustomerAWSAccountId"), record.get("CustomerIdentifier")
    if account is None and identifier is None:
        raise _nobody("A usage record needs a CustomerAWSAccountId.")
    listing, agreements = listings.find(code), listings.agreements(code)
    if listing is None and (not agreements or account is None):
        return Buyer(code, account or identifier or "")
    if account is None and listing is not None and not listing.has_identifiers:
        raise _nobody("The product has no CustomerIdentifiers; use CustomerAWSAccountId.")
    meant = [one for one in agreements if _means(one, account, identifier)]
    known = next((one.account for one in meant if one.account is not None), account or identifier or "")
    return Buyer(code, known, is_subscribed=_is_any_active(meant, now - FLUSH))


def _means(agreement: Agreement, account: str | None, identifier: str | None) -> bool:
    if account is None:
        return agreement.identifier == identifier
    return agreement.account in (None, account)


def _is_any_active(agreements: Sequence[Agreement], now: float) -> bool:
    return any(one.is_active_at(now) for one in agreements)


def _wrong_license(why: str) -> ServiceError:
    return ServiceError("InvalidLicenseException", why)


def _nobody(why: str) -> ServiceError:
    return ServiceError("InvalidCustomerIdentifierException", why)
