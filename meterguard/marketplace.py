"""Reports of usage to AWS Marketplace.

:class:`Sink` sends what a guard's ledger has charged, hour by hour, for products that are billed by usage: by
``MeterUsage`` for AMI and container products, by ``BatchMeterUsage`` for SaaS.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Self, TypedDict

from .config import said
from .errors import ConfigurationError, EntitlementUnavailable
from .guard import MeterGuard
from .interruption import raised_by_handler
from .metering_records import Customer, RecordState, Series
from .model import shortened
from .ports import LedgerFault
from .runtime import forking

if TYPE_CHECKING:
    from .core.metering_book import Tally
    from .core.metering_records import SeriesOf
    from .runtime.report_rounds import ReportRounds
    from .runtime.reports import Product, Reports
    from .runtime.till import Till
    from .usage import UsageKey

PAIR = 2

logger = logging.getLogger("meterguard")

# What AWS takes (API reference, UsageRecord); a text of another form would spoil the records of others.
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-zA-Z-]*(:[\w/.-]*){3}:[A-Za-z0-9][\w:/+=,@.-]*", re.ASCII)

__all__ = ("Customers", "Sink", "SinkStatus", "SinkTally")

Customers = Mapping[str, tuple[str, str]] | Callable[[str], tuple[str, str] | None]
"""The ``(CustomerAWSAccountId, LicenseArn)`` of each subject, or a callable that returns it, and None for nobody."""


class SinkTally(TypedDict):
    """How many metering records, and the sum of their quantities."""

    records: int
    quantity: Decimal


class SinkStatus(TypedDict):
    """Tallies of usage, since the sink was first used over its ledger. The hour that goes on is not in them."""

    pending: SinkTally
    """Not known to be with AWS yet. It is sent, or sent again, unchanged."""
    delivered: SinkTally
    given_up: SinkTally
    """Too old for AWS, that is 6 hours after its hour began, for SaaS 24."""
    rejected: SinkTally
    """Refused by AWS for good."""


class Sink:
    """Reports the charged usage of a guard to AWS Marketplace: one record an hour, dimension and customer.

    However many processes share the ledger, and however many of them have such a sink, each hour is reported once. A
    record is written into the ledger before it is sent, and sent again unchanged until its outcome is known; AWS takes
    the same record once (API reference, ``MeterUsage`` and ``BatchMeterUsage``). The hour that goes on is never sent:
    AWS would take nothing more for it. Usage that is written down late goes into the next hour that has no record yet.

    :param guard: the guard whose ledger is read. Its ``endpoint_url`` and ``client`` are License Manager's, and are not
        used here.
    :param dimensions: the dimension of the listing for each entitlement that is reported, by the name that draws and
        meters have for it. Usage of other names is not reported.
    :param product_code: for AMI and container products, which call ``MeterUsage`` in the buyer's account.
    :param customers: for SaaS, which calls ``BatchMeterUsage`` in the seller's account: the buyer of each ``subject``.
        Usage of a subject that has none waits until it has one.
    :param client: a client of ``boto3.client("meteringmarketplace")``. None: one of its own, by boto3's settings;
        ``AWS_ENDPOINT_URL_MARKETPLACE_METERING`` counts.
    :param mode: ``"agentcore"`` for containers in Amazon Bedrock AgentCore Runtime: AWS counts every record there, told
        apart by its ``ClientToken``, so that the hour that goes on is reported, too.
    :raises ConfigurationError: an argument is wrong; both or neither of ``product_code`` and ``customers`` are given.
    """

    def __init__(
        self,
        guard: MeterGuard,
        dimensions: Mapping[str, str],
        *,
        product_code: str | None = None,
        customers: Customers | None = None,
        client: object = None,
        mode: str | None = None,
    ) -> None:
        if not isinstance(guard, MeterGuard):
            raise ConfigurationError(f"guard must be a MeterGuard; got {shortened(guard)}")
        self._reports: tuple[Till, Reports] | None
        self._rounds: tuple[Till, ReportRounds] | None
        self.guard = guard
        """The guard whose ledger is reported."""
        self._dimensions = _dimensions(dimensions)
        _check_product(product_code, customers, mode)
        self._product_code = product_code
        self._customers = customers
        self._client = client
        self._is_agentcore = mode == "agentcore"
        self._scope: str | None = None
        self.forget()
        forking.enlist(self)

    def flush(self) -> SinkStatus:
        """Send what is due now, and return what became of everything so far.

        An outage raises nothing: what could not be sent stays pending, and is tried again by the next call.

        :raises ConfigurationError: the set-up is wrong, the guard is closed, or somebody has to look after the ledger.
        """
        tallies, _ = self._reporting().flush()
        return _status(tallies)

    def status(self) -> SinkStatus:
        """Return what became of everything so far. Sends nothing.

        :raises ConfigurationError: the set-up is wrong, the guard is closed, or somebody has to look after the ledger.
        :raises EntitlementUnavailable: the ledger cannot be read now.
        """
        try:
            return _status(self._reporting().tallies())
        except LedgerFault as fault:
            raise EntitlementUnavailable(str(fault)) from None

    def start(self) -> None:
        """Report in the background from now on: what is due at once, then soon after the end of each hour.

        What could not be sent is tried again after a minute, later every fifteen. It ends when the guard is closed, and
        does not go on in a forked child, where it may be started anew. Starting it again changes nothing.

        :raises ConfigurationError: the set-up is wrong, or the guard is closed.
        """
        reports, till = self._reporting(), self.guard.till
        with self._lock:
            if self._rounds is None or self._rounds[0] is not till:
                from . import assembly

                self._rounds = till, assembly.report_rounds(till, reports)

    def forget(self) -> None:
        """In a forked child: the lock may be another thread's, and the rest is the parent's."""
        self._lock = threading.RLock()
        self._reports = self._rounds = None

    @classmethod
    def over(cls, ledger: str, dimensions: Mapping[str, str], product_code: str, mode: str | None = None) -> Self:
        """Return a sink over the ledger at a URL, for a program that does nothing else with it.

        It reports the licence that the ``METERGUARD_`` variables name; where they name none, the only one of which the
        ledger has usage.

        :raises ConfigurationError: there is no such ledger, it has the usage of several licences, or an argument is
            wrong.
        """
        from .ledger import open_report

        scopes = open_report(ledger).scopes()
        if said("product_sku") and said("key_fingerprint"):
            return cls(MeterGuard(ledger=ledger), dimensions, product_code=product_code, mode=mode)
        if len(scopes) > 1:
            raise ConfigurationError(
                "the ledger has the usage of several licences: set METERGUARD_PRODUCT_SKU and "
                "METERGUARD_KEY_FINGERPRINT to say which one is reported"
            )
        unnamed = MeterGuard("unnamed", "unnamed", ledger=ledger)
        sink = cls(unnamed, dimensions, product_code=product_code, mode=mode)
        sink._scope = next(iter(scopes), None)
        return sink

    def __repr__(self) -> str:
        kind = "AgentCore" if self._is_agentcore else "SaaS" if self._product_code is None else "AMI or container"
        return f"<Sink of {', '.join(sorted(set(self._dimensions.values())))} ({kind})>"

    def _reporting(self) -> Reports:
        till = self.guard.till
        with self._lock:
            if self._reports is None or self._reports[0] is not till:
                from . import assembly

                settings = self.guard.settings
                self._reports = till, assembly.reports(till, settings, self._product(), self._client)
            return self._reports[1]

    def _product(self) -> Product:
        from .core.metering_records import AGENTCORE, HOST, SAAS
        from .runtime.reports import Product

        scope = self._scope or self.guard.scope
        code, names = self._product_code, frozenset(self._dimensions)
        if code is None:
            return Product(f"saas/{scope}", scope, None, SAAS, names, self._by_customer)
        if self._is_agentcore:
            return Product(f"agentcore/{code}", scope, code, AGENTCORE, names, self._by_dimension)
        return Product(f"host/{code}", scope, code, HOST, names, self._by_dimension)

    def _by_dimension(self) -> SeriesOf:
        return lambda key: Series(self._dimensions[key.name])

    def _by_customer(self) -> SeriesOf:
        """Return what looks each subject up once."""
        buyer = functools.cache(self._buyer)

        def series(key: UsageKey) -> Series | None:
            customer = None if key.subject is None else buyer(key.subject)
            return None if customer is None else Series(self._dimensions[key.name], customer)

        return series

    def _buyer(self, subject: str) -> Customer | None:
        look_up = self._customers.get if isinstance(self._customers, Mapping) else self._customers
        try:
            found: object = look_up(subject) if look_up else None
        except Exception as failure:  # a database that is away holds up one subject, and nobody else
            if raised_by_handler(failure) is not None:
                raise
            logger.warning("customers= failed (%s): the usage of a subject waits", type(failure).__name__)
            return None
        if found is None:
            return None
        customer = _customer(found)
        if customer is None:
            logger.warning("customers= gave something else than (CustomerAWSAccountId, LicenseArn): usage waits")
        return customer


def _customer(found: object) -> Customer | None:
    if not isinstance(found, tuple | list) or len(found) != PAIR:
        return None
    account_id, license_arn = found
    is_named = isinstance(account_id, str) and isinstance(license_arn, str)
    if not is_named or not _ACCOUNT.fullmatch(account_id) or not _ARN.fullmatch(license_arn):
        return None
    return Customer(account_id, license_arn)


def _dimensions(given: object) -> dict[str, str]:
    found = dict(given) if isinstance(given, Mapping) else {}
    if not found or not all(isinstance(one, str) and one.strip() for pair in found.items() for one in pair):
        raise ConfigurationError(
            "dimensions must be a mapping from the names of entitlements to dimensions of the listing, such as "
            f"{{'Pages': 'pages'}}; got {shortened(given)}"
        )
    return found


def _check_product(product_code: object, customers: object, mode: object) -> None:
    if (product_code is None) is (customers is None):
        raise ConfigurationError(
            "give product_code= for a product in the buyer's account (AMI, container), or customers= for SaaS: one of "
            "the two"
        )
    if product_code is not None and not (isinstance(product_code, str) and product_code.strip()):
        raise ConfigurationError(
            f"product_code must be the text that AWS Marketplace gave; got {shortened(product_code)}"
        )
    if customers is not None and not (isinstance(customers, Mapping) or callable(customers)):
        raise ConfigurationError(
            "customers must be a mapping from subjects to (CustomerAWSAccountId, LicenseArn), or a callable that "
            f"returns such a pair or None; got {type(customers).__name__}"
        )
    if mode not in (None, "agentcore"):
        raise ConfigurationError(f"mode must be None or 'agentcore'; got {shortened(mode)}")
    if mode == "agentcore" and product_code is None:
        raise ConfigurationError("mode='agentcore' is for containers in the buyer's account, which need product_code=")


def _status(tallies: Mapping[RecordState, Tally]) -> SinkStatus:
    def said(state: RecordState) -> SinkTally:
        return {"records": tallies[state].records, "quantity": tallies[state].quantity}

    return {
        "pending": said(RecordState.PENDING),
        "delivered": said(RecordState.DELIVERED),
        "given_up": said(RecordState.GIVEN_UP),
        "rejected": said(RecordState.REJECTED),
    }
