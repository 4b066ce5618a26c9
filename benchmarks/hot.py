"""A guarded call while its lease is held: functions and methods, beside floors and peers."""

from __future__ import annotations

import functools
import threading
import time
import types
from collections.abc import Callable
from time import time as wall_clock
from typing import Any

import wrapt
from cachetools import TTLCache, cached

from . import peers, rounds, stand_in
from .plan import Found, Goal, Row, Scale, Study

NUMBER = 4000  # turns of a sample: about a millisecond


def work(a: int, b: int) -> int:
    """Do the guarded work."""
    return a or b


def pass_on(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """Call what is wrapped, and do nothing else."""
    return wrapped(*args, **kwargs)


empty = wrapt.decorator(pass_on)
"""A decorator that does nothing, made as wrapt's documentation shows."""


def closed_over(fn: Callable[..., Any], *, deadline: float | None) -> Callable[..., Any]:
    """Return the usual hand-written decorator: empty, or with one deadline compared."""
    monotonic = time.monotonic

    @functools.wraps(fn)
    def passing(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    @functools.wraps(fn)
    def comparing(*args: Any, **kwargs: Any) -> Any:
        if deadline is not None and monotonic() < deadline:
            return fn(*args, **kwargs)
        raise TimeoutError

    return passing if deadline is None else comparing


def windowed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the floor of a guard that is a wrapt object and reads a clock: it has no code of meterguard."""
    wrapper: Callable[..., Any] = wrapt.FunctionWrapper(fn, pass_on, window())
    return wrapper


def window() -> Callable[[], bool]:
    """Return the cheapest look at a clock: is it outside the next hour?"""
    lo = wall_clock()
    hi = lo + 3600

    def outside() -> bool:
        return not lo <= wall_clock() < hi

    return outside


class Binding(wrapt.FunctionWrapper):  # type: ignore[misc] # wrapt's class has no types
    """The floor of a guarded method: bound as a function is, without an object of wrapt's at each look."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


def hand_made(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the guard that teams write for themselves: a checkout cached by cachetools, under its lock."""

    @cached(TTLCache(128, 3600), lock=threading.Lock())
    def check_out(name: str) -> str:
        return name

    @functools.wraps(fn)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        check_out("Seats")
        return fn(*args, **kwargs)

    return guarded


def functions(gate: Callable[[Any], Any]) -> dict[str, Callable[[], float]]:
    """Return a sample of each row of plain functions."""
    made = {
        "bare": work,
        "guard": gate(work),
        "floor": windowed(work),
        "wrapt": empty(work),
        "closure": closed_over(work, deadline=None),
        "deadline": closed_over(work, deadline=time.monotonic() + 86_400),
        "hand-made": hand_made(work),
        "lru_cache": functools.lru_cache(work),
    }
    if cachebox := peers.find("cachebox"):
        made["cachebox"] = cachebox.cached(cachebox.TTLCache(128, 3600))(work)
    for fn in made.values():
        fn(1, 2)
    samples = {row: rounds.loop("f(1, 2)", NUMBER, f=fn) for row, fn in made.items()}
    if prometheus := peers.find("prometheus_client", "prometheus-client"):
        counter = prometheus.Counter("calls", "Calls", registry=prometheus.CollectorRegistry())
        samples["prometheus"] = rounds.loop("inc()", NUMBER, inc=counter.inc)
    return samples


def methods(gate: Callable[[Any], Any]) -> dict[str, Callable[[], float]]:
    """Return a sample of each row of methods. The attribute is read at each call."""

    class Thing:
        """A class with methods."""

        def bare(self, a: int, b: int) -> int:
            """Do the work, unguarded."""
            return a or b

        guarded = gate(bare)
        wrapped = empty(bare)
        floor = Binding(bare, pass_on, window())

    thing = Thing()
    thing.guarded(1, 2)
    return {
        "method": rounds.loop("thing.bare(1, 2)", NUMBER, thing=thing),
        "guard-method": rounds.loop("thing.guarded(1, 2)", NUMBER, thing=thing),
        "floor-method": rounds.loop("thing.floor(1, 2)", NUMBER, thing=thing),
        "wrapt-method": rounds.loop("thing.wrapped(1, 2)", NUMBER, thing=thing),
    }


def measure(scale: Scale) -> Found:
    """Measure all rows in one run."""
    with stand_in.guard() as guard:
        gate = guard.requires_entitlement("Seats", 1, "Count")
        samples = rounds.interleaved(functions(gate) | methods(gate), scale.pick(100, 2))
    return Found(rounds.figures(samples, STUDY.pairs), peers.absent)


STUDY = Study(
    "hot",
    "A call while the lease is held",
    (
        Row("bare", "bare call"),
        Row(
            "guard",
            "guarded call",
            goals=(
                Goal("H1", "x the floor", "guard/floor", 1.05),
                Goal("H1", "x empty @wrapt.decorator", "guard/wrapt", 0.36),
                Goal("H2", "x closure with one deadline compare", "guard/deadline", 1.05),
                Goal("H3", "x hand-made cached(TTLCache, lock) guard", "guard/hand-made", 0.18),
                Goal("H3", "x cachebox hit", "guard/cachebox", 0.45),
            ),
        ),
        Row("floor", "floor: FunctionWrapper, enabled= a wall-clock window"),
        Row("lru_cache", "lru_cache hit, which never expires"),
        Row("closure", "functools.wraps closure, empty"),
        Row("deadline", "functools.wraps closure, one deadline compare"),
        Row("prometheus", "prometheus Counter.inc, which only counts"),
        Row("cachebox", "cachebox cached(TTLCache) hit"),
        Row("wrapt", "@wrapt.decorator, empty"),
        Row("hand-made", "hand-made guard: cached(TTLCache, lock) in a closure"),
        Row("method", "bare method"),
        Row(
            "guard-method",
            "guarded method",
            goals=(Goal("H5", "x the floor of a method", "guard-method/floor-method", 1.05),),
        ),
        Row("floor-method", "floor: the same, bound by types.MethodType"),
        Row("wrapt-method", "@wrapt.decorator on a method, empty"),
    ),
    measure,
    base="bare",
)
