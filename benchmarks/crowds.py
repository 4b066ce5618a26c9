"""Crowds of threads and tasks that all want the same at once, and the caches that they are sent to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cachetools import TTLCache, cached

from . import peers

Call = Callable[[], Any]
AsyncCall = Callable[[], Awaitable[Any]]
TTL = 3600
FOLLOWERS = 49


@dataclass
class Crowd:
    """The results of all callers."""

    ends: list[float] = field(default_factory=list)
    """Seconds after which each was served or told otherwise."""
    failed: list[BaseException] = field(default_factory=list)

    @property
    def last(self) -> float:
        """Return the seconds after which the last caller had an answer."""
        return max(self.ends)

    def heard(self, since: float, error: BaseException | None = None) -> None:
        """Note that one more caller got an answer."""
        self.ends.append(time.perf_counter() - since)
        if error is not None:
            self.failed.append(error)


class Started(NamedTuple):
    """Threads that were started, and their results."""

    running: list[threading.Thread]
    crowd: Crowd

    def join(self) -> Crowd:
        """Wait for all threads. Return their results."""
        for thread in self.running:
            thread.join()
        return self.crowd


class Gun:
    """A starting gun: all callers wait for it, and it notes the moment at which it was fired."""

    def __init__(self) -> None:
        self.fired = threading.Event()
        self.at = 0.0

    def fire(self) -> None:
        """Let all callers go, and note the moment."""
        self.at = time.perf_counter()
        self.fired.set()


def threads(call: Call, number: int) -> Crowd:
    """Call on ``number`` threads at once."""
    gun = Gun()
    started = _threads(call, number, gun)
    gun.fire()
    return started.join()


def following(call: Call, *, delay: float) -> Started:
    """Start threads that call a little later than the thread that starts them."""
    gun = Gun()
    started = _threads(call, FOLLOWERS, gun)
    threading.Timer(delay, gun.fire).start()
    return started


def _threads(call: Call, number: int, gun: Gun) -> Started:
    crowd = Crowd()

    def run() -> None:
        gun.fired.wait()
        error: BaseException | None = None
        try:
            call()
        except BaseException as failure:  # noqa: BLE001 - it is reported
            error = failure
        crowd.heard(gun.at, error)

    running = [threading.Thread(target=run) for _ in range(number)]
    for thread in running:
        thread.start()
    return Started(running, crowd)


async def tasks(call: AsyncCall, number: int, since: float | None = None) -> Crowd:
    """Call in ``number`` tasks at once."""
    crowd = Crowd()
    start = since or time.perf_counter()

    async def one() -> None:
        error: BaseException | None = None
        try:
            await call()
        except Exception as failure:  # noqa: BLE001 - it is reported
            error = failure
        crowd.heard(start, error)

    await asyncio.gather(*(one() for _ in range(number)))
    return crowd


def mixed(call: Call, acall: AsyncCall, number: int, loops: int, each: int) -> Crowd:
    """Call on threads and in the tasks of several loops, all at once."""
    gun = Gun()
    all_of_them = Crowd()
    started = _threads(call, number, gun)

    def run_loop() -> None:
        async def ready() -> Crowd:
            gun.fired.wait()
            return await tasks(acall, each, gun.at)

        crowd = asyncio.run(ready())
        all_of_them.ends += crowd.ends
        all_of_them.failed += crowd.failed

    running = [threading.Thread(target=run_loop) for _ in range(loops)]
    for thread in running:
        thread.start()
    time.sleep(0.05)  # until the loops are there
    gun.fire()
    for thread in running:
        thread.join()
    crowd = started.join()
    return Crowd(all_of_them.ends + crowd.ends, all_of_them.failed + crowd.failed)


async def cancelled_leader(call: AsyncCall, after: float) -> int:
    """Count the followers that fail when the task that came first is cancelled."""
    leader = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    followers = [asyncio.ensure_future(call()) for _ in range(FOLLOWERS)]
    await asyncio.sleep(after)
    leader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leader
    results = await asyncio.gather(*followers, return_exceptions=True)
    return sum(isinstance(result, BaseException) for result in results)


# -- caches ------------------------------------------------------------------------------------------


class Cache(NamedTuple):
    """A cached call, and a function that empties its cache."""

    call: Call
    clear: Callable[[], object]


def sync_caches(check_out: Call) -> dict[str, Cache]:
    """Return the caches that people put before a slow call."""

    def of(**options: Any) -> Cache:
        store: Any = TTLCache(128, TTL)
        return Cache(cached(store, **options)(check_out), store.clear)

    made = {"cachetools-lock": of(lock=threading.Lock()), "cachetools-condition": of(condition=threading.Condition())}
    if cachebox := peers.find("cachebox"):
        store = cachebox.TTLCache(128, TTL)
        made["cachebox"] = Cache(cachebox.cached(store)(check_out), store.clear)
    if dogpile := peers.find("dogpile.cache"):
        region = dogpile.make_region().configure("dogpile.cache.memory", expiration_time=TTL)
        made["dogpile"] = Cache(lambda: region.get_or_create("key", check_out), lambda: region.delete("key"))
    return made


def async_caches() -> dict[str, Callable[[Callable[[], Coroutine[Any, Any, Any]]], AsyncCall]]:
    """Return the caches that people put before a slow coroutine: for each a function that makes a new one."""
    made: dict[str, Any] = {}
    if cashews := peers.find("cashews"):

        def with_cashews(fn: Any) -> Any:
            store = cashews.Cache()
            store.setup("mem://")
            return store(ttl="1h", lock=True)(fn)

        made["cashews"] = with_cashews
    if aiocache := peers.find("aiocache"):
        made["aiocache"] = lambda fn: aiocache.cached(ttl=TTL)(fn)
    if cachebox := peers.find("cachebox"):
        made["cachebox-async"] = lambda fn: cachebox.cached(cachebox.TTLCache(128, TTL))(fn)
    return made
