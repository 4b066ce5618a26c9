"""Assembly of engines and ledgers: the one place where runtime, service and stores meet. Imported on first use."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .aws.refresh_token import RefreshToken
from .aws.service import LicenseManager, boto_import_lock
from .aws.services import MARKETPLACE_ENTITLEMENT
from .aws.settings import REACH, TokenSettings
from .aws.settings import Settings as Connection
from .config import Settings
from .core.scopes import CONTRACT
from .model import Entitlement
from .ports import Ledger, LicenseService, Moment
from .rows import SharedStore
from .runtime import drivers, forking, shutdown  # noqa: F401 - drivers too, while forks wait
from .runtime.clock import SystemClock
from .runtime.engine import Engine
from .runtime.lessor import DirectLessor, Lessor
from .runtime.publisher import Publisher
from .runtime.request_budget import RequestBudget
from .stores import urls
from .stores.memory import MemoryDenials, MemoryLeaseStore
from .stores.memory_rows import MemoryRows
from .stores.urls import existing_ledger, existing_store, file_to_make, ledger

if TYPE_CHECKING:
    from .core.borrowed import Borrowed
    from .runtime.borrowing import Borrowing
    from .runtime.borrowings import Borrowings
    from .runtime.contract_license import ContractLicense
    from .runtime.execution import Sealing
    from .runtime.registry import Registry
    from .runtime.sweep import Swept
    from .runtime.till import Till
    from .stores.borrowed_file import BorrowedFile

    Authority = LicenseManager | ContractLicense

__all__ = (
    "borrowed_file",
    "borrowed_licences",
    "borrowing",
    "engine",
    "existing_ledger",
    "existing_store",
    "file_to_make",
    "ledger",
    "lent",
    "license_service",
    "returning",
    "seal",
    "shared_store",
    "sweep_all",
    "till",
)

ROOM_FOR_SEATS = 1_000  # rows; those that are held or owed are kept beyond it


def engine(settings: Settings, publisher: Publisher) -> Engine:
    """Return an engine over the real service."""
    forking.hold_while_forking(boto_import_lock)
    policy = settings.policy
    budget = RequestBudget(is_open=policy.inline)
    # opened once, for those who ask for it by its settings
    settings = settings._replace(store=shared_store(settings.store, trust_env=settings.trust_env) or settings.store)
    made_by = license_service(settings, budget)
    forking.enlist(made_by)
    leaving, clock = threading.Event(), SystemClock()
    inner = _lessor(settings, made_by, clock, leaving)
    made = Engine(
        made_by,
        clock,
        policy,
        MemoryLeaseStore(policy.max_leases + ROOM_FOR_SEATS),
        MemoryDenials(policy.max_leases, policy.denial_ttl),
        publisher,
        leaving,
        _with_borrowed(inner, settings, made_by, clock, publisher),
        budget,
    )
    # the registry itself, since it outlives a guard that nobody refers to any more
    forking.enlist(made.registry)
    shutdown.enlist(id(made), made.registry, check_in=policy.check_in_on_exit)
    _share(made.registry, inner)
    _renew_borrowed(made, settings)
    return made


def license_service(settings: Settings, traffic: RequestBudget | None = None) -> Authority:
    """Return the real service. Nothing is connected for it. ``traffic`` hears of its requests."""
    reach = {name: getattr(settings, name) for name in REACH}
    if settings.customer is not None:
        from .aws.marketplace_entitlements import MarketplaceEntitlements
        from .runtime.contract_license import ContractLicense

        reached = Connection(settings.policy.timeout, service=MARKETPLACE_ENTITLEMENT, **reach)
        now = SystemClock().wall
        source = MarketplaceEntitlements(reached, settings.product_sku, *settings.customer, now, traffic)
        store = shared_store(settings.store, trust_env=settings.trust_env) or MemoryRows()
        return ContractLicense(source, store, settings.scope, traffic)
    return LicenseManager(
        product_sku=settings.product_sku,
        key_fingerprint=settings.key_fingerprint,
        beneficiary=settings.beneficiary,
        node_id=settings.node_id,
        timeout=settings.policy.timeout,
        token=_token(settings),
        traffic=traffic,
        trusted_keys=settings.trusted_keys,
        **reach,
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


def _lessor(settings: Settings, service: LicenseService, clock: SystemClock, leaving: threading.Event) -> Lessor:
    store = shared_store(settings.store, trust_env=settings.trust_env)
    if store is None:
        return DirectLessor(service, clock, settings.policy)
    forking.enlist(store)
    from .runtime.execution import Execution
    from .runtime.shared_lessor import SharedLessor

    sealing = _sealing(settings, store)
    return SharedLessor(Execution(store, service, clock, leaving, sealing, settings.scope), settings.policy)


def _with_borrowed(
    inner: Lessor, settings: Settings, service: LicenseService, clock: SystemClock, publisher: Publisher
) -> Lessor:
    """Return a lessor that has what borrowed licences cover from them."""
    if not settings.borrowed:
        return inner
    from .runtime.borrowed_lessor import BorrowedLessor

    lessor = BorrowedLessor(inner, _borrowings(settings, service, publisher), clock)
    forking.enlist(lessor)
    return lessor


def _borrowings(settings: Settings, service: LicenseService, publisher: Publisher) -> Borrowings:
    from .core.borrowed import Program
    from .runtime.borrowings import Borrowings

    file = borrowed_file(settings, settings.borrowed if isinstance(settings.borrowed, Path) else None)
    return Borrowings(file, Program(settings.product_sku, settings.node_id), service, publisher)


def borrowed_licences(settings: Settings) -> tuple[list[Borrowed | str], Moment]:
    """Return the borrowed licences of a guard, or why they are not believed, and the moment that counts. Notes nothing.

    :raises ConfigurationError: a key cannot be read, or a package is missing.
    :raises BorrowedFault: the file cannot be read.
    """
    now = SystemClock().now()
    return _borrowings(settings, license_service(settings), Publisher()).judged(now), now


def _renew_borrowed(engine: Engine, settings: Settings) -> None:
    """Have licences that are in use borrowed anew."""
    if not (settings.borrowed and settings.renew_borrowed):
        return
    from .runtime.borrow_renewal import BorrowRenewal
    from .runtime.borrowed_lessor import BorrowedLessor

    lessor = engine.registry.exchange.lessor
    if isinstance(lessor, BorrowedLessor):
        borrows = borrowing(engine, settings)
        lessor.on_look = BorrowRenewal(
            borrows, lessor.borrowings.file, engine.clock, engine.registry.returns.submit
        ).look


def lent(engine: Engine, asked: Iterable[Entitlement]) -> tuple[Entitlement, ...]:
    """Return those of them that the borrowed licences of an engine cover now, each by itself. Asks nobody.

    :raises UntrustedLease: something in the file does not agree, or the clock was set back.
    """
    from .runtime.borrowed_lessor import BorrowedLessor

    lessor, now = engine.registry.exchange.lessor, engine.clock.now()
    if not isinstance(lessor, BorrowedLessor):
        return ()
    return tuple(one for one in asked if lessor.borrowings.covers((one,), now))


def borrowing(engine: Engine, settings: Settings) -> Borrowing:
    """Return what borrows and returns for an engine."""
    from .core.borrowed import Program
    from .runtime.borrowing import Borrowing

    exchange = engine.registry.exchange
    program = Program(settings.product_sku, settings.node_id)
    timeout = engine.policy.timeout
    return Borrowing(exchange.service, engine.clock, program, engine.publisher, exchange.leaving, timeout)


def returning(settings: Settings) -> Borrowing:
    """Return what returns borrowed licences, for somebody without an engine."""
    from .core.borrowed import Program
    from .runtime.borrowing import Borrowing

    program, publisher = Program(settings.product_sku, settings.node_id), Publisher()
    service, leaving = license_service(settings), threading.Event()
    return Borrowing(service, SystemClock(), program, publisher, leaving, settings.policy.timeout)


def borrowed_file(settings: Settings, path: Path | None) -> BorrowedFile:
    """Return a file of borrowed licences; None: the one of this product in the user's state directory."""
    from .stores.borrowed_file import BorrowedFile, place_of

    return BorrowedFile(path or place_of(settings.product_sku))


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

    ours, leaving, clock = settings.scope, threading.Event(), SystemClock()
    sealing, found = _sealing(settings, store), Swept()
    for scope in sorted({place.partition("/")[0] for place, _ in store.rows("") if is_of_lease(place)}):
        service = license_service(settings if scope == ours else _stranger(settings, scope, store))
        execution = Execution(store, service, clock, leaving, sealing, scope)
        found = found.plus(sweep(SharedLessor(execution, settings.policy), is_ours=scope == ours))
    return found


