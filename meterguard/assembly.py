"""Assembly of an engine: the one place where runtime, service and stores meet. Imported on first use."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from .aws.service import LicenseManager, boto_import_lock
from .config import Settings
from .runtime import drivers, forking, shutdown  # noqa: F401 - drivers too, while forks wait
from .runtime.clock import SystemClock
from .runtime.engine import Engine
from .runtime.publisher import Publisher
from .stores.memory import MemoryDenials, MemoryLeaseStore

if TYPE_CHECKING:
    from .ports import Ledger
    from .runtime.till import Till

ROOM_FOR_SEATS = 1_000  # rows; those that are held or owed are kept beyond it


def engine(settings: Settings, publisher: Publisher) -> Engine:
    """Return an engine over the real service."""
    forking.hold_while_forking(boto_import_lock)
    policy = settings.policy
    service = LicenseManager(
        product_sku=settings.product_sku,
        key_fingerprint=settings.key_fingerprint,
        beneficiary=settings.beneficiary,
        node_id=settings.node_id,
        region_name=settings.region_name,
        endpoint_url=settings.endpoint_url,
        session=settings.session,
        client=settings.client,
        timeout=policy.timeout,
        loopback_only=settings.loopback_only,
    )
    forking.enlist(service)
    made = Engine(
        service,
        SystemClock(),
        policy,
        MemoryLeaseStore(policy.max_leases + ROOM_FOR_SEATS),
        MemoryDenials(policy.max_leases, policy.denial_ttl),
        publisher,
    )
    # the registry itself, since it outlives a guard that nobody refers to any more
    forking.enlist(made.registry)
    shutdown.enlist(id(made), made.registry, check_in=policy.check_in_on_exit)
    return made


def ledger(url: str) -> Ledger:
    """Return the ledger that a URL names. Nothing is opened before it is used.

    :raises ConfigurationError: the URL is none of a ledger, or an extra is missing.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from .stores.sqlite_ledger import SqliteLedger
        from .stores.sqlite_place import path_of

        return SqliteLedger(path_of(url))
    if scheme in ("redis", "rediss"):
        from .stores.redis_ledger import RedisLedger

        return RedisLedger(url)
    from .stores.memory_ledger import MemoryLedger

    return MemoryLedger()


def till(engine: Engine, kept: Ledger, settings: Settings) -> Till:
    """Return the till of an engine: its draws and meters, over a ledger."""
    from .runtime.draws import Draws, Limits
    from .runtime.metering import Metering
    from .runtime.orders import Orders
    from .runtime.postings import Postings
    from .runtime.teller import Teller
    from .runtime.till import Till

    registry, clock = engine.registry, engine.clock
    exchange = registry.exchange
    teller = Teller(kept, engine.publisher)
    remind = registry.renewal.remind
    orders = Orders(exchange.service, teller, engine.publisher, exchange.leaving)
    limits = Limits(engine.policy, scope_of(settings), settings.overdraft or {})
    draws = Draws(orders, teller, clock, limits, registry.workers.submit, engine.survey)
    postings = Postings(teller, draws.slices, remind, registry.returns.submit)
    postings.is_inline = engine.policy.inline
    draws.flush_soon = postings.soon
    made = Till(engine, teller, draws, Metering(teller, remind, registry.workers.submit), postings)
    registry.parting.append(made.close)
    forking.enlist(kept)
    return made


def scope_of(settings: Settings) -> str:
    """Return the mark of a licence in a ledger, which names none."""
    parts = (settings.product_sku, settings.key_fingerprint, settings.beneficiary or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
