"""Fork: the leases, threads and connections of a process are not its child's.

One hook for the whole package, since hooks cannot be taken off again. It logs nothing, does no I/O and takes no
lock but those that it is there to hold.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

# A fork waits for it: the child would inherit an import lock that no thread of its own will ever release.
_IMPORTING = threading.RLock()
_hooked = False

Kind = TypeVar("Kind")

PATIENCE = 30.0  # seconds a fork waits for an import; a child with half a module is worse than a slow fork


def importing() -> AbstractContextManager[object]:
    """Return the lock to hold while something is imported on first use."""
    with _IMPORTING:
        _hook()
    return _IMPORTING


def _hook() -> None:
    global _hooked
    if _hooked or not hasattr(os, "register_at_fork"):
        return
    # The hook registered last is the first to run before a fork. logging and futures have hooks that take locks
    # which importing boto3 needs; were they to run before ours waits for that import, nobody could go on.
    import logging  # noqa: F401

    try:
        import concurrent.futures.thread  # noqa: F401
    except RuntimeError:  # it cannot be imported any more, and boto3 needs it too
        from ..core import messages

        raise messages.exiting() from None

    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
    _hooked = True


class Forgetful(Protocol):
    """Something that forgets what is the parent's."""

    def forget(self) -> None:
        """Called in the child, where it is the only thread."""
        ...


_forgetful: weakref.WeakSet[Any] = weakref.WeakSet()
_locks: list[Any] = [_IMPORTING]
_held: list[Any] = []


def enlist(one: Forgetful) -> None:
    """Have ``one.forget()`` called in every child."""
    _forgetful.add(one)


def enlisted(kind: type[Kind]) -> list[Kind]:
    """Return the enlisted objects of a kind in this process."""
    return [one for one in list(_forgetful) if isinstance(one, kind)]


def hold_while_forking(lock: AbstractContextManager[object]) -> None:
    """Let forks wait for this lock too."""
    if lock not in _locks:
        _locks.append(lock)


def _before() -> None:
    _held[:] = [lock for lock in _locks if lock.acquire(timeout=PATIENCE)]


def _after() -> None:
    held = _held.copy()
    _held.clear()  # before another thread that forks can fill it
    for lock in reversed(held):
        lock.release()


def _in_child() -> None:
    _after()
    for one in list(_forgetful):
        one.forget()
