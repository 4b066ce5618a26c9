"""Bytes of a decorated function, and of a held lease."""

from __future__ import annotations

import functools
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

from cachetools import TTLCache, cached

from . import hot, peers, stand_in
from .plan import Found, Goal, Row, Scale, Study


def weight(make: Callable[[int], Any], number: int) -> float:
    """Return the bytes of one of many objects, less its place in the list that keeps them."""
    kept: list[Any] = [None] * number
    make(0)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for index in range(number):
            kept[index] = make(index)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / number


def decorated(gate: Callable[[Any], Any], number: int) -> dict[str, float]:
    """Return the bytes that each way of decorating adds to a function."""
    functions = [eval("lambda a, b: a") for _ in range(number)]  # noqa: S307 - none shares anything with another
    ways: dict[str, Callable[[Any], Any]] = {
        "guard": gate,
        "wrapt": hot.empty,
        "deadline": lambda fn: hot.closed_over(fn, deadline=1.0),
        "lru_cache": functools.lru_cache,
        "cachetools": lambda fn: cached(TTLCache(128, 3600))(fn),
    }
    return {row: weight(_applied(way, functions), number) for row, way in ways.items()}


def _applied(way: Callable[[Any], Any], functions: list[Any]) -> Callable[[int], Any]:
    return lambda index: way(functions[index])


def leases(number: int) -> float:
    """Return the bytes of one lease and of all that is kept to find, renew and return it."""
    with stand_in.guard() as guard:
        gate = guard.requires_entitlement("Seats", 1, "Count", per=lambda tenant, _: tenant)
        guarded = gate(hot.work)
        bytes_each = weight(lambda index: guarded(index, 0), number)
        assert len(guard.leases()) == number
    return bytes_each


def measure(scale: Scale) -> Found:
    """Measure all rows."""
    with stand_in.guard() as guard:
        gate = guard.requires_entitlement("Seats", 1, "Count")
        figures = decorated(gate, scale.pick(10_000, 300))
    figures["lease"] = leases(scale.pick(2_000, 50))
    figures["answer"] = weight(lambda _: stand_in.StandIn().checkout_license(Entitlements=[]), scale.pick(2_000, 50))
    return Found(figures, peers.absent)


STUDY = Study(
    "memory",
    "Bytes",
    (
        Row("guard", "a decorated function", "B", (Goal("B1", "bytes", "guard", 400),)),
        Row("wrapt", "... by @wrapt.decorator", "B"),
        Row("deadline", "... by a functools.wraps closure", "B"),
        Row("cachetools", "... by cachetools cached(TTLCache)", "B"),
        Row("lru_cache", "... by functools.lru_cache", "B"),
        Row("lease", "a lease with its index entry", "B", (Goal("B1", "bytes", "lease", 900),)),
        Row("answer", "one answer of the service, as boto3 gives it", "B"),
    ),
    measure,
    processes=1,
)
