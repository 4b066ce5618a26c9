"""A unit that is counted, by what the count survives: draws and meters, beside the naive ways and peers."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from meterguard import MeterGuard
from meterguard.stores import sqlite_journal

from . import backend, counting, rounds
from .counting import Sample
from .hot import work
from .plan import Found, Goal, Row, Scale, Study

BLOCK = 10_000  # units, of which a process takes a tenth out of its ledger at once
THREADS = 8


@contextlib.contextmanager
def guards(directory: Path, service: backend.Backend, redis_url: str | None) -> Iterator[dict[str, MeterGuard]]:
    """Yield a guard over each kind of ledger. The emulator is a process of its own."""
    urls = {"memory": "memory://", "rollback": f"sqlite:///{directory}/rollback.db"}
    urls |= {"wal": f"sqlite:///{directory}/wal.db"} | ({"redis": redis_url} if redis_url else {})
    with contextlib.ExitStack() as closing:
        made = {}
        for kind, ledger in urls.items():
            url, sku, fingerprint = service.target()
            guard = MeterGuard(sku, fingerprint, endpoint_url=url, region_name="us-east-1", ledger=ledger)
            made[kind] = closing.enter_context(guard)
            # whatever is safe with this SQLite: one process alone is safe with both
            journal = sqlite_journal.WAL if kind == "wal" else sqlite_journal.ROLLBACK
            with mock.patch.object(sqlite_journal, "journal_for", lambda _, journal=journal: journal):
                assert made[kind].till
        yield made


def draws(guard: MeterGuard, kind: str, scale: Scale) -> dict[str, Sample]:
    """Return a draw as a decorator and in a with statement: one unit, of whole blocks."""
    number = scale.pick(BLOCK, 100)
    draw = guard.consumes_entitlement("Seats", 1, "Count", block=BLOCK)
    counted = draw(work)
    counted(1, 2)
    return {
        f"draw-{kind}": rounds.loop("f(1, 2)", number, f=counted),
        f"with-{kind}": rounds.loop("with draw: f(1, 2)", number, draw=draw, f=work),
    }


def meters(guard: MeterGuard, kind: str, number: int) -> dict[str, Sample]:
    """Return a metered function, called by one thread."""
    metered = guard.meters_usage("Calls", 1, "Count")(work)
    metered(1, 2)
    return {f"meter-{kind}": rounds.loop("f(1, 2)", number, f=metered)}


def by_many(guard: MeterGuard, number: int) -> Callable[[], None]:
    """Return a function that calls a metered one on eight threads, so often on each."""
    metered = guard.meters_usage("Calls", 1, "Count")(work)

    def turns() -> None:
        for _ in range(number):
            metered(1, 2)

    def together() -> None:
        threads = [threading.Thread(target=turns) for _ in range(THREADS)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    return together


def above_a_gate(guard: MeterGuard, scale: Scale) -> dict[str, Sample]:
    """Return a guarded call, and the same with a draw above the gate."""
    number = scale.pick(5000, 50)
    gate = guard.requires_entitlement("Seats", 1, "Count")
    guarded = gate(work)
    counted = guard.consumes_entitlement("Other", 1, "Count", block=BLOCK)(guarded)
    counted(1, 2)
    return {
        "bare": rounds.loop("f(1, 2)", scale.pick(500_000, 50), f=work),
        "guard": rounds.loop("f(1, 2)", scale.pick(100_000, 50), f=guarded),
        "guard-draw": rounds.loop("f(1, 2)", number, f=counted),
    }


def ours(made: dict[str, MeterGuard], scale: Scale) -> dict[str, Sample]:
    """Return a sample of each row of meterguard's."""
    samples: dict[str, Sample] = {}
    few = scale.pick(10, 2)
    for kind, guard in made.items():
        samples |= draws(guard, kind, scale)
        samples |= meters(guard, kind, {"memory": scale.pick(4000, 50)}.get(kind, few))
        if kind in {"rollback", "wal"}:
            samples[f"meters-{kind}"] = counting.timed(by_many(guard, few), few * THREADS)
    return samples | above_a_gate(made["memory"], scale)


