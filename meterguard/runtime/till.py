"""The till of a guard: its draws and its meters, and when they are written down."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from decimal import Decimal
from os import getpid
from typing import Any

from ..core.requirements import Wish
from ..model import Entitlement
from ..usage import UsageKey, UsageLine, hour_of
from .draws import Draws, Seek
from .engine import Engine
from .metering import Metering
from .postings import Postings
from .slices import Reservation
from .teller import Teller
from .waits import Wait


class Till:
    """Draws, meters and postings of one guard, in one process."""

    def __init__(self, engine: Engine, teller: Teller, draws: Draws, metering: Metering, postings: Postings) -> None:
        self.engine = engine
        self.teller = teller
        self.draws = draws
        self.metering = metering
        self.postings = postings
        self.pid = engine.pid
        self._registry = engine.registry

    def is_of_this_process(self) -> bool:
        """False in a forked child: what is reserved there is the parent's."""
        return self.pid == getpid()

    def at_once(self, wish: Wish) -> Reservation | None:
        """Reserve units that are here already; see :meth:`Draws.at_once`."""
        if self._registry.is_closed:
            self._registry.check_open()
        return self.draws.at_once(wish)

    def seek(self, wish: Wish) -> Seek:
        """Reserve units for a call; see :meth:`Draws.seek`."""
        self.engine.registry.check_open()
        return self.draws.seek(wish)

    def probe(self, wish: Wish) -> Generator[Wait, Any, None]:
        """Raise the error that :meth:`seek` would raise, as far as it is known. Draws no unit."""
        self.engine.registry.check_open()
        return self.draws.probe(wish)

    def settle(self, reservation: Reservation, used: int, subject: str | None) -> None:
        """Charge what a call used of its reservation. In a forked child that is for the parent to say."""
        if self.pid == getpid():  # also where the fork ran no hooks: a lock may be that of a thread which is not there
            self.draws.settle(reservation, used, subject)

    def meter(self, entitlement: Entitlement, quantity: Decimal, subject: str | None) -> Future[None] | None:
        """Write usage down that no licence is asked about; done when it is safe, None: it is."""
        hour = hour_of(self.engine.clock.wall())
        key = UsageKey(
            self.draws.limits.scope, entitlement.name, entitlement.unit.value, subject, hour, is_metered=True
        )
        return self.metering.write(UsageLine(key, quantity))

    def flush(self) -> None:
        """Write down what was used. Raises ``LedgerFault``."""
        self.postings.settle()
        self.metering.flush()

    def close(self) -> None:
        """Write everything down, and return what no running call has. In a forked child that is for the parent."""
        if not self.is_of_this_process():
            return
        self.draws.refills.is_closed = True
        self.metering.flush()
        self.postings.close()
