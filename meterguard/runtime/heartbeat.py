"""The heartbeat of a process in a fleet, by which the others know that it is there.

A process that could not show itself for long renews what it holds: the others may have given it back. The heartbeat
does not wait for sweeps and check-ins, which may take minutes.
"""

from __future__ import annotations

import random

from ..errors import ConfigurationError
from ..rows import StoreFault
from .agenda import Errand
from .registry import Registry
from .shared_lessor import SharedLessor

EVERY = 30.0  # seconds


class Heartbeat:
    """The heartbeat of one guard."""

    def __init__(self, lessor: SharedLessor, registry: Registry) -> None:
        self._lessor = lessor
        self._registry = registry
        self._errand = Errand(lambda: registry.workers.submit(self.run))

    def begin(self) -> None:
        """Show this process soon, on a worker, and again from time to time."""
        self._registry.renewal.remind(self._errand, 0.0)

    def run(self) -> None:
        """Show this process, look for those that are missing, and have this done again."""
        presence = self._lessor.presence
        is_in_doubt = presence.is_in_doubt  # before the row is renewed: others may have acted on its absence already
        try:
            if self._lessor.is_idle:
                presence.rest()
            else:
                presence.renew()
            presence.look()
        except (StoreFault, ConfigurationError):  # whoever calls a gate hears of it
            is_in_doubt = presence.is_in_doubt
        finally:
            if not self._registry.is_closed:
                self._registry.renewal.remind(self._errand, EVERY * (0.75 + random.random() / 2))
        if is_in_doubt:
            confirm_all(self._registry)


def confirm_all(registry: Registry) -> None:
    """Renew all that is held, though it is not due: others may have given it back, or a store may have lost it."""
    for record in registry.all_records():
        if record.term is not None:
            registry.confirm(record)