def measure(scale: Scale) -> Found:
    """Measure all rows in one run."""
    with tempfile.TemporaryDirectory() as name, backend.Backend() as service, contextlib.ExitStack() as closing:
        directory = Path(name)
        redis_url = closing.enter_context(counting.redis_server(directory / "redis"))
        made = closing.enter_context(guards(directory, service, redis_url))
        samples = rounds.interleaved(counting.rows(directory, redis_url, scale) | ours(made, scale), scale.pick(12, 2))
    samples["added"] = [b - a for a, b in zip(samples["guard"], samples["guard-draw"], strict=True)]
    found = Found(rounds.figures(samples, STUDY.pairs), counting.peers.absent)
    found.figures["rate"] = 1e9 / found.figures["draw-rollback"]
    return found


WHY = (
    "A draw reserves its units before the code runs and settles them afterwards, through a wrapper in Python that "
    "takes a lock twice and looks at the process and the clock: so it costs tens of times what a bare count does, "
    "and it buys that no call runs without units, that one which fails is not charged, and that calls, ledger and "
    "licence agree to the unit."
)
CRASHES = (
    f"A process takes a slice of {BLOCK // 10:,} units out of its ledger, safe on disk, before it uses any of them, "
    "and writes down what it used ten times a second. A kill or a power cut costs a slice at most, and the ledger says "
    "so; that part of M1 is held by `tests/draws` and `tests/properties`. A meter is safe before its call returns."
)
DISK = "Rows that commit each unit, and meters of one thread, are as fast as the disk's fsync, whose time varies."

LESS = "machine, less a group"
OURS = "machine, less a slice"


def _draws(kind: str, says: str, survives: str, *goals: Goal) -> list[Row]:
    return [
        Row(f"draw-{kind}", f"a draw, {says} ({survives})", goals=goals),
        Row(f"with-{kind}", f"a draw in a with statement, {says} ({survives})"),
    ]


STUDY = Study(
    "metering",
    "A unit that is counted, and what the count survives",
    (
        Row("lock", "int under a Lock (nothing)"),
        Row("deque", "deque.append (nothing)"),
        Row("count", "itertools.count (nothing)"),
        Row("per-thread", "dict by thread (nothing)"),
        Row("prometheus", "prometheus Counter.inc (nothing)"),
        Row("opentelemetry", "OpenTelemetry counter add (nothing)"),
        *_draws("memory", "memory://", "nothing"),
        Row("meter-memory", "a meter, memory:// (nothing)"),
        Row("write", "os.write of a record of 32 bytes (process)"),
        Row("wal-normal", "sqlite WAL NORMAL, commit per unit (process)"),
        Row("incrby", "Redis INCRBY, a round trip per unit (process)"),
        Row("pipelined", "Redis INCRBY, pipelined by 1000 (process, less a group)"),
        *_draws("redis", "redis://", "process, less a slice"),
        Row("meter-redis", "a meter, redis:// (process)"),
        Row("wal-full", "sqlite WAL FULL, commit per unit (machine)"),
        Row("rollback-full", "sqlite rollback journal FULL, commit per unit (machine)"),
        Row("upsert", f"int under a Lock, sqlite WAL FULL upsert per 1000 ({LESS})"),
        Row("fsync", f"a record of 32 bytes each, fsync per 1000 ({LESS})"),
        *_draws(
            "rollback",
            "sqlite, rollback journal",
            OURS,
            Goal("M1", "x int under a Lock", "draw-rollback/lock", 0.5),
            Goal("M1", "x a round trip of Redis", "draw-rollback/incrby", 0.002),
            Goal("M2", "x int under a Lock", "draw-rollback/lock", 2.5),
            Goal("M2", "times faster than its commit per unit", "rollback-full/draw-rollback", 250, at_least=True),
        ),
        Row("rate", "  units of such draws", "/s", (Goal("M2", "from one thread", "rate", 1.5e6, at_least=True),)),
        *_draws("wal", "sqlite, WAL", OURS),
        Row("meter-rollback", "a meter, sqlite, rollback journal, one thread (machine)"),
        Row("meters-rollback", "  eight threads together"),
        Row("meter-wal", "a meter, sqlite, WAL, one thread (machine)"),
        Row("meters-wal", "  eight threads together"),
        Row("bare", "bare call"),
        Row("guard", "guarded call, its lease held"),
        Row("guard-draw", "the same, with a draw above it (memory://)"),
        Row("added", "  adds", "ns", (Goal("M3", "ns", "added", 40), Goal("M3", "x bare", "added/bare", 1.5))),
    ),
    measure,
    base="lock",
    remarks=(WHY, CRASHES, DISK),
)
