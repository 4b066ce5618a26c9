"""Departures: what is held for one value of ``per=`` goes back when whoever it stands for has left."""

from __future__ import annotations

from .guard import MeterGuard
from .interruption import passing


def give_back(guard: MeterGuard, per: str) -> None:
    """Give back what is held for this value of ``per=``, and wait until the service has it.

    A call that comes all the same checks out anew. With a shared store the last process that uses it gives it back.
    """
    engine = guard.engine_in_use
    if engine is None or not engine.is_of_this_process():
        return
    waits = passing(engine.registry.give_back_seat, (per,))
    if waits:
        from .runtime import drivers

        for wait in waits:
            drivers.block(wait)
