"""The guard of a site that runs in a process of its own."""

from __future__ import annotations

from meterguard import MeterGuard


def guard_of_the_site():
    return MeterGuard(timeout=2, denial_ttl=0)