def _stranger(settings: Settings, scope: str, store: SharedStore) -> Settings:
    """Return settings with which a token of another licence or contract goes back: without our beneficiary."""
    customer = ("", None) if scope.startswith(CONTRACT) else None  # its tokens say where its units are counted
    return settings._replace(beneficiary=None, customer=customer, store=store)


def _share(registry: Registry, lessor: Lessor) -> None:
    """Have those who wait stand in the line of all, and what dead processes left given back in the background."""
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


def shared_store(store: str | SharedStore, *, trust_env: bool = True) -> SharedStore | None:
    """Return the store of leases at a URL; an object as it is. None for ``memory://``: leases are not shared.

    :param trust_env: False for a client of DynamoDB that follows no environment.
    :raises ConfigurationError: the URL is wrong. Its text is not repeated, for it may hold a password.
    """
    return urls.shared_store(store, None if trust_env else _closed_session)


def _closed_session(region: str | None) -> object:
    with boto_import_lock:
        from .aws import boto
    return boto.closed_session(None, region)


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
    orders = Orders(exchange.service, teller, exchange.leaving, clock, engine.policy.trust)
    limits = Limits(engine.policy, settings.scope, settings.overdraft or {})
    refills = Refills(orders, teller, limits, registry.workers.submit, engine.survey)
    draws = Draws(refills, clock, limits, engine.survey)
    postings = Postings(teller, draws.slices, remind, registry.returns.submit, Compaction(kept, clock))
    postings.is_inline = engine.policy.inline
    draws.flush_soon = postings.soon
    made = Till(engine, teller, draws, Metering(teller, remind, registry.workers.submit), postings)
    registry.parting.append(made.close)
    forking.enlist(kept)
    return made
