"""Leases that end under load: who waits, how often the service is asked, and whether anything is served too late."""

from __future__ import annotations

import functools
import threading
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

from cachetools import TTLCache, cached

from meterguard import EntitlementUnavailable, MeterGuard

from . import backend, load, peers
from .plan import Found, Goal, Row, Scale, Study

LATENCY = 0.1  # seconds
TTL = 1  # second, as short as the emulator's licences allow
OUTAGE_TTL = 2
STALLED = LATENCY / 2
"""Seconds; who is kept for longer has waited for the service."""

MS = 1000


class Guarded(NamedTuple):
    """A function and a coroutine function behind one gate, and the times at which their bodies ran."""

    call: Callable[[], Any]
    acall: Callable[[], Any]
    served: array[float]


def gates(guard: MeterGuard) -> Guarded:
    """Return guarded functions whose bodies note the wall clock."""
    gate = guard.requires_entitlement("Seats", 1, "Count")
    served = array("d")

    @gate
    def call() -> None:
        served.append(time.time())

    @gate
    async def acall() -> None:
        served.append(time.time())

    return Guarded(call, acall, served)


def noted() -> Callable[[], None]:
    """Return the call to compare with: the same body behind a cache that never expires."""
    served = array("d")

    @functools.lru_cache
    def entitled() -> bool:
        return True

    def call() -> None:
        if entitled():
            served.append(time.time())

    return call


def too_late(served: array[float], ends: list[tuple[float, float]]) -> int:
    """Count the bodies that ran too late: every lease that had been asked for by then had ended."""
    ordered = sorted(ends)
    asked = [at for at, _ in ordered]
    last_end = list(accumulate((end for _, end in ordered), max))
    return sum(not (known := bisect_right(asked, moment)) or moment >= last_end[known - 1] for moment in served)


def renewing(service: backend.Backend, scale: Scale) -> dict[str, float]:
    """Measure E1 and E2: a lease is renewed again and again while all callers use it."""
    shape = load.Shape(seconds=scale.pick(6, 1.2))
    url, sku, fingerprint = service.target(TTL)
    service.be_slow(LATENCY)
    with MeterGuard(sku, fingerprint, endpoint_url=url, region_name="us-east-1") as guard:
        guarded = gates(guard)
        service.forget()
        began = time.monotonic()
        guarded.call()  # the cold start is another study's
        of_threads = load.under_threads(guarded.call, noted(), shape)
        of_tasks = load.under_tasks(guarded.acall, shape)
        threads, tasks = of_threads(), of_tasks()
        calls, took = service.calls(), time.monotonic() - began
    assert not threads.failed, threads.failed[:3]
    assert not tasks.failed, tasks.failed[:3]
    found = {
        "beside p99.9": load.quantile(threads.beside, 0.999) * MS,
        "overslept p99.9": load.quantile(threads.overslept, 0.999) * MS,
        "calls": calls,
        "calls/allowed": calls / int(took / (0.8 * TTL) + 1),
        "late": too_late(guarded.served, service.ends()),
    }
    for row, log in {"threads": threads, "tasks": tasks}.items():
        found |= {f"{row} p99.9": load.quantile(log.took, 0.999) * MS, f"{row} max": max(log.took) * MS}
        found[f"{row} p99.9/beside p99.9"] = found[f"{row} p99.9"] / found["beside p99.9"]
    return found


def outage(service: backend.Backend, scale: Scale) -> dict[str, float]:
    """Measure E2: the service goes down under a live lease, which then ends."""
    shape = load.Shape(threads=4, calls_of_thread=200, tasks=8, calls_of_task=50, seconds=scale.pick(5, 2.3))
    url, sku, fingerprint = service.target(OUTAGE_TTL)
    service.be_slow(LATENCY)
    options: dict[str, Any] = {"on_unknown": "deny", "timeout": 0.5}
    with MeterGuard(sku, fingerprint, endpoint_url=url, region_name="us-east-1", **options) as guard:
        guarded = gates(guard)
        guard.engine.registry.exchange.service.connect()  # which takes longer than the time-out
        guarded.call()
        service.be_down()
        of_threads = load.under_threads(guarded.call, noted(), shape)
        of_tasks = load.under_tasks(guarded.acall, shape)
        log = load.merged((of_threads(), of_tasks()))
        ends = service.ends()
        service.be_up()
    # the guard counts from just before it asks; who calls at the very end may well see it come
    end = max(at for at, _ in ends) + OUTAGE_TTL - 0.05
    assert log.failed, "the lease did not end"
    assert all(isinstance(failure, EntitlementUnavailable) for failure in log.failed), log.failed[:3]
    alive = [took for began, took in zip(log.began, log.took, strict=True) if began < end]
    return {
        "outage late": too_late(guarded.served, ends),
        "outage waits": sum(took > STALLED for took in alive),
        "outage max": max(alive) * MS,
    }


