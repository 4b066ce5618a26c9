"""Products, customers and what these have bought, from the terms that a test or a seed file gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..protocol.errors import UnknownArgument, WrongValue
from ..protocol.moments import Moment, moment_of
from ..protocol.redaction import shown
from ..protocol.validation import FLAG, MOMENT, TEXT, TEXTS, Rules, check, is_table_of, is_whole, maybe
from .licenses import License, license_arn
from .listings import VALUE_KINDS, Agreement, Contract, Kind, Listing

__all__ = (
    "PRODUCT_TERMS",
    "CustomerLike",
    "Value",
    "build_agreement",
    "build_contract",
    "build_listing",
    "check_product",
)

Value = bool | int | float | str
"""What a customer has bought of a dimension."""

CustomerLike = str | License | Mapping[str, object]
"""An account, a licence whose beneficiary is one, or ``account_id``, ``begin``, ``end`` and ``entitlements``."""


def check_product(terms: Mapping[str, object]) -> None:
    """Refuse, with a ConfigurationError that names it, a term that `add_product` cannot take."""
    _require_known("add_product", terms, _PRODUCT)
    check(_PRODUCT, {"code": None, "dimensions": None, **terms})


def build_listing(terms: Mapping[str, Any], account: str, now: float) -> Listing:
    """Return the product on these terms, sold by an account unless they name another."""
    check_product(terms)
    return Listing(
        code=terms["code"],
        dimensions=tuple(terms["dimensions"]),
        seller=terms["seller_account"] or account,
        created=now,
        agentcore=terms["agentcore"],
        has_identifiers=terms["customer_identifiers"],
        public_key_version=terms["public_key_version"],
    )


def build_agreement(
    listing: Listing, given: CustomerLike, new_id: Callable[[], str]
) -> tuple[Agreement, list[Contract]]:
    """Return the agreement of a customer of a product, and what was bought with it."""
    said = _said(given)
    _require_known("a customer", said, _CUSTOMER)
    check(_CUSTOMER, {"account_id": None, **said})
    begin, end = said.get("begin"), said.get("end")
    agreement = Agreement(
        license_arn=said.get("license_arn") or license_arn(listing.seller, new_id()),
        product=listing.code,
        account=said["account_id"],
        identifier=new_id()[:11] if listing.has_identifiers else None,
        begin=None if begin is None else moment_of(begin),
        end=None if end is None else moment_of(end),
        agreement_id=f"agmt-{new_id()[:25]}",
    )
    bought = said.get("entitlements") or {}
    return agreement, [build_contract(listing, dimension, value) for dimension, value in bought.items()]


def build_contract(listing: Listing, dimension: str, value: Value, end: Moment | None = None) -> Contract:
    """Return what a customer has bought of a dimension."""
    check({"dimension": TEXT, "end": maybe(MOMENT)}, {"dimension": dimension, "end": end})
    if dimension not in listing.dimensions:
        raise WrongValue(f"dimension: {shown(dimension)} is not one of the product's, {', '.join(listing.dimensions)}")
    kind: Kind | None = next((name for name, type_ in VALUE_KINDS.items() if type(value) is type_), None)
    if kind is None or not (isinstance(value, str) or -(2**31) <= value < 2**31):
        raise WrongValue(f"value: {shown(value)} is not a number of 32 bits, a text, true or false")
    return Contract(dimension, kind, value, None if end is None else moment_of(end))


def _said(given: CustomerLike) -> Mapping[str, Any]:
    if isinstance(given, License):
        return {"account_id": given.beneficiary, "license_arn": given.arn, "begin": given.begin, "end": given.end}
    return given if isinstance(given, Mapping) else {"account_id": given}


def _require_known(what: str, given: Mapping[str, object], known: Rules) -> None:
    unknown = given.keys() - known.keys()
    if unknown:
        names = ", ".join(sorted(known))
        raise UnknownArgument(f"{what} does not take {', '.join(sorted(map(str, unknown)))}; it takes {names}")


def _are_customers(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


_ACCOUNT: Final = re.compile("[0-9]{1,255}")
_CODE: Final = re.compile("[-a-zA-Z0-9/=:_.@]{1,255}")
_ARN: Final = re.compile(r"arn:aws[a-zA-Z-]*:[\w/.-]+:[\w/.-]*:[\w/.-]*:[\w:/+=,@.-]+", re.ASCII)
_CUSTOMER: Final[Rules] = {
    "account_id": (lambda one: isinstance(one, str) and bool(_ACCOUNT.fullmatch(one)), "an account, in digits"),
    "license_arn": maybe((lambda one: isinstance(one, str) and bool(_ARN.fullmatch(one)), "the ARN of a licence")),
    "begin": maybe(MOMENT),
    "end": maybe(MOMENT),
    "entitlements": maybe((is_table_of(lambda _: True), "a table of dimensions and values")),
}
_PRODUCT: Final[Rules] = {
    "code": (
        lambda one: isinstance(one, str) and bool(_CODE.fullmatch(one)),
        "a product code: letters, digits and any of -/=:_.@",
    ),
    "dimensions": TEXTS,
    "customers": maybe((_are_customers, "a list of customers")),
    "seller_account": maybe(TEXT),
    "agentcore": FLAG,
    "customer_identifiers": FLAG,
    "public_key_version": (is_whole(1, 2**31 - 1), "a whole number of at least 1"),
}

PRODUCT_TERMS: Final = _PRODUCT.keys()
"""The names of the terms of a product."""
