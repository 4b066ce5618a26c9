"""Assembly of engines and ledgers: the one place where runtime, service and stores meet. Imported on first use."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from .aws.refresh_token import RefreshToken
from .aws.service import LicenseManager, boto_import_lock
from .aws.settings import TokenSettings
from .config import Settings
from .core.scopes import scope_of
from .errors import ConfigurationError
from .ports import Ledger
from .rows import SharedStore
from .runtime import drivers, forking, shutdown  # noqa: F401 - drivers too, while forks wait
from .runtime.clock import SystemClock
from .runtime.engine import Engine
from .runtime.lessor import DirectLessor, Lessor
from .runtime.publisher import Publisher
from .runtime.request_budget import RequestBudget
from .stores.memory import MemoryDenials, MemoryLeaseStore
from .stores.purposes import LEASE_STORE, LEDGER, Purpose

if TYPE_CHECKING:
    from .runtime.execution import Sealing
    from .runtime.registry import Registry
    from .runtime.sweep import Swept
    from .runtime.till import Till

MEMORY = "memory://"
SHARED_FORMS = "sqlite:///relative.db, sqlite:////absolute.db, redis://HOST:PORT/DB or rediss://HOST:PORT/DB"
TABLE_FORMS = "postgresql://USER:PASSWORD@HOST/DB, django://ALIAS or dynamodb://TABLE"
SMALLEST = 100  # bytes of the header of a file of SQLite
ROOM_FOR_SEATS = 1_000  # rows; those that are held or owed are kept beyond it


def engine(settings: Settings, publisher: Publisher) -> Engine:
    """Return an engine over the real service."""
    forking.hold_while_forking(boto_import_lock)
    policy = settings.policy
    budget = RequestBudget(is_open=policy.inline)
    made_by = license_service(settings, budget)
    forking.enlist(made_by)
    leaving, clock = threading.Event(), SystemClock()
    made = Engine(
        made_by,
        clock,
        policy,
        MemoryLeaseStore(policy.max_leases + ROOM_FOR_SEATS),
        MemoryDenials(policy.max_leases, policy.denial_ttl),
        publisher,
        leaving,
        _lessor(settings, made_by, clock, leaving),
        budget,
    )
    # the registry itself, since it outlives a guard that nobody refers to any more
    forking.enlist(made.registry)
    shutdown.enlist(id(made), made.registry, check_in=policy.check_in_on_exit)
    _share(made.registry)
    return made


def license_service(settings: Settings, traffic: RequestBudget | None = None) -> LicenseManager:
    """Return the real service. Nothing is connected for it.

    :param traffic: hears of each request.
    """
    return LicenseManager(
        product_sku=settings.product_sku,
        key_fingerprint=settings.key_fingerprint,
        beneficiary=settings.beneficiary,
        node_id=settings.node_id,
        region_name=settings.region_name,
        endpoint_url=settings.endpoint_url,
        session=settings.session,
        client=settings.client,
        timeout=settings.policy.timeout,
        loopback_only=settings.loopback_only,
        trust_env=settings.trust_env,
        token=_token(settings),
        traffic=traffic,
    )


def _token(settings: Settings) -> TokenSettings | None:
    token = refresh_token(settings)
    return None if token is None else TokenSettings(token, SystemClock().now)


def refresh_token(settings: Settings) -> RefreshToken | None:
    """Return the refresh token that a guard was given, or the one of the environment."""
    if settings.refresh_token is not None:
        return RefreshToken(settings.refresh_token)
    path = settings.refresh_token_file
    return None if path is None else RefreshToken(path, is_last_resort=True)


def _lessor(settings: Settings, service: LicenseManager, clock: SystemClock, leaving: threading.Event) -> Lessor:
    store = shared_store(settings.store, trust_env=settings.trust_env)
    if store is None:
        return DirectLessor(service, clock, settings.policy)
    forking.enlist(store)
    from .runtime.execution import Execution
    from .runtime.shared_lessor import SharedLessor

    sealing = _sealing(settings, store)
    return SharedLessor(Execution(store, service, clock, leaving, sealing, _scope(settings)), settings.policy)


def _sealing(settings: Settings, store: SharedStore) -> Sealing:
    from .runtime.execution import Sealing
    from .stores import plain_tokens

    if settings.store_key is not None:
        return seal(settings.store_key)
    if store.is_fleet:
        import logging

        logging.getLogger("meterguard").warning(
            "tokens stand in the lease store as they are: whoever reads it can give leases back that are in use. %s",
            "Set METERGUARD_STORE_KEY in all processes to seal them"
            if settings.trust_env
            else "With trust_env=False there is no key to seal them",
        )
    return Sealing(plain_tokens.keep, plain_tokens.read)


def seal(key: str) -> Sealing:
    """Return what seals tokens under a key.

    :raises ConfigurationError: it is too short, or a package is missing.
    """
    from .runtime.execution import Sealing
    from .stores.seals import Seal

    made = Seal(key)
    return Sealing(made.seal, made.unseal)


def sweep_all(store: SharedStore, settings: Settings) -> Swept:
    """Give back what dead processes left of every licence in a store."""
    from .runtime.execution import Execution, is_of_lease
    from .runtime.shared_lessor import SharedLessor
    from .runtime.sweep import Swept, sweep

    ours, leaving, clock = _scope(settings), threading.Event(), SystemClock()
    sealing, found = _sealing(settings, store), Swept()
    for scope in sorted({place.partition("/")[0] for place, _ in store.rows("") if is_of_lease(place)}):
        # a token of another licence goes back without the beneficiary of ours
        service = license_service(settings if scope == ours else settings._replace(beneficiary=None))
        execution = Execution(store, service, clock, leaving, sealing, scope)
        found = found.plus(sweep(SharedLessor(execution, settings.policy), is_ours=scope == ours))
    return found


def _share(registry: Registry) -> None:
    """Have those who wait stand in the line of all, and what dead processes left given back in the background."""
    lessor = registry.exchange.lessor
    if not lessor.is_shared:
        return
    from .runtime.heartbeat import Heartbeat
    from .runtime.lineup import Lineup
    from .runtime.shared_lessor import SharedLessor
    from .runtime.sweep import Sweep

    if isinstance(lessor, SharedLessor):
        inline = registry.exchange.policy.inline
        lineup = Lineup(lessor, registry.returns.submit, registry.renewal.remind, inline)
        forking.enlist(lineup)
        registry.queues.line, lessor.on_end = lineup, lineup.end
        Sweep(lessor, registry, lineup.tidy).begin()
        if lessor.execution.store.is_fleet:
            Heartbeat(lessor, registry).begin()


def _scope(settings: Settings) -> str:
    return scope_of(settings.product_sku, settings.key_fingerprint, settings.beneficiary)


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
    raise ConfigurationError(f"no ledger has such a URL: write {SHARED_FORMS}")


def existing_ledger(url: str) -> Ledger:
    """Return the ledger at a URL, for somebody who only reads it: a file has to be there already.

    :raises ConfigurationError: the URL is wrong, there is no such file, or no other process can read the ledger.
    """
    _check_existing(url, LEDGER)
    return ledger(url)


def shared_store(store: str | SharedStore, *, trust_env: bool = True) -> SharedStore | None:
    """Return the store of leases at a URL, as ``ledger`` does; an object as it is.

    None for ``memory://``: leases are not shared.

    :param trust_env: False for a client of DynamoDB that follows no environment.
    :raises ConfigurationError: the URL is wrong. Its text is not repeated, for it may hold a password.
    """
    if not isinstance(store, str):
        return store
    return None if store == MEMORY else _shared_store(store, trust_env=trust_env)


def _shared_store(url: str, *, trust_env: bool = True) -> SharedStore:
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from .stores.sqlite_place import path_of
        from .stores.sqlite_rows import SqliteRows

        return SqliteRows(path_of(url))
    if scheme in {"redis", "rediss"}:
        from .stores.redis_rows import RedisRows

        return RedisRows(url)
    if scheme in {"postgresql", "postgres"}:
        from .stores.postgres_rows import PostgresRows

        return PostgresRows(url)
    if scheme == "django":
        from .stores.django_rows import DjangoRows

        return DjangoRows(url.partition("://")[2])
    if scheme == "dynamodb":
        from .stores.dynamodb_rows import DynamodbRows

        return DynamodbRows(url) if trust_env else DynamodbRows(url, _closed_session)
    raise ConfigurationError(f"no store of leases has such a URL: write {SHARED_FORMS}, {TABLE_FORMS}")


def _closed_session(region: str | None) -> object:
    with boto_import_lock:
        from .aws import boto
    return boto.closed_session(None, region)


def file_to_make(url: str | SharedStore) -> Path | None:
    """Return the file that the first use of a store will make; None where there is nothing to make."""
    if not isinstance(url, str) or not url.startswith("sqlite:"):
        return None
    from .stores.sqlite_place import path_of

    path = Path(path_of(url))
    return None if path.exists() else path


def existing_store(url: str) -> SharedStore:
    """Return the store of leases at a URL, for somebody who only reads it: a file has to be there already.

    :raises ConfigurationError: the URL is wrong, there is no such file, or no other process can read the store.
    """
    _check_existing(url, LEASE_STORE)
    return _shared_store(url)


def _check_existing(url: str, purpose: Purpose) -> None:
    noun = purpose.noun
    if url == MEMORY:
        forms = f"{SHARED_FORMS}, {TABLE_FORMS}" if purpose is LEASE_STORE else SHARED_FORMS
        raise ConfigurationError(
            f"a {noun} at memory:// lives in the process that {purpose.use}, and ends with it: nobody else can read "
            f"it. Give that process a {noun} that others can read: {forms}"
        )
    if url.startswith("sqlite:"):
        from .stores.sqlite_place import path_of

        _check_file(Path(path_of(url)), purpose)


def _check_file(path: Path, purpose: Purpose) -> None:
    noun = purpose.noun
    try:
        is_empty = path.is_file() and path.stat().st_size < SMALLEST
    except OSError as problem:
        raise ConfigurationError(f"the {noun} {path} cannot be read: {problem.strerror}") from None
    if not path.exists():
        raise ConfigurationError(
            f"there is no {noun} at {path}: {purpose.unused}, or the path is another one "
            "(sqlite:///x.db is relative to the working directory, sqlite:////x.db is not)"
        )
    if is_empty:
        raise ConfigurationError(f"the file {path} is empty, or too small for a {noun}: no process has made it one")


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
    limits = Limits(engine.policy, _scope(settings), settings.overdraft or {})
    refills = Refills(orders, teller, limits, registry.workers.submit, engine.survey)
    draws = Draws(refills, clock, limits, engine.survey)
    postings = Postings(teller, draws.slices, remind, registry.returns.submit, Compaction(kept, clock))
    postings.is_inline = engine.policy.inline
    draws.flush_soon = postings.soon
    made = Till(engine, teller, draws, Metering(teller, remind, registry.workers.submit), postings)
    registry.parting.append(made.close)
    forking.enlist(kept)
    return made
