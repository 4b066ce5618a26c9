"""A cold key and a crowd: how many calls it takes, who is told what, and when."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import statistics
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from meterguard import EntitlementDenied, MeterGuard

from . import backend, crowds, peers
from .plan import Found, Goal, Row, Scale, Study

LATENCY = 0.1  # seconds
REFUSED_CALLERS = 16
REFUSED = {"error": "NoEntitlementsAllowedException"}


class Ground:
    """The set-up of a stampede: a slow service, and a client that is shared by all callers and no longer new."""

    def __init__(self, service: backend.Backend, scale: Scale) -> None:
        self.service = service
        self._scale = scale
        self._numbers = itertools.count()
        self._url, *self._product = service.target()
        self._client = self._connected()

    def _connected(self) -> Any:
        import boto3  # type: ignore[import-untyped, unused-ignore]
        from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

        config = Config(max_pool_connections=64, retries={"total_max_attempts": 1, "mode": "standard"})
        made = boto3.client("license-manager", endpoint_url=self._url, region_name="us-east-1", config=config)
        with contextlib.suppress(made.exceptions.NoEntitlementsAllowedException):
            self.service.be_slow(0, **REFUSED)
            made.checkout_license(**self._wish())
        return made

    @contextlib.contextmanager
    def guard(self, **fault: Any) -> Iterator[MeterGuard]:
        """Yield a guard with a new licence, of which it holds nothing, in front of a service with this fault."""
        with MeterGuard(*self.service.license(), client=self._client, denial_ttl=30) as guard:
            self.service.be_slow(0)
            guard.has_entitlement("Other", 1)
            self.service.be_slow(LATENCY, **fault)
            self.service.forget()
            yield guard

    def check_out(self) -> Any:
        """Check a seat out. A peer caches the answer."""
        return self._client.checkout_license(**self._wish())

    def _wish(self) -> dict[str, Any]:
        sku, fingerprint = self._product
        return {
            "ProductSKU": sku,
            "CheckoutType": "PROVISIONAL",
            "KeyFingerprint": fingerprint,
            "ClientToken": f"peer-{next(self._numbers)}",
            "Entitlements": [{"Name": "Seats", "Value": "1", "Unit": "Count"}],
        }

    def pick(self, full: int, quick: int) -> int:
        """Return the first number for a full run, the second for a quick one."""
        return self._scale.pick(full, quick)

    @property
    def threads(self) -> int:
        """Return the number of threads in a crowd."""
        return self.pick(64, 8)

    @property
    def tasks(self) -> int:
        """Return the number of tasks in a crowd."""
        return self.pick(1000, 50)


def gates(guard: MeterGuard) -> tuple[Callable[[], Any], Callable[[], Awaitable[Any]]]:
    """Return a function and a coroutine function behind one gate."""
    gate = guard.requires_entitlement("Seats", 1, "Count")

    @gate
    def call() -> int:
        return 1

    @gate
    async def acall() -> int:
        return 1

    return call, acall


# -- S1: one call serves all -------------------------------------------------------------------------


def cold(ground: Ground) -> dict[str, float]:
    """Measure crowds of threads, of tasks, and of both."""
    found: dict[str, float] = {}
    with ground.guard() as guard:
        crowd = crowds.threads(gates(guard)[0], ground.threads)
        found |= _told(ground, "threads", crowd)
    with ground.guard() as guard:
        crowd = asyncio.run(crowds.tasks(gates(guard)[1], ground.tasks))
        found |= _told(ground, "tasks", crowd)
    with ground.guard() as guard:
        call, acall = gates(guard)
        crowd = crowds.mixed(call, acall, ground.threads // 2, 4, ground.tasks // 10)
        found |= _told(ground, "mixed", crowd)
    return found


def _told(ground: Ground, row: str, crowd: crowds.Crowd) -> dict[str, float]:
    assert not crowd.failed, crowd.failed[:3]
    return {f"{row} calls": ground.service.calls(), f"{row} last": crowd.last / LATENCY}


# -- S2: one refusal serves all ----------------------------------------------------------------------


def refused(ground: Ground) -> dict[str, float]:
    """Measure crowds that are denied a feature, and units that are counted, and one more call after each."""
    return _refused(ground, "refused", ("Analytics",)) | _refused(ground, "refused seats", ("Seats", 1, "Count"))


def _refused(ground: Ground, row: str, entitlement: tuple[Any, ...]) -> dict[str, float]:
    with ground.guard(**REFUSED) as guard:
        call = guard.requires_entitlement(*entitlement)(lambda: None)
        crowd = crowds.threads(call, REFUSED_CALLERS)
        assert all(isinstance(error, EntitlementDenied) for error in crowd.failed)
        assert len(crowd.failed) == REFUSED_CALLERS
        calls = ground.service.calls()
        with contextlib.suppress(EntitlementDenied):
            call()
        again = ground.service.calls() - calls
    return {f"{row} calls": calls, f"{row} last": crowd.last / LATENCY, f"{row} again": again}


# -- S3: the leader leaves ---------------------------------------------------------------------------


def deserted(ground: Ground) -> dict[str, float]:
    """Measure the others while the first caller is cancelled, interrupted, or told to exit."""
    found: dict[str, float] = {}
    with ground.guard() as guard:
        failed = asyncio.run(crowds.cancelled_leader(gates(guard)[1], LATENCY / 4))
        found |= {"cancelled failed": failed, "cancelled calls": ground.service.calls()}
    for row, interruption in {"interrupted": KeyboardInterrupt, "exiting": SystemExit}.items():
        with ground.guard() as guard:
            failed = _leave_by(interruption, gates(guard)[0])
            found |= {f"{row} failed": failed, f"{row} calls": ground.service.calls()}
    return found


def _leave_by(interruption: type[BaseException], call: Callable[[], Any]) -> int:
    """Interrupt the main thread while it leads, for signals reach no other. Count the followers that fail."""

    def leave(*_: object) -> None:
        raise interruption

    before = signal.signal(signal.SIGINT, leave)
    alarm = threading.Timer(LATENCY / 4, os.kill, (os.getpid(), signal.SIGINT))
    followers = crowds.following(call, delay=LATENCY / 10)
    try:
        alarm.start()
        with contextlib.suppress(interruption):
            call()
            raise AssertionError("the leader was served before it was interrupted")
    finally:
        alarm.join()
        signal.signal(signal.SIGINT, before)
    return len(followers.join().failed)


# -- peers -------------------------------------------------------------------------------------------


def sync_peers(ground: Ground) -> dict[str, float]:
    """Measure the same crowds before caches of the same checkout."""
    found: dict[str, float] = {}
    for row, cached in crowds.sync_caches(ground.check_out).items():
        for case, fault in {"": {}, " refused": REFUSED}.items():
            cached.clear()
            ground.service.be_slow(LATENCY, **fault)
            ground.service.forget()
            crowd = crowds.threads(cached.call, REFUSED_CALLERS if fault else ground.threads)
            found |= {f"{row}{case} calls": ground.service.calls(), f"{row}{case} last": crowd.last / LATENCY}
    return found


def async_peers(ground: Ground) -> dict[str, float]:
    """Measure the same crowds of tasks before caches of a coroutine that takes as long."""
    found: dict[str, float] = {}
    for row, make in crowds.async_caches().items():
        calls: list[None] = []

        async def check_out(calls: list[None] = calls) -> int:
            calls.append(None)
            await asyncio.sleep(LATENCY)
            return 1

        crowd = asyncio.run(crowds.tasks(make(check_out), ground.tasks))
        found |= {f"{row} calls": len(calls), f"{row} last": crowd.last / LATENCY}
        found[f"{row} deserted"] = asyncio.run(crowds.cancelled_leader(make(check_out), LATENCY / 4))
    return found


def measure(scale: Scale) -> Found:
    """Measure everything several times. Report the worst of the counts, and the median of the times."""
    found = Found()
    with backend.Backend() as service:
        ground = Ground(service, scale)
        turns = [cold(ground) | refused(ground) | deserted(ground) for _ in range(scale.pick(3, 1))]
        found.figures |= sync_peers(ground)
    found.figures |= async_peers(ground)
    for figure in turns[0]:
        values = [turn[figure] for turn in turns]
        found.figures[figure] = statistics.median(values) if figure.endswith("last") else max(values)
    found.absent = peers.absent
    return found


def _counted(name: str, figure: str, says: str, limit: float) -> Row:
    return Row(figure, says, "", (Goal(name, "calls" if limit else "", figure, limit, is_count=True),))


def _timed(name: str, figure: str, says: str, limit: float) -> Row:
    return Row(figure, says, "x", (Goal(name, "x the latency", figure, limit),))


def _peer(row: str, says: str, *kinds: str) -> list[Row]:
    names = {
        " calls": f"{says}: calls",
        " last": f"{says}: last served",
        " refused calls": f"{says}: 16 refused, calls",
        " refused last": f"{says}: 16 refused, last told",
        " deserted": f"{says}: followers failing",
    }
    return [Row(row + kind, names[kind], "x" if kind.endswith("last") else "") for kind in kinds]


SYNC = (" calls", " last", " refused calls", " refused last")
ASYNC = (" calls", " last", " deserted")

STUDY = Study(
    "stampede",
    f"A cold key, and a backend that takes {LATENCY * 1000:.0f} ms",
    (
        _counted("S1", "threads calls", "64 threads: calls", 1),
        _timed("S1", "threads last", "64 threads: last served", 1.2),
        _counted("S1", "tasks calls", "1000 tasks: calls", 1),
        _timed("S1", "tasks last", "1000 tasks: last served", 1.3),
        _counted("S1", "mixed calls", "32 threads + 4 loops of 100 tasks: calls", 1),
        _timed("S1", "mixed last", "32 threads + 4 loops of 100 tasks: last served", 1.3),
        _counted("S2", "refused calls", "16 threads refused a feature: calls", 1),
        _timed("S2", "refused last", "16 threads refused a feature: last told", 1.1),
        _counted("S2", "refused again", "one more, soon after: calls", 0),
        _counted("S2", "refused seats calls", "16 threads refused counted units: checkouts", 1),
        Row("refused seats last", "16 threads refused counted units: last told", "x"),
        _counted("S2", "refused seats again", "one more, soon after: checkouts", 0),
        _counted("S3", "cancelled failed", "leader cancelled: followers failing, of 49", 0),
        _counted("S3", "cancelled calls", "leader cancelled: calls", 1),
        _counted("S3", "interrupted failed", "leader leaves by KeyboardInterrupt: followers failing, of 49", 0),
        _counted("S3", "interrupted calls", "leader leaves by KeyboardInterrupt: calls", 1),
        _counted("S3", "exiting failed", "leader leaves by SystemExit: followers failing, of 49", 0),
        _counted("S3", "exiting calls", "leader leaves by SystemExit: calls", 1),
        *_peer("cachetools-lock", "cachetools cached(TTLCache, lock)", *SYNC),
        *_peer("cachetools-condition", "cachetools cached(TTLCache, condition)", *SYNC),
        *_peer("cachebox", "cachebox", *SYNC),
        *_peer("dogpile", "dogpile.cache memory", *SYNC),
        *_peer("cashews", "cashews cache(lock=True)", *ASYNC),
        *_peer("aiocache", "aiocache cached", *ASYNC),
        *_peer("cachebox-async", "cachebox async", *ASYNC),
    ),
    measure,
    remarks=(
        "Peers are given the same crowds: 64 threads, 16 where it refuses, 1000 tasks.",
        "Who is refused counted units waits for two answers: GetLicenseUsage, asked once, says whether all are in use.",
    ),
)
