"""Reentry: a call that the garbage collector ends while this thread is in the middle of the runtime's own work."""

from __future__ import annotations

import sys
from types import FrameType

_LOCKING = ("meterguard.runtime.", "meterguard.stores.", "meterguard.aws.")
_FINALIZING = frozenset({"meterguard.runtime.admission", "meterguard.runtime.engine"})


def is_inside() -> bool:
    """Return True where code that runs below the finalizer may hold a lock of ours.

    Another thread may hold what the finalizer wants, and wait for that lock.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _FINALIZING:
        frame = frame.f_back
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_LOCKING):
            return True
        frame = frame.f_back
    return False
