"""Assembly of an engine: the one place where runtime, service and stores meet. Imported on first use."""

from __future__ import annotations

from .aws.service import LicenseManager, boto_import_lock
from .config import Settings
from .runtime import drivers, forking, shutdown  # noqa: F401 - drivers too, while forks wait
from .runtime.clock import SystemClock
from .runtime.engine import Engine
from .runtime.publisher import Publisher
from .stores.memory import MemoryDenials, MemoryLeaseStore

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
