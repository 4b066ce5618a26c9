"""Assembly of engines and ledgers: the one place where runtime, service and stores meet. Imported on first use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .aws.service import LicenseManager, boto_import_lock
from .config import Settings
from .core.scopes import scope_of
from .errors import ConfigurationError
from .ports import Ledger
from .runtime import drivers, forking, shutdown  # noqa: F401 - drivers too, while forks wait
from .runtime.clock import SystemClock
from .runtime.engine import Engine
from .runtime.publisher import Publisher
from .stores.memory import MemoryDenials, MemoryLeaseStore

if TYPE_CHECKING:
    from .runtime.till import Till

MEMORY = "memory://"
LEDGER_FORMS = "sqlite:///relative.db, sqlite:////absolute.db, redis://HOST:PORT/DB or rediss://HOST:PORT/DB"
SMALLEST = 100  # bytes of the header of a file of SQLite
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
    """Return the ledger at a URL: ``memory://``, ``sqlite:///FILE`` or ``redis://HOST``. Its kind is imported now.

    :raises ConfigurationError: the URL is wrong. Its text is not repeated, for it may hold a password.
    """
    if url == MEMORY:
        from .stores.memory_ledger import MemoryLedger

        return MemoryLedger()
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from .stores.sqlite_ledger import SqliteLedger
        from .stores.sqlite_place import path_of

        return SqliteLedger(path_of(url))
    if scheme in {"redis", "rediss"}:
        from .stores.redis_ledger import RedisLedger

        return RedisLedger(url)
    raise ConfigurationError(f"no ledger has such a URL: write {LEDGER_FORMS}")


def existing_ledger(url: str) -> Ledger:
    """Return the ledger at a URL, for somebody who only reads it: a file has to be there already.

    :raises ConfigurationError: the URL is wrong, there is no such file, or no other process can read the ledger.
    """
    if url == MEMORY:
        raise ConfigurationError(
            "a ledger at memory:// lives in the process that draws, and ends with it: nobody else can read it. Give "
            f"that process a ledger that others can read: {LEDGER_FORMS}"
        )
    if url.startswith("sqlite:"):
        from .stores.sqlite_place import path_of

        _check_file(Path(path_of(url)))
    return ledger(url)


def _check_file(path: Path) -> None:
    try:
        is_empty = path.is_file() and path.stat().st_size < SMALLEST
    except OSError as problem:
        raise ConfigurationError(f"the ledger {path} cannot be read: {problem.strerror}") from None
    if not path.exists():
        raise ConfigurationError(
            f"there is no ledger at {path}: nothing was drawn or metered with it yet, or the path is another one "
            "(sqlite:///x.db is relative to the working directory, sqlite:////x.db is not)"
        )
    if is_empty:
        raise ConfigurationError(f"the file {path} is empty, or too small for a ledger: no process has made it one")


def till(engine: Engine, kept: Ledger, settings: Settings) -> Till:
    """Return the till of an engine: its draws and meters, over a ledger."""
    from .runtime.compaction import Compaction
    from .runtime.draws import Draws
    from .runtime.metering import Metering
    from .runtime.orders import Orders
    from .runtime.postings import Postings
    from .runtime.refills import Limits, Refills
    from .runtime.teller import Teller
    from .runtime.till import Till

    registry, clock = engine.registry, engine.clock
    exchange = registry.exchange
    teller = Teller(kept, engine.publisher)
    remind = registry.renewal.remind
    orders = Orders(exchange.service, teller, exchange.leaving)
    limits = Limits(
        engine.policy,
        scope_of(settings.product_sku, settings.key_fingerprint, settings.beneficiary),
        settings.overdraft or {},
    )
    refills = Refills(orders, teller, limits, registry.workers.submit, engine.survey)
    draws = Draws(refills, clock, limits, engine.survey)
    postings = Postings(teller, draws.slices, remind, registry.returns.submit, Compaction(kept, clock))
    postings.is_inline = engine.policy.inline
    draws.flush_soon = postings.soon
    made = Till(engine, teller, draws, Metering(teller, remind, registry.workers.submit), postings)
    registry.parting.append(made.close)
    forking.enlist(kept)
    return made
