"""Assembly of engines: the lessor that a guard's settings ask for, over its store and its service."""

from __future__ import annotations

import threading

from ..aws.service import boto_import_lock
from ..config import Settings
from ..ports import LicenseService
from ..runtime import drivers, forking, shutdown  # noqa: F401 - drivers too, while forks wait
from ..runtime.clock import SystemClock
from ..runtime.engine import Engine
from ..runtime.lessor import DirectLessor, Lessor
from ..runtime.publisher import Publisher
from ..runtime.registry import Registry
from ..runtime.request_budget import RequestBudget
from ..stores.memory import MemoryDenials, MemoryLeaseStore
from .borrows import renew_borrowed, with_borrowed
from .services import license_service
from .shared_stores import sealing_of, shared_store

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
        with_borrowed(inner, settings, made_by, clock, publisher),
        budget,
    )
    # the registry itself, since it outlives a guard that nobody refers to any more
    forking.enlist(made.registry)
    shutdown.enlist(id(made), made.registry, check_in=policy.check_in_on_exit)
    _share(made.registry, inner)
    renew_borrowed(made, settings)
    return made


def _lessor(settings: Settings, service: LicenseService, clock: SystemClock, leaving: threading.Event) -> Lessor:
    store = shared_store(settings.store, trust_env=settings.trust_env)
    if store is None:
        return DirectLessor(service, clock, settings.policy)
    forking.enlist(store)
    from ..runtime.execution import Execution
    from ..runtime.shared_lessor import SharedLessor

    sealing = sealing_of(settings, store)
    return SharedLessor(Execution(store, service, clock, leaving, sealing, settings.scope), settings.policy)


def _share(registry: Registry, lessor: Lessor) -> None:
    """Have those who wait stand in the line of all, and what dead processes left given back in the background."""
    if not lessor.is_shared:
        return
    from ..runtime.heartbeat import Heartbeat
    from ..runtime.lineup import Lineup
    from ..runtime.shared_lessor import SharedLessor
    from ..runtime.sweep import Sweep

    if isinstance(lessor, SharedLessor):
        inline = registry.exchange.policy.inline
        lineup = Lineup(lessor, registry.returns.submit, registry.renewal.remind, inline)
        forking.enlist(lineup)
        registry.queues.line, lessor.on_end = lineup, lineup.end
        Sweep(lessor, registry, lineup.tidy).begin()
        if lessor.execution.store.is_fleet:
            Heartbeat(lessor, registry).begin()
