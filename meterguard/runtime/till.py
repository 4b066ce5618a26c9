"""The till of a guard: its draws and its meters, and when they are written down."""

from __future__ import annotations

import os
from concurrent.futures import Future
from decimal import Decimal

from ..core.requirements import Wish
from ..model import Entitlement
from ..ports import Clock
from ..usage import UsageKey, UsageLine, hour_of
from .draws import Draws, Seek
from .metering import Metering
from .postings import Postings
from .slices import Reservation
from .teller import Teller


class Till:
    """Draws, meters and postings of one guard, in one process."""

    def __init__(self, teller: Teller, draws: Draws, metering: Metering, postings: Postings, clock: Clock) -> None:
        self.teller = teller
        self.draws = draws
        self.metering = metering
        self.postings = postings
        self._clock = clock
        self._pid = os.getpid()

    def is_of_this_process(self) -> bool:
        """False in a forked child: what is reserved there is the parent's."""
        return self._pid == os.getpid()

    def seek(self, wish: Wish) -> Seek:
        """Reserve units for a call; see :meth:`Draws.seek`."""
        return self.draws.seek(wish)

    def settle(self, reservation: Reservation, used: int, subject: str | None) -> None:
        """Charge what a call used of its reservation. In a forked child that is for the parent to say."""
        if self.is_of_this_process():
            self.draws.settle(reservation, used, subject)

    def meter(self, entitlement: Entitlement, quantity: Decimal, subject: str | None) -> Future[None]:
        """Write usage down that no licence is asked about; done when it is safe."""
        hour = hour_of(self._clock.now().wall)
        key = UsageKey(
            self.draws.limits.scope, entitlement.name, entitlement.unit.value, subject, hour, is_metered=True
        )
        return self.metering.write(UsageLine(key, quantity))

    def close(self) -> None:
        """Write everything down, and return what no running call has."""
        self.metering.flush()
        self.postings.close()
