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
    """What became of everybody."""

    ends: list[float] = field(default_factory=list)
    """Seconds after which each was served or told otherwise."""
    failed: list[BaseException] = field(default_factory=list)

    @property
    def last(self) -> float:
        """When the last one was served."""
        return max(self.ends)

    def heard(self, since: float, error: BaseException | None = None) -> None:
        """One more got an answer."""
        self.ends.append(time.perf_counter() - since)
        if error is not None:
            self.failed.append(error)


class Started(NamedTuple):
    """Threads under way."""

    running: list[threading.Thread]
    crowd: Crowd

    def join(self) -> Crowd:
        """Wait for all of them."""
        for thread in self.running:
            thread.join()
        return self.crowd


class Gun:
    """Lets everybody go at once, and knows when that was."""

    def __init__(self) -> None:
        self.fired = threading.Event()
        self.at = 0.0

    def fire(self) -> None:
        """Now."""
        self.at = time.perf_counter()
        self.fired.set()


def threads(call: Call, number: int) -> Crowd:
    """So many threads at once."""
    gun = Gun()
    started = _threads(call, number, gun)
    gun.fire()
    return started.join()


def following(call: Call, *, delay: float) -> Started:
    """Threads that call a little later than whoever starts them."""
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
    """So many tasks at once."""
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
    """Threads, and loops with their tasks, all at once."""
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
    """How many followers fail when the task that came first is cancelled."""
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
    """A cached call, and how to make it cold again."""

    call: Call
    clear: Callable[[], object]


def sync_caches(check_out: Call) -> dict[str, Cache]:
    """What people put before a slow call."""

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
    """What people put before a slow coroutine; each is a maker of a fresh cache."""
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
