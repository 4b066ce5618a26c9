"""A guarded call on eight threads: they have one interpreter, but need not wait for a lock of ours besides."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import rounds, stand_in
from .hot import windowed, work
from .plan import Found, Goal, Row, Scale, Study

THREADS = 8


def locked(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the hand-written decorator that compares its deadline under a lock."""
    lock = threading.Lock()
    deadline = time.monotonic() + 86_400

    @functools.wraps(fn)
    def comparing(*args: Any, **kwargs: Any) -> Any:
        with lock:
            live = time.monotonic() < deadline
        if live:
            return fn(*args, **kwargs)
        raise TimeoutError

    return comparing


def rate(fn: Callable[[int, int], Any], threads: int, number: int) -> float:
    """Return the calls a second of so many threads together."""
    together = threading.Barrier(threads)

    def turns() -> tuple[float, float]:
        together.wait()
        start = time.perf_counter()
        for _ in range(number):
            fn(1, 2)
        return start, time.perf_counter()

    with ThreadPoolExecutor(threads) as pool:
        spans = [turn.result() for turn in [pool.submit(turns) for _ in range(threads)]]
    return threads * number / (max(end for _, end in spans) - min(start for start, _ in spans))


def measure(scale: Scale) -> Found:
    """Measure each way to guard on one thread and on eight."""
    number = scale.pick(400_000, 1000)
    with stand_in.guard() as guard:
        ways = {
            "bare": work,
            "guard": guard.requires_entitlement("Seats", 1, "Count")(work),
            "floor": windowed(work),
            "lock": locked(work),
        }
        for fn in ways.values():
            fn(1, 2)
        samples = rounds.interleaved(
            {
                f"{way}-{threads}": functools.partial(rate, fn, threads, number // threads)
                for way, fn in ways.items()
                for threads in (1, THREADS)
            },
            scale.pick(10, 2),
        )
    return Found(rounds.figures(samples, STUDY.pairs))


def _rows(way: str, says: str, *goals: Goal) -> list[Row]:
    return [Row(f"{way}-1", f"{says}, one thread", "/s"), Row(f"{way}-8", "  eight threads together", "/s", goals)]


STUDY = Study(
    "threads",
    "A guarded call on many threads",
    (
        *_rows("bare", "bare call"),
        *_rows(
            "guard",
            "guarded call",
            Goal("H7", "of one thread", "guard-8/guard-1", 0.85, at_least=True),
            Goal("H7", "x the locked closure's", "guard-8/lock-8", 4, at_least=True),
        ),
        *_rows("floor", "floor: FunctionWrapper, enabled= a wall-clock window"),
        *_rows("lock", "functools.wraps closure, a deadline under a lock"),
    ),
    measure,
)
