"""The guard of a site that runs in a process of its own."""

from __future__ import annotations

from meterguard import MeterGuard


def guard_of_the_site():
    return MeterGuard(timeout=2, denial_ttl=0)


def books(guard):
    """The pages that were charged, and those in the hands of requests."""
    balance = guard.ledger.summary().get("Pages")
    return (
        {"charged": 0, "reserved": 0} if balance is None else {"charged": balance.charged, "reserved": balance.reserved}
    )
