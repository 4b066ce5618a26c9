"""Work for which the rights of files count, also where the tests are root's."""

from __future__ import annotations

import ctypes
import threading


def as_nobody_special(work):
    """Do it in a thread for which the rights of files count, also where the tests are root's."""
    outcome = []

    def worker():
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # of capset(2): its version 3, this thread
        assert libc.capset(header, (ctypes.c_uint32 * 6)()) == 0
        try:
            work()
        except Exception as problem:  # noqa: BLE001 - raised again where the test sees it
            outcome.append(problem)

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    for problem in outcome:
        raise problem
