"""The guard of a site that runs in a process of its own."""

from __future__ import annotations

import os

from meterguard import MeterGuard

TIMEOUT = float(os.environ.get("SITE_TIMEOUT", "20"))  # seconds, with room for a busy machine


def guard_of_the_site():
    return MeterGuard(timeout=TIMEOUT, denial_ttl=0)


def books(guard):
    """The pages that were charged, and those in the hands of requests."""
    balance = guard.ledger.summary().get("Pages")
    return (
        {"charged": 0, "reserved": 0} if balance is None else {"charged": balance.charged, "reserved": balance.reserved}
    )
