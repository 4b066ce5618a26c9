"""The naive ways to count a unit, and peers: each a sample of the nanoseconds of one unit."""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import peers, rounds
from .plan import Scale

Sample = Callable[[], float]
GROUP = 1000
RECORD = b"x" * 31 + b"\n"


def timed(work: Callable[[], object], units: int) -> Sample:
    """Return a function that does some work and returns the nanoseconds of each of its units."""

    def sample() -> float:
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) / units * 1e9

    return sample


def rows(directory: Path, redis_url: str | None, scale: Scale) -> dict[str, Sample]:
    """Return a sample of each row."""
    return in_memory(scale) | peers_in_memory(scale) | in_files(directory, scale) | over_redis(redis_url, scale)


def in_memory(scale: Scale) -> dict[str, Sample]:
    """Return the ways that count in this process. Their samples take as long as those of draws: some 20 ms.

    Else a busy machine would interrupt the long samples only, and ratios would be its.
    """
    number = scale.pick(100_000, 200)
    per_thread: dict[int, int] = collections.defaultdict(int)
    queue: collections.deque[int] = collections.deque(maxlen=10_000)
    return {
        "lock": rounds.loop("with lock: box[0] += 1", number, lock=threading.Lock(), box=[0]),
        "deque": rounds.loop("append(1)", number, append=queue.append),
        "count": rounds.loop("count()", number, count=itertools.count().__next__),
        "per-thread": rounds.loop("counts[ident()] += 1", number, counts=per_thread, ident=threading.get_ident),
    }


def peers_in_memory(scale: Scale) -> dict[str, Sample]:
    """Return the counters of metrics libraries, whose readers come by now and then."""
    made: dict[str, Sample] = {}
    number = scale.pick(20_000, 200)
    if prometheus := peers.find("prometheus_client", "prometheus-client"):
        counter = prometheus.Counter("units", "Units", registry=prometheus.CollectorRegistry())
        made["prometheus"] = rounds.loop("inc()", number, inc=counter.inc)
    if metrics := peers.find("opentelemetry.sdk.metrics", "opentelemetry-sdk"):
        reader = importlib.import_module("opentelemetry.sdk.metrics.export").InMemoryMetricReader()
        counter = metrics.MeterProvider([reader]).get_meter("bench").create_counter("units")
        made["opentelemetry"] = rounds.loop("add(1)", number, add=counter.add)
    return made


def in_files(directory: Path, scale: Scale) -> dict[str, Sample]:
    """Return the ways that write to this machine's disk."""
    plain = os.open(directory / "records", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    synced = os.open(directory / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append_all(count: int) -> None:
        for _ in range(count):
            os.write(synced, RECORD)
        os.fsync(synced)

    few = scale.pick(10, 3)
    made = {
        "write": rounds.loop("write(file, record)", scale.pick(20_000, 50), write=os.write, file=plain, record=RECORD),
        "fsync": timed(functools.partial(append_all, GROUP), GROUP),
    }
    for row, journal, level in (
        ("wal-normal", "WAL", "NORMAL"),
        ("wal-full", "WAL", "FULL"),
        ("rollback-full", "TRUNCATE", "FULL"),
    ):
        made[row] = rounds.loop("count(1)", few, count=upsert(directory / f"{row}.db", journal, level))
    grouped = upsert(directory / "grouped.db", "WAL", "FULL")
    made["upsert"] = timed(functools.partial(count_in_groups, grouped), GROUP)
    return made


def upsert(path: Path, journal: str, level: str) -> Callable[[int], None]:
    """Return a function that adds to a count in a file of SQLite, a transaction each time."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute(f"PRAGMA synchronous={level}")
    connection.execute("CREATE TABLE used (name TEXT PRIMARY KEY, units INTEGER)")

    def count(units: int) -> None:
        connection.execute(
            "INSERT INTO used VALUES ('Pages', ?) ON CONFLICT DO UPDATE SET units = units + excluded.units", (units,)
        )

    return count


def count_in_groups(count: Callable[[int], None]) -> None:
    """Count a group of units under a lock, and write it down once."""
    lock, units = threading.Lock(), 0
    for _ in range(GROUP):
        with lock:
            units += 1
    count(units)


def over_redis(url: str | None, scale: Scale) -> dict[str, Sample]:
    """Return the ways that count in a server of Redis."""
    redis = peers.find("redis")
    if redis is None or url is None:
        return {}
    client = redis.Redis.from_url(url)

    def in_one_go() -> None:
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(GROUP):
                pipeline.incrby("units", 1)
            pipeline.execute()

    return {
        "incrby": rounds.loop("incrby('units', 1)", scale.pick(200, 5), incrby=client.incrby),
        "pipelined": timed(in_one_go, GROUP),
    }


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[str | None]:
    """Yield the URL of a server that keeps an append-only file, as the tests have it; None where there is none."""
    servers: Any = importlib.import_module("tests.redis_server")
    program = servers.executable() if peers.find("redis") else None
    if program is None:
        peers.absent.append("a server of Redis")
        yield None
        return
    directory.mkdir()
    server = servers.Server(program, directory)
    try:
        yield server.url
    finally:
        server.stop()
