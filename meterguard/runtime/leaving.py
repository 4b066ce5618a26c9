"""Leaving: what happens to leases when a guard closes or the process ends.

The last check-in has to be one plain blocking call on the current thread: at interpreter exit executors take no
work, on some versions threads do not start, and event loops cannot resolve names. So nothing here uses any.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections import deque

from ..core import messages
from ..core.lifecycle import Signal
from ..ports import FaultKind
from .clock import stopwatch
from .fleet import Fleet
from .returns import Returns
from .slots import Slot
from .waiting import wait_for

CLOSING_TIME = 2.0  # seconds for everything
LANDING_TIME = 0.8  # of these, for flights in the air
ONE_REQUEST = 1.0  # seconds that a parting request may take at most
BETWEEN_ATTEMPTS = 0.1  # seconds
HELPERS, LEASES_EACH = 8, 10  # more threads, where there is more than one can do in time


def close(fleet: Fleet) -> bool:
    """Let nothing new through and give everything back, within two seconds; whether the service has it.

    Called again, it tries again what did not go back.
    """
    until = stopwatch() + CLOSING_TIME
    _close_in_time([(fleet, True)])
    fleet.end_threads(until)
    return not fleet.requester.returns.left()


def _close_in_time(fleets: list[tuple[Fleet, bool]]) -> None:
    deadline = stopwatch() + CLOSING_TIME
    fleets = [one for one in fleets if not one[0].is_inherited]
    with contextlib.ExitStack() as last_first:  # each has its turn, whatever a hook of the client raises for another
        for fleet, check_in in fleets:
            if check_in:  # a checkout that lands only now is given back by the thread that made it
                last_first.callback(_let_land, fleet, deadline)
        for fleet, check_in in fleets:
            last_first.callback(_close, fleet, check_in, deadline)


def _close(fleet: Fleet, check_in: bool, deadline: float) -> None:
    fleet.is_closed = True
    fleet.requester.leaving.set()
    fleet.tender.stop()
    fleet.queues.dissolve()
    fleet.requester.series.close()
    for slot in fleet.all_slots():
        slot.empty_windows()
    _let_land(fleet, min(stopwatch() + LANDING_TIME, deadline - ONE_REQUEST))
    slots = list(fleet.all_slots())
    for slot in slots:
        slot.let_go(Signal.CLOSE, fleet.requester.returns)
        slot.signal(Signal.CLOSE)
    if check_in:
        _return_all(fleet, slots, deadline)


def _let_land(fleet: Fleet, deadline: float) -> None:
    for future in fleet.in_air():
        wait_for(future, deadline - stopwatch())


def _return_all(fleet: Fleet, slots: list[Slot], deadline: float) -> None:
    """On this thread, with the help of those that can be had."""
    ask = fleet.requester
    left = deque(ask.returns.left())
    lost = deque((slot, intent) for slot in slots for intent in slot.pending)

    def work() -> None:
        with contextlib.suppress(IndexError):
            while stopwatch() <= deadline - ONE_REQUEST:
                ask.returns.give_back(left.popleft(), parting=True)
        with contextlib.suppress(IndexError):
            while stopwatch() <= deadline - ONE_REQUEST:
                ask.settle(*lost.popleft())

    helpers = [fleet.returns.promise(work) for _ in range(min(HELPERS, len(left) // LEASES_EACH))]
    work()
    for helper in helpers:
        wait_for(helper, deadline - stopwatch())
    _return_again(ask.returns, deadline)


def _return_again(returns: Returns, deadline: float) -> None:
    """Try again, while there is time, what failed: once after a no, more often after no answer. Tell of the rest."""
    pause = threading.Event()
    again = [owed for owed in returns.left() if owed.fault is not None and owed.fault.kind is not FaultKind.UNREACHABLE]
    while again and stopwatch() <= deadline - ONE_REQUEST:
        pause.wait(BETWEEN_ATTEMPTS)
        for owed in again:
            if stopwatch() <= deadline - ONE_REQUEST:
                returns.attempt(owed, parting=True)
        again = [owed for owed in again if owed.fault is not None and owed.fault.kind is FaultKind.UNKNOWN]
    for owed in returns.left():
        returns.tell(owed)


# -- the end of the process ----------------------------------------------------------------------

_fleets: dict[int, tuple[Fleet, bool]] = {}
_hooked = False
_exiting = False


def enlist(key: int, fleet: Fleet, *, check_in: bool) -> None:
    """Have a fleet closed when the process ends; it is kept alive until then, or until it is struck off.

    :raises ConfigurationError: the process is ending already, and nobody would close it.
    """
    global _hooked
    if _exiting:
        raise messages.exiting()
    if not _hooked:
        _hook()
        _hooked = True
    _fleets[key] = (fleet, check_in)


def _hook() -> None:
    # Before the interpreter joins its threads, where it can still start some. Private, hence the guard;
    # atexit comes later and finds nothing left to do.
    register = getattr(threading, "_register_atexit", None)
    try:
        if register is not None:
            register(_main_thread_ended)
    except RuntimeError:  # it has ended
        thread = threading.current_thread()
        if thread is threading.main_thread() or thread.daemon:
            raise messages.exiting() from None
    atexit.register(_close_all)


def strike_off(key: int) -> None:
    """It is closed already."""
    _fleets.pop(key, None)


def _main_thread_ended() -> None:
    """A program goes on while it has other threads that are not daemons; then all is left to atexit."""
    idle = (threading.main_thread(), threading.current_thread())
    if all(thread.daemon or thread in idle for thread in threading.enumerate()):
        _close_all()


def _close_all() -> None:
    global _exiting
    _exiting = True
    fleets = []
    while _fleets:
        fleets.append(_fleets.popitem()[1])
    _close_in_time(fleets)
