"""Shutdown: what happens to leases when a guard closes or the process ends.

The last check-in has to be one plain blocking call on the current thread: at interpreter exit executors take no
work, on some versions threads do not start, and event loops cannot resolve names. So nothing here uses any.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import threading
from collections import deque

from ..core import messages
from ..ports import FaultKind
from .clock import stopwatch
from .lost_checkouts import settle
from .records import Record
from .registry import Registry
from .returns import Returns
from .waits import wait_for

CLOSING_TIME = 2.0  # seconds for everything
LANDING_TIME = 0.8  # of these, for flights in the air
ONE_REQUEST = 1.0  # seconds that a parting request may take at most
BETWEEN_ATTEMPTS = 0.1  # seconds
HELPERS, LEASES_EACH = 8, 10  # more threads, where there is more than one can do in time


def close(registry: Registry) -> bool:
    """Let nothing new through and give everything back, within two seconds; whether the service has it.

    Called again, it tries again what did not go back.
    """
    until = stopwatch() + CLOSING_TIME
    try:
        _close_in_time([(registry, True)])
    except BaseException:  # of a signal handler: it passes through, and what is left goes back behind it
        registry.returns.submit(functools.partial(_close_in_time, [(registry, True)]))
        registry.end_threads(0.0)
        raise
    registry.end_threads(until)
    return not registry.exchange.returns.left()


def _close_in_time(registries: list[tuple[Registry, bool]]) -> None:
    deadline = stopwatch() + CLOSING_TIME
    registries = [one for one in registries if not one[0].is_inherited]
    with contextlib.ExitStack() as last_first:  # each has its turn, whatever a hook of the client raises for another
        for registry, check_in in registries:
            if check_in:  # a checkout that lands only now is given back by the thread that made it
                last_first.callback(_let_land, registry, deadline)
        for registry, check_in in registries:
            last_first.callback(_close, registry, check_in, deadline)


def _close(registry: Registry, check_in: bool, deadline: float) -> None:
    registry.is_closed = True
    registry.exchange.leaving.set()
    registry.renewal.stop()
    registry.queues.dissolve()
    registry.exchange.series.close()
    for record in registry.all_records():
        record.empty_windows()
    _let_land(registry, min(stopwatch() + LANDING_TIME, deadline - ONE_REQUEST))
    records = registry.all_records()
    for record in records:
        record.close()
    # on other threads, for a ledger may take longer than there is time
    for parted in [registry.returns.promise(part) for part in registry.parting]:
        wait_for(parted, deadline - stopwatch())
    if check_in:
        _return_all(registry, records, deadline)
        registry.exchange.lessor.end(deadline - ONE_REQUEST)


def _let_land(registry: Registry, deadline: float) -> None:
    for future in registry.in_air():
        wait_for(future, deadline - stopwatch())


def _return_all(registry: Registry, records: list[Record], deadline: float) -> None:
    """Return all leases, on this thread and on others that can be started."""
    ask = registry.exchange
    left = deque(ask.returns.left())
    now = ask.clock.now()
    lost = deque((record, intent) for record in records for intent in record.pending(now))

    def work() -> None:
        with contextlib.suppress(IndexError):
            while stopwatch() <= deadline - ONE_REQUEST:
                ask.returns.give_back(left.popleft(), parting=True)
        with contextlib.suppress(IndexError):
            while stopwatch() <= deadline - ONE_REQUEST:
                settle(ask, *lost.popleft())

    helpers = [registry.returns.promise(work) for _ in range(min(HELPERS, len(left) // LEASES_EACH))]
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

_registries: dict[int, tuple[Registry, bool]] = {}
_hooked = False
_exiting = False


def enlist(key: int, registry: Registry, *, check_in: bool) -> None:
    """Have a registry closed when the process ends; it is kept alive until then, or until it is struck off.

    :raises ConfigurationError: the process is ending already, and nobody would close it.
    """
    global _hooked
    if _exiting:
        raise messages.exiting()
    if not _hooked:
        _hook()
        _hooked = True
    _registries[key] = (registry, check_in)


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
    """Take off a registry that is closed already."""
    _registries.pop(key, None)


def _main_thread_ended() -> None:
    """A program goes on while it has other threads that are not daemons; then all is left to atexit."""
    idle = (threading.main_thread(), threading.current_thread())
    if all(thread.daemon or thread in idle for thread in threading.enumerate()):
        _close_all()


def _close_all() -> None:
    global _exiting
    _exiting = True
    registries = []
    while _registries:
        registries.append(_registries.popitem()[1])
    _close_in_time(registries)
