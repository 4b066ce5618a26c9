"""The products of an emulator's marketplace and their customers, as a test adds and changes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .protocol.errors import WrongValue
from .protocol.moments import Moment
from .protocol.redaction import shown
from .protocol.validation import TEXT, check, maybe
from .state.identifiers import Identifiers
from .state.listings import Agreement, Contract, Listing, Registration
from .state.metering import MeteringRecord
from .state.persistence import Memory
from .state.pools import State
from .state.product_terms import CustomerLike, Value, build_agreement, build_contract, build_listing

__all__ = ("Customer", "Product", "Shop")


class Customer:
    """A customer of a product: one agreement, with the licence that it gave."""

    def __init__(self, shop: Shop, arn: str) -> None:
        self._shop = shop
        self._arn = arn

    def __repr__(self) -> str:
        return f"<Customer {self.account_id} of {self.product_code}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Customer) and other.license_arn == self._arn

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
    def product_code(self) -> str:
        """Return the code of the product."""
        return self._agreement.product

    @property
    def agreement_id(self) -> str:
        """Return the id of the agreement."""
        return self._agreement.agreement_id

    @property
    def identifier(self) -> str | None:
        """Return the ``CustomerIdentifier``. Only customers of products with ``customer_identifiers=True`` have one."""
        return self._agreement.identifier

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
        return self._shop.is_active(self._agreement)

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
        self._shop.entitle(self._agreement, dimension, value, end)

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
    """All products and customers, and what was metered. `Marketplace` says what its methods do.

    Args:
        state: The tables that they are in.
        kept: The lock and the clock of these tables.
        identifiers: The source of new ARNs and tokens.
        account_id: The account that sells, and buys, where nothing else is said.
    """

    def __init__(self, state: State, kept: Memory, identifiers: Identifiers, account_id: str) -> None:
        self._listings = state.listings
        self._meterings = state.meterings
        self._lock = kept.lock
        self._clock = kept.clock
        self._new_id = identifiers.new
        self._account = account_id

    def add(self, terms: Mapping[str, Any]) -> Product:
        """List a product with its customers, or nothing at all if one of them is wrong."""
        listing = build_listing(terms, self._account, self._clock.now())
        given = [self._account] if terms["customers"] is None else terms["customers"]
        bought = [build_agreement(listing, one, self._new_id) for one in given]
        with self._lock:
            if self._listings.find(listing.code) is not None:
                raise WrongValue(f"code: the product {shown(listing.code)} was added before")
            self._require_new([agreement.license_arn for agreement, _ in bought])
            self._listings.add(listing)
            for one in bought:
                self._keep(*one)
        return Product(self, listing)

    def add_customer(self, listing: Listing, customer: CustomerLike) -> Customer:
        """Add a customer of a product."""
        agreement, contracts = build_agreement(listing, customer, self._new_id)
        with self._lock:
            self._require_new([agreement.license_arn])
            return self._keep(agreement, contracts)

    def find(self, code: str) -> Product:
        """Return a product by its code."""
        check({"code": TEXT}, {"code": code})
        with self._lock:
            listing = self._listings.find(code)
        if listing is None:
            raise WrongValue(f"code: the product {shown(code)} was not added")
        return Product(self, listing)

    def all(self) -> list[Product]:
        """Return every product that was listed."""
        with self._lock:
            return [Product(self, one) for one in self._listings]

    def customers(self, code: str) -> list[Customer]:
        """Return every customer of a product."""
        with self._lock:
            return [Customer(self, one.license_arn) for one in self._listings.agreements(code)]

    def records(self) -> list[MeteringRecord]:
        """Return every record of usage that was accepted."""
        with self._lock:
            return list(self._meterings)

    def bill(self, product: Product | str | None, customer: Customer | str | None) -> dict[str, Decimal]:
        """Return what is charged for, by dimension."""
        code = product.code if isinstance(product, Product) else product
        check({"product": maybe(TEXT)}, {"product": code})
        is_customers = _whose(customer)
        with self._lock:
            return self._meterings.bill(lambda one: code in (None, one.product) and is_customers(one))

    # For customers

    def agreement(self, arn: str) -> Agreement:
        """Return the agreement of a customer."""
        with self._lock:
            return self._listings.agreed(arn)

    def is_active(self, agreement: Agreement) -> bool:
        """Return whether an agreement lasts."""
        return agreement.is_active_at(self._clock.now())

    def end(self, arn: str) -> None:
        """End the agreement of a customer."""
        with self._lock:
            self._listings.end(arn, self._clock.now())

    def entitle(self, agreement: Agreement, dimension: str, value: Value, end: Moment | None) -> None:
        """Set what a customer has bought of a dimension."""
        listing = self.find(agreement.product)._listing
        contract = build_contract(listing, dimension, value, end)
        with self._lock:
            self._listings.entitle(agreement.license_arn, contract)

    def register(self, arn: str) -> str:
        """Give a customer a new registration token."""
        token = self._new_id() + self._new_id()
        with self._lock:
            self._listings.register(Registration(token, arn, self._clock.now()))
        return token

    def token_of(self, arn: str) -> str:
        """Return the newest registration token of a customer."""
        with self._lock:
            return self._listings.newest_token(arn)

    def _require_new(self, arns: Sequence[str]) -> None:
        if len(set(arns)) < len(arns) or any(map(self._listings.has_agreed, arns)):
            raise WrongValue("customers: a licence belongs to one customer of one product")

    def _keep(self, agreement: Agreement, contracts: Sequence[Contract]) -> Customer:
        self._listings.agree(agreement)
        for one in contracts:
            self._listings.entitle(agreement.license_arn, one)
        self.register(agreement.license_arn)
        return Customer(self, agreement.license_arn)


def _whose(customer: Customer | str | None) -> Callable[[MeteringRecord], bool]:
    """Return the test for the records of one customer."""
    if customer is None:
        return lambda one: True
    if isinstance(customer, Customer):
        arn, whose = customer.license_arn, (customer.account_id, customer.product_code)
        # Usage that was metered by product code names no licence.
        return lambda one: (one.license_arn or arn) == arn and (one.account, one.product) == whose
    check({"customer": TEXT}, {"customer": customer})
    return lambda one: customer in (one.account, one.license_arn)
