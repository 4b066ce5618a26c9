"""The products of an emulator's marketplace and their customers, as a test adds and changes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from .protocol.errors import UnknownArgument, WrongValue
from .protocol.moments import Moment, moment_of
from .protocol.redaction import shown
from .protocol.validation import FLAG, MOMENT, TEXT, TEXTS, Rules, check, is_table_of, is_whole, maybe
from .state.identifiers import Identifiers
from .state.licenses import License, license_arn
from .state.listings import Agreement, Contract, Kind, Listing, Registration
from .state.metering import MeteringRecord
from .state.persistence import Memory
from .state.pools import State

__all__ = ("PRODUCT_TERMS", "Customer", "CustomerLike", "Product", "Shop", "Value")

Value = bool | int | float | str
"""What a customer has bought of a dimension."""

CustomerLike = str | License | Mapping[str, object]
"""An account, a licence whose beneficiary is one, or ``account_id``, ``begin``, ``end`` and ``entitlements``."""


class Customer:
    """A customer of a product: one agreement, with the licence that it gave."""

    def __init__(self, shop: Shop, arn: str) -> None:
        self._shop = shop
        self._arn = arn

    def __repr__(self) -> str:
        return f"<Customer {self.account_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Customer) and other._arn == self._arn

    def __hash__(self) -> int:
        return hash(self._arn)

    @property
    def account_id(self) -> str:
        """Return the account, for ``CustomerAWSAccountId``."""
        return self._agreement.account or ""

    @property
    def license_arn(self) -> str:
        """Return the ARN of the licence, for ``LicenseArn``."""
        return self._arn

    @property
    def identifier(self) -> str | None:
        """Return the ``CustomerIdentifier``, which only products with ``customer_identifiers=True`` have."""
        return self._agreement.identifier

    @property
    def agreement_id(self) -> str:
        """Return the id of the agreement."""
        return self._agreement.agreement_id

    @property
    def registration_token(self) -> str:
        """Return the token that the customer's browser brought last, for ``ResolveCustomer``."""
        return self._shop.token_of(self._arn)

    def register(self) -> str:
        """Let the customer set up the account once more, and return the new registration token."""
        return self._shop.register(self._arn)

    @property
    def is_subscribed(self) -> bool:
        """Return whether the agreement lasts."""
        return self._agreement.is_active_at(self._shop.now())

    def unsubscribe(self) -> None:
        """End the agreement now. For one hour its last usage is still taken."""
        self._shop.end(self._arn)

    def entitle(self, dimension: str, value: Value = True, *, end: Moment | None = None) -> None:
        """Set what the customer has bought of a dimension, for ``GetEntitlements``.

        Args:
            dimension: A dimension of the product.
            value: A whole number, a number, a text, or true or false.
            end: When that ends; None: when the agreement does.
        """
        self._shop.entitle(self._arn, dimension, value, end)

    @property
    def _agreement(self) -> Agreement:
        return self._shop.agreement(self._arn)


