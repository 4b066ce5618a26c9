"""The marketplace of an `Emulator`: products that are sold, and the usage that was metered of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from .products import Customer, Product, Shop
from .state.metering import MeteringRecord
from .state.product_terms import CustomerLike

__all__ = ("Marketplace",)


class Marketplace:
    """The methods of an `Emulator` that are about AWS Marketplace."""

    _shop: Shop

    def add_product(
        self,
        code: str,
        dimensions: Sequence[str],
        customers: Sequence[CustomerLike] | None = None,
        *,
        seller_account: str | None = None,
        agentcore: bool = False,
        customer_identifiers: bool = False,
        public_key_version: int = 1,
    ) -> Product:
        """List a product. From then on only its dimensions and its customers may be metered.

        As long as no product is added, every product code, dimension and licence is accepted. Afterwards a code or
        a licence that is neither of a product nor of :meth:`add_license` is refused. A licence that was added with
        :meth:`add_license` stands for a product too: its SKU is the code, its beneficiary the customer, what it
        entitles to is what ``GetEntitlements`` answers, and any dimension is accepted.

        Args:
            code: The product code.
            dimensions: The names of what is metered or sold by contract.
            customers: Accounts; licences of this emulator, whose beneficiaries are accounts; or mappings with
                ``account_id`` and, if wanted, ``begin``, ``end`` and ``entitlements`` (of dimensions to values). By
                default the emulator's ``account_id`` is the one customer.
            seller_account: The account that may resolve registration tokens; by default ``account_id``.
            agentcore: True for a container of Bedrock AgentCore: ``MeterUsage`` takes any number of records an hour,
                and the ``ClientToken`` says which are the same.
            customer_identifiers: True for a product from before June 2026, whose customers have a
                ``CustomerIdentifier`` too.
            public_key_version: The version of the key that signs for ``RegisterUsage``. An earlier one has expired.
        """
        return self._shop.add(
            {
                "code": code,
                "dimensions": dimensions,
                "customers": customers,
                "seller_account": seller_account,
                "agentcore": agentcore,
                "customer_identifiers": customer_identifiers,
                "public_key_version": public_key_version,
            }
        )

    def product(self, code: str) -> Product:
        """Return a product that was added, by its code."""
        return self._shop.find(code)

    def products(self) -> list[Product]:
        """Return every product that was added."""
        return self._shop.all()

    def metering_records(self) -> list[MeteringRecord]:
        """Return the records of usage that were accepted, in this order. Each of them is billed."""
        return self._shop.records()

    def bill(
        self, product: Product | str | None = None, *, customer: Customer | str | None = None
    ) -> dict[str, Decimal]:
        """Return what AWS would charge customers for, by dimension.

        Args:
            product: A product or its code. None: all.
            customer: A customer, an account or the ARN of a licence. None: all.
        """
        return self._shop.bill(product, customer)
