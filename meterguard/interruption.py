"""Interruptions: exceptions of the application's signal handlers, found inside those that boto3 makes of them."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from types import CodeType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

WRAPPING = frozenset({"botocore", "boto3", "urllib3"})
MOST = 50  # exceptions looked at, for chains may be circular


class Interruption(BaseException):
    """A signal handler of the application raised something while a request was sent.

    It is no answer of the service, and no handler of ours or of boto3's may take it for one. The calls of the
    application raise what was ``raised``.
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(raised)
        self.raised = raised


def passing(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do some work, and raise what a signal handler raised as it was."""
    try:
        return work(*args, **kwargs)
    except Interruption as interruption:
        raised = interruption.raised
    raise raised


def must_pass(problem: BaseException) -> bool:
    """Tell whether something must not be swallowed, though a client's hook may raise anything: a handler raised it."""
    return isinstance(problem, Interruption | KeyboardInterrupt) or raised_by_handler(problem) is not None


def raised_by_handler(exc: BaseException) -> BaseException | None:
    """Return what a signal handler raised, when that is what ``exc`` is about; boto3 makes a lost connection of it."""
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
    if type(exc).__module__.partition(".")[0] in WRAPPING:  # they hand the traceback of what they wrap on
        return False
    trace = exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False
