"""Assembly of what gives back what dead processes left."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..config import Settings
from ..core.scopes import CONTRACT
from ..rows import SharedStore
from ..runtime.clock import SystemClock
from .services import license_service
from .shared_stores import sealing_of

if TYPE_CHECKING:
    from ..runtime.sweep import Swept


def sweep_all(store: SharedStore, settings: Settings) -> Swept:
    """Give back what dead processes left of every licence in a store."""
    from ..runtime.execution import Execution, is_of_lease
    from ..runtime.shared_lessor import SharedLessor
    from ..runtime.sweep import Swept, sweep

    ours, leaving, clock = settings.scope, threading.Event(), SystemClock()
    sealing, found = sealing_of(settings, store), Swept()
    for scope in sorted({place.partition("/")[0] for place, _ in store.rows("") if is_of_lease(place)}):
        service = license_service(settings if scope == ours else _stranger(settings, scope, store))
        execution = Execution(store, service, clock, leaving, sealing, scope)
        found = found.plus(sweep(SharedLessor(execution, settings.policy), is_ours=scope == ours))
    return found


def _stranger(settings: Settings, scope: str, store: SharedStore) -> Settings:
    """Return settings with which a token of another licence or contract goes back: without our beneficiary."""
    customer = ("", None) if scope.startswith(CONTRACT) else None  # its tokens say where its units are counted
    return settings._replace(beneficiary=None, customer=customer, store=store)
