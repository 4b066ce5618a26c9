"""Putting an engine together: the one place where runtime, service and stores meet. Imported on first use."""

from __future__ import annotations

from .aws.service import LicenseManager, boto_import_lock
from .config import Settings
from .runtime import doors, forking, leaving  # noqa: F401 - doors too, while forks wait
from .runtime.announcing import Announcer
from .runtime.clock import SystemClock
from .runtime.engine import Engine
from .stores.memory import MemoryDenials, MemoryLeaseTable


def engine(settings: Settings, announcer: Announcer) -> Engine:
    """An engine over the real service."""
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
        lambda is_busy: MemoryLeaseTable(policy.max_leases, is_busy),
        MemoryDenials(policy.max_leases, policy.denial_ttl),
        announcer,
    )
    # the fleet itself, since it outlives a guard that nobody refers to any more
    forking.enlist(made.fleet)
    leaving.enlist(id(made), made.fleet, check_in=policy.check_in_on_exit)
    return made
