"""Interruptions: exceptions of the application's signal handlers, found inside those that boto3 makes of them."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Iterator
from types import CodeType

MOST = 50  # exceptions looked at, for chains may be circular


def interruption(exc: BaseException) -> BaseException | None:
    """Return what a signal handler raised, when that is what ``exc`` is about; boto3 wraps it as a lost connection."""
    if threading.current_thread() is not threading.main_thread():
        return None  # handlers run in the main thread only
    handlers = set(_handlers())
    return next((one for one in _chain(exc) if _came_through(one, handlers)), None) if handlers else None


def _handlers() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        handler: object = signal.getsignal(number)
        while isinstance(handler, functools.partial):
            handler = handler.func
        handler = getattr(handler, "__func__", handler)  # of a method
        code = getattr(handler, "__code__", None) or getattr(getattr(type(handler), "__call__", None), "__code__", None)  # noqa: B004
        if isinstance(code, CodeType):
            yield code


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = [exc]
    for one in seen:
        yield one
        given = getattr(one, "kwargs", None)
        wrapped = given.get("error") if isinstance(given, dict) else None
        for inner in (wrapped, one.__cause__, one.__context__, *one.args):
            if isinstance(inner, BaseException) and len(seen) < MOST and not any(inner is known for known in seen):
                seen.append(inner)


def _came_through(exc: BaseException, handlers: set[CodeType]) -> bool:
    trace = exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False
