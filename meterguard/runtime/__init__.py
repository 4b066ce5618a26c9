"""Decisions carried out: time, threads, locks and I/O.

* What to do is decided in ``core``; here it is done, once, by blocking code on a worker thread. Sync and async
  callers differ only in how they wait (``drivers``).
* No lock is held across I/O or ``await``. Locks are re-entrant, since a generator that the garbage collector
  closes gives its lease back wherever the thread happens to be.
* Nothing here starts at import.
"""
