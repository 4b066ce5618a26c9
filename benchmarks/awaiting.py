"""A guarded coroutine function while its lease is held."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import wrapt

from . import hot, peers, rounds, stand_in
from .plan import Found, Goal, Row, Scale, Study

NUMBER = 1500  # turns of a sample: about half a millisecond
AsyncFunction = Callable[..., Awaitable[Any]]


async def work(a: int, b: int) -> int:
    """Do the guarded work, which never suspends."""
    return a or b


@wrapt.decorator
async def empty(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """Pass the call on, as wrapt's documentation writes a wrapper."""
    return await wrapped(*args, **kwargs)


def closed_over(fn: AsyncFunction) -> AsyncFunction:
    """Return the usual hand-written decorator, which does nothing."""

    @functools.wraps(fn)
    async def passing(*args: Any, **kwargs: Any) -> Any:
        return await fn(*args, **kwargs)

    return passing


def second_coroutines(gate: Callable[[Any], Any]) -> int:
    """Count the ways in which a guarded coroutine function differs from the bare one."""

    async def items() -> Any:
        yield 1

    guarded = gate(work)
    made = guarded(1, 2)
    differences = [
        getattr(made, "cr_code", None) is not work.__code__,
        not inspect.iscoroutinefunction(guarded),
        not inspect.isasyncgenfunction(gate(items)),
        inspect.signature(guarded) != inspect.signature(work),
    ]
    made.close()
    return sum(differences)


def functions(gate: Callable[[Any], Any]) -> dict[str, AsyncFunction]:
    """Return the function of each row."""
    made: dict[str, AsyncFunction] = {
        "bare": work,
        "guard": gate(work),
        "floor": hot.windowed(work),
        "closure": closed_over(work),
        "wrapt": empty(work),
    }
    if cachebox := peers.find("cachebox"):
        made["cachebox"] = cachebox.cached(cachebox.TTLCache(128, 3600))(work)
    if aiocache := peers.find("aiocache"):
        made["aiocache"] = aiocache.cached(ttl=3600)(work)
    if cashews := peers.find("cashews"):
        cashews.cache.setup("mem://")
        made["cashews"] = cashews.cache(ttl="1h")(work)
    return made


async def looped(fn: AsyncFunction, number: int) -> float:
    """Return the nanoseconds of one awaited call."""
    turns = itertools.repeat(None, number)
    start = time.perf_counter()
    for _ in turns:
        await fn(1, 2)
    return (time.perf_counter() - start) / number * 1e9


def measure(scale: Scale) -> Found:
    """Measure all rows in one run, on one loop."""
    with stand_in.guard() as guard, asyncio.Runner() as runner:
        gate = guard.requires_entitlement("Seats", 1, "Count")
        made = functions(gate)
        slow = {"aiocache", "cashews"}

        def sample(row: str) -> Callable[[], float]:
            return lambda: runner.run(looped(made[row], NUMBER // 50 if row in slow else NUMBER))

        samples = rounds.interleaved({row: sample(row) for row in made}, scale.pick(100, 2))
        found = Found(rounds.figures(samples, STUDY.pairs), peers.absent)
        found.figures["differences"] = second_coroutines(gate)
    return found


STUDY = Study(
    "async",
    "An awaited call while the lease is held",
    (
        Row("bare", "bare await"),
        Row(
            "guard",
            "guarded await",
            goals=(
                Goal("A1", "x the floor", "guard/floor", 1.06),
                Goal("A1", "x empty async closure", "guard/closure", 1.15),
                Goal("A1", "x cachebox hit", "guard/cachebox", 0.45),
            ),
        ),
        Row("floor", "floor: FunctionWrapper, enabled= a wall-clock window"),
        Row("closure", "async closure, empty"),
        Row("cachebox", "cachebox cached(TTLCache) hit"),
        Row("wrapt", "async @wrapt.decorator, empty"),
        Row("aiocache", "aiocache cached hit"),
        Row("cashews", "cashews cache hit"),
        Row(
            "differences",
            "second coroutine, kind or signature changed",
            "",
            (Goal("A2", "none", "differences", 0, is_count=True),),
        ),
    ),
    measure,
    base="bare",
)