class Product:
    """A product that was listed in the marketplace."""

    def __init__(self, shop: Shop, listing: Listing) -> None:
        self._shop = shop
        self._listing = listing

    def __repr__(self) -> str:
        return f"<Product {self.code}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and other.code == self.code

    def __hash__(self) -> int:
        return hash(self.code)

    @property
    def code(self) -> str:
        """Return the product code."""
        return self._listing.code

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return the names of the dimensions."""
        return self._listing.dimensions

    @property
    def customers(self) -> list[Customer]:
        """Return all customers in the order in which they came, also those who left."""
        return self._shop.customers(self.code)

    def add_customer(self, customer: CustomerLike) -> Customer:
        """Add a customer. One account can have several agreements, each with a licence of its own."""
        return self._shop.add_customer(self._listing, customer)


class Shop:
    """All products and customers, and what was metered. `Emulator` says what its methods do.

    Args:
        state: The tables that they are in.
        kept: The lock and the clock of these tables.
        identifiers: The source of new ARNs and tokens.
        account_id: The account that sells, and buys, where nothing else is said.
    """

    def __init__(self, state: State, kept: Memory, identifiers: Identifiers, account_id: str) -> None:
        self._state = state
        self._lock = kept.lock
        self._clock = kept.clock
        self._new_id = identifiers.new
        self._account = account_id

    def add(self, terms: Mapping[str, Any]) -> Product:
        """List a product with its customers, or nothing at all if one of them is wrong."""
        check(_TERMS, terms)
        seller = terms["seller_account"] or self._account
        listing = Listing(
            code=terms["code"],
            dimensions=tuple(terms["dimensions"]),
            seller=seller,
            created=self.now(),
            agentcore=terms["agentcore"],
            has_identifiers=terms["customer_identifiers"],
            public_key_version=terms["public_key_version"],
        )
        given = [self._account] if terms["customers"] is None else terms["customers"]
        bought = [self._bought(listing, one) for one in given]
        with self._lock:
            if self._state.listings.find(listing.code) is not None:
                raise WrongValue(f"code: the product {shown(listing.code)} was added before")
            self._state.listings.add(listing)
            for one in bought:
                self._keep(*one)
        return Product(self, listing)

    def add_customer(self, listing: Listing, customer: CustomerLike) -> Customer:
        """Add a customer of a product."""
        bought = self._bought(listing, customer)
        with self._lock:
            return self._keep(*bought)

    def find(self, product: Product | str) -> Product:
        """Return a product by its code."""
        code = product.code if isinstance(product, Product) else product
        with self._lock:
            listing = self._state.listings.find(code)
        if listing is None:
            raise WrongValue(f"product: {shown(code)} was not added with add_product")
        return Product(self, listing)

    def all(self) -> list[Product]:
        """Return every product that was listed."""
        with self._lock:
            return [Product(self, one) for one in self._state.listings]

    def customers(self, code: str) -> list[Customer]:
        """Return every customer of a product."""
        with self._lock:
            return [Customer(self, one.license_arn) for one in self._state.listings.agreements(code)]

    def records(self) -> list[MeteringRecord]:
        """Return every record of usage that was accepted."""
        with self._lock:
            return list(self._state.meterings)

    def bill(self, product: Product | str | None, customer: Customer | str | None) -> dict[str, Decimal]:
        """Return what is charged for, by dimension."""
        code = product.code if isinstance(product, Product) else product
        is_customers = _whose(customer)
        check({"product": maybe(TEXT)}, {"product": code})
        with self._lock:
            return self._state.meterings.bill(lambda one: code in (None, one.product) and is_customers(one))

    # For customers

    def now(self) -> float:
        """Return the time."""
        return self._clock.now()

    def agreement(self, arn: str) -> Agreement:
        """Return the agreement of a customer."""
        with self._lock:
            return self._state.listings.agreed(arn)

    def end(self, arn: str) -> None:
        """End the agreement of a customer."""
        with self._lock:
            self._state.listings.end(arn, self.now())

    def entitle(self, arn: str, dimension: str, value: Value, end: Moment | None) -> None:
        """Set what a customer has bought of a dimension."""
        with self._lock:
            listing = self._state.listings.find(self.agreement(arn).product)
            contract = _contract(listing, dimension, value, end)
            self._state.listings.entitle(arn, contract)

    def register(self, arn: str) -> str:
        """Give a customer a new registration token."""
        token = self._new_id() + self._new_id()
        with self._lock:
            self._state.listings.register(Registration(token, arn, self.now()))
        return token

    def token_of(self, arn: str) -> str:
        """Return the newest registration token of a customer."""
        with self._lock:
            return self._state.listings.newest_token(arn)

    def _bought(self, listing: Listing, given: CustomerLike) -> tuple[Agreement, list[Contract]]:
        """Return the agreement of a customer, and what was bought with it."""
        said = _said(given)
        unknown = said.keys() - _CUSTOMER.keys()
        if unknown:
            raise UnknownArgument(
                f"customers: a customer has no {', '.join(sorted(unknown))}; it may have {', '.join(_CUSTOMER)}"
            )
        check(_CUSTOMER, {"account_id": None, **said})
        begin, end = said.get("begin"), said.get("end")
        agreement = Agreement(
            license_arn=said.get("license_arn") or license_arn(listing.seller, self._new_id()),
            product=listing.code,
            account=said["account_id"],
            identifier=self._new_id()[:11] if listing.has_identifiers else None,
            begin=None if begin is None else moment_of(begin),
            end=None if end is None else moment_of(end),
            agreement_id=f"agmt-{self._new_id()[:25]}",
        )
        bought = said.get("entitlements") or {}
        return agreement, [_contract(listing, name, value, None) for name, value in bought.items()]

    def _keep(self, agreement: Agreement, contracts: Sequence[Contract]) -> Customer:
        if self._state.listings.has_agreed(agreement.license_arn):
            raise WrongValue("customers: a licence belongs to one customer of one product")
        self._state.listings.agree(agreement)
        for one in contracts:
            self._state.listings.entitle(agreement.license_arn, one)
        self.register(agreement.license_arn)
        return Customer(self, agreement.license_arn)


def _said(given: CustomerLike) -> Mapping[str, Any]:
    if isinstance(given, License):
        return {"account_id": given.beneficiary, "license_arn": given.arn, "begin": given.begin, "end": given.end}
    return given if isinstance(given, Mapping) else {"account_id": given}


def _contract(listing: Listing | None, dimension: str, value: Value, end: Moment | None) -> Contract:
    check({"dimension": TEXT, "end": maybe(MOMENT)}, {"dimension": dimension, "end": end})
    if listing is not None and dimension not in listing.dimensions:
        raise WrongValue(f"dimension: {shown(dimension)} is not one of the product's, {', '.join(listing.dimensions)}")
    kind = _KINDS.get(type(value))
    if kind is None or (kind == "IntegerValue" and not -(2**31) <= value < 2**31):  # type: ignore[operator]
        raise WrongValue(f"value: {shown(value)} is not a number of 32 bits, a text, true or false")
    return Contract(dimension, kind, value, None if end is None else moment_of(end))


def _whose(customer: Customer | str | None) -> Callable[[MeteringRecord], bool]:
    """Return the test for the records of one customer."""
    if customer is None:
        return lambda one: True
    if isinstance(customer, Customer):
        arn, account, product = customer.license_arn, customer.account_id, customer._agreement.product
        # Usage that was metered by product code names no licence.
        return lambda one: (one.license_arn or arn) == arn and (one.account, one.product) == (account, product)
    check({"customer": TEXT}, {"customer": customer})
    return lambda one: customer in (one.account, one.license_arn)


_KINDS: Final[Mapping[type, Kind]] = {
    bool: "BooleanValue",
    int: "IntegerValue",
    float: "DoubleValue",
    str: "StringValue",
}
_ACCOUNT: Final = re.compile("[0-9]{1,255}")
_CUSTOMER: Final[Rules] = {
    "account_id": (lambda one: isinstance(one, str) and bool(_ACCOUNT.fullmatch(one)), "an account, in digits"),
    "license_arn": maybe(TEXT),
    "begin": maybe(MOMENT),
    "end": maybe(MOMENT),
    "entitlements": maybe((is_table_of(lambda _: True), "a table of dimensions and values")),
}
_CODE: Final = re.compile("[-a-zA-Z0-9/=:_.@]{1,255}")
_TERMS: Final[Rules] = {
    "code": (
        lambda one: isinstance(one, str) and bool(_CODE.fullmatch(one)),
        "a product code: letters, digits and any of -/=:_.@",
    ),
    "dimensions": TEXTS,
    "customers": maybe((lambda one: isinstance(one, Sequence) and not isinstance(one, str), "a list of customers")),
    "seller_account": maybe(TEXT),
    "agentcore": FLAG,
    "customer_identifiers": FLAG,
    "public_key_version": (is_whole(1, 2**31 - 1), "a whole number of at least 1"),
}

PRODUCT_TERMS: Final = _TERMS.keys()
"""The names of the terms of a product."""
