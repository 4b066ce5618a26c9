"""Run an emulator in the foreground, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Unpack

from .emulator import Emulator
from .options import EmulatorOptions
from .protocol.validation import check, maybe

__all__ = ("serve",)

_MOST_REQUESTS: Final = 1000


def serve(
    port: int = 4020, *, ready: Callable[[Emulator], None] | None = None, **options: Unpack[EmulatorOptions]
) -> None:
    """Serve until Ctrl-C or SIGTERM, then stop gracefully and return.

    It may run for days, so unless told otherwise it remembers the latest 1000 requests only.

    Args:
        port: The port to serve on; 0: a free one.
        ready: Called with the emulator once it serves.
        options: Further arguments of `Emulator`, such as ``seed``.
    """
    check({"ready": maybe((callable, "a function of an emulator"))}, {"ready": ready})
    options.setdefault("most_requests", _MOST_REQUESTS)
    emulator = Emulator(port, **options)
    with _told_to_stop() as told, emulator:
        if ready is not None:
            ready(emulator)
        told.wait()


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread hears signals; elsewhere the process ends the wait.
        yield told
        return
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