def caches(fetch: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    """Return the fetch behind the cache of each peer."""
    made: dict[str, Callable[[], Any]] = {
        "cachetools-lock": cached(TTLCache(8, TTL), lock=threading.Lock())(fetch),
        "cachetools-condition": cached(TTLCache(8, TTL), condition=threading.Condition())(fetch),
    }
    if cachebox := peers.find("cachebox"):
        made["cachebox"] = cachebox.cached(cachebox.TTLCache(8, TTL))(fetch)
    if dogpile := peers.find("dogpile.cache"):
        region = dogpile.make_region().configure("dogpile.cache.memory", expiration_time=TTL)
        made["dogpile"] = lambda: region.get_or_create("key", fetch)
    return made


def of_peers(scale: Scale) -> dict[str, float]:
    """Measure the peers: the same threads call caches, whose value takes and lives as long as a lease."""
    shape = load.Shape(seconds=scale.pick(3, 0.3))
    found: dict[str, float] = {}
    calls: list[None] = []

    def fetch() -> bool:
        calls.append(None)
        time.sleep(LATENCY)
        return True

    for row, call in caches(fetch).items():
        call()
        calls.clear()
        log = load.under_threads(call, noted(), shape)()
        found |= {f"{row} p99.9": load.quantile(log.took, 0.999) * MS, f"{row} calls": len(calls)}
    return found


def measure(scale: Scale) -> Found:
    """Measure one load after another, so that they do not disturb each other."""
    with backend.Backend() as service:
        figures = renewing(service, scale) | outage(service, scale)
    return Found(figures | of_peers(scale), peers.absent)


def _peer(row: str, says: str) -> list[Row]:
    return [Row(f"{row} p99.9", f"{says}: p99.9", "ms"), Row(f"{row} calls", f"{says}: calls in 3 s", "")]


def _callers(row: str, says: str) -> list[Row]:
    goals = (
        Goal("E1", "ms, 0.002 of the latency", f"{row} p99.9", 0.2),
        Goal("E1", "x the lru_cache's", f"{row} p99.9/beside p99.9", 5),
    )
    return [
        Row(f"{row} p99.9", f"{says}: p99.9", "ms", goals),
        Row(f"{row} max", f"{says}: longest", "ms", (Goal("E1", "ms", f"{row} max", 5),)),
    ]


STUDY = Study(
    "expiry",
    f"Leases of {TTL} s under load, and a backend that takes {LATENCY * MS:.0f} ms",
    (
        *_callers("threads", "8 threads at 500 calls/s"),
        *_callers("tasks", "20 tasks at 100 calls/s"),
        Row("beside p99.9", "an lru_cache hit beside each call: p99.9", "ms"),
        Row("overslept p99.9", "alarm clocks of the 8 threads late by: p99.9", "ms"),
        Row(
            "calls",
            "checkouts and renewals in 6 s",
            "",
            (Goal("E2", "x one per 0.8 lifetime, + 1", "calls/allowed", 1, is_count=True),),
        ),
        Row("late", "bodies run after Expiration", "", (Goal("E2", "", "late", 0, is_count=True),)),
        Row("outage late", "... while the service is down", "", (Goal("E2", "", "outage late", 0, is_count=True),)),
        Row(
            "outage waits",
            "calls that waited while it was down and the lease lived",
            "",
            (Goal("E2", "", "outage waits", 0, is_count=True),),
        ),
        Row("outage max", "... the longest of them", "ms"),
        *_peer("cachetools-lock", "cachetools cached(TTLCache, lock)"),
        *_peer("cachetools-condition", "cachetools cached(TTLCache, condition)"),
        *_peer("cachebox", "cachebox cached(TTLCache)"),
        *_peer("dogpile", "dogpile.cache memory, the others get the expired value"),
    ),
    measure,
)
