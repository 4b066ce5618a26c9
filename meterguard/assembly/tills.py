"""Assembly of tills and reports: what is counted over a ledger, and told to AWS Marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..ports import Ledger
from ..runtime import forking
from ..runtime.engine import Engine
from .services import metering_connection

if TYPE_CHECKING:
    from ..runtime.draws import Draws
    from ..runtime.report_rounds import ReportRounds
    from ..runtime.reports import Product, Reports
    from ..runtime.teller import Teller
    from ..runtime.till import Till


def till(engine: Engine, kept: Ledger, settings: Settings) -> Till:
    """Return the till of an engine: its draws and meters, over a ledger."""
    from ..runtime.compaction import Compaction
    from ..runtime.metering import Metering
    from ..runtime.postings import Postings
    from ..runtime.teller import Teller
    from ..runtime.till import Till

    registry, clock = engine.registry, engine.clock
    teller = Teller(kept, engine.publisher)
    remind = registry.renewal.remind
    draws = _draws(engine, teller, settings)
    postings = Postings(teller, draws.slices, remind, registry.returns.submit, Compaction(kept, clock))
    postings.is_inline = engine.policy.inline
    draws.flush_soon = postings.soon
    made = Till(engine, teller, draws, Metering(teller, remind, registry.workers.submit), postings)
    registry.parting.append(made.close)
    forking.enlist(kept)
    return made


def _draws(engine: Engine, teller: Teller, settings: Settings) -> Draws:
    from ..runtime.draws import Draws
    from ..runtime.orders import Orders
    from ..runtime.refills import Limits, Refills

    registry, clock = engine.registry, engine.clock
    exchange = registry.exchange
    orders = Orders(exchange.service, teller, exchange.leaving, clock, engine.policy.trust)
    limits = Limits(engine.policy, settings.scope, settings.overdraft or {})
    refills = Refills(orders, teller, limits, registry.workers.submit, engine.survey)
    return Draws(refills, clock, limits, engine.survey)


def reports(till: Till, settings: Settings, product: Product, client: Any) -> Reports:
    """Return what reports the usage of a till to AWS Marketplace.

    :param client: a client of boto3; None for one of our own.
    """
    from ..aws.metering import BatchUsageMeter, UsageMeter, connection
    from ..runtime.reports import Reports

    asked = connection(metering_connection(settings), client, in_place=product.code is not None)
    service = BatchUsageMeter(asked) if product.code is None else UsageMeter(asked, product.code)
    forking.enlist(service)
    made = Reports(till.teller.ledger, service, product, till.engine.clock, till.teller.publisher, till.flush)
    forking.enlist(made)
    return made


def report_rounds(till: Till, made: Reports) -> ReportRounds:
    """Have reports made in the background until the guard of the till is closed."""
    from ..runtime.report_rounds import ReportRounds

    registry = till.engine.registry
    return ReportRounds(made, till.engine.clock, registry.renewal.remind, registry.workers.submit)
