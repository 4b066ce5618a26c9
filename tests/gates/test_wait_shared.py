"""``wait=`` of guards that share a store: they stand in one line, as processes do."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard import ConfigurationError, EntitlementDenied
from meterguard.core.shared import line as change
from meterguard.rows import StoreFault
from meterguard.runtime import queue
from meterguard.stores.memory_rows import MemoryRows

LONG = 30


class Rows(MemoryRows):
    """A store that may be away, or hang."""

    def __init__(self):
        super().__init__()
        self.is_away = False
        self.hangs = threading.Event()
        self.hangs.set()
        self.read_lines = 0
        self.fails = None

    def _reach(self, key):
        if key.endswith("/line"):
            self.read_lines += 1
            if self.fails is not None:
                self.fails(key)
            self.hangs.wait()
            if self.is_away:
                raise StoreFault("away")

    def read(self, key):
        self._reach(key)
        return super().read(key)

    def replace(self, key, expected, row, keep):
        self._reach(key)
        return super().replace(key, expected, row, keep)


@pytest.fixture
def store():
    rows = Rows()
    yield rows
    rows.hangs.set()


@pytest.fixture
def new_sharer(new_guard, store):
    """``new_sharer(**options)``: a guard over the store that all of them share."""
    return lambda **options: new_guard(store=store, **options)


@pytest.fixture
def holder(new_sharer):
    """A guard that has both jobs until ``holder.free.set()``, which a thread of its waits for."""
    guard, holding = new_sharer(), threading.Event()
    guard.free = threading.Event()

    def hold():
        with guard.requires_entitlement("Jobs", 2, hold="call"):
            holding.set()
            guard.free.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    yield guard
    guard.free.set()
    thread.join()


@pytest.fixture
def lined(store):
    """``lined(n)``: the line, once so many calls wait in it."""

    def look(count, calls=None):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            rows = [row for key, row in store.rows("") if key.endswith("/line")]
            line = change.from_text(rows[0].body) if rows else change.Line()
            if len(line.entries) == count and calls in (None, change.waiting(line)):
                return line
            time.sleep(0.005)
        raise AssertionError(line)

    return look


def waiter(guard, **options):
    return guard.requires_entitlement("Jobs", 2, **{"hold": "call", "wait": LONG, **options})(time.monotonic)


def wait_until(holds):
    return any(holds() or time.sleep(0.01) for _ in range(2000))


def assert_served_in_order(guards, holder, lined):
    with ThreadPoolExecutor(len(guards)) as pool:
        calls = []
        for count, guard in enumerate(guards):
            calls.append(pool.submit(waiter(guard)))
            lined(count + 1)
        holder.free.set()
        served = [call.result() for call in calls]
    assert served == sorted(served)
    lined(0)


def test_a_seat_freed_by_another_guard_is_heard_of(new_sharer, holder, lined, monkeypatch):
    """Who waits need not ask the service to find out, so it asks far too late here."""
    monkeypatch.setattr(queue, "pause", lambda *_: 2 * LONG)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter(new_sharer()))
        lined(1)
        holder.free.set()
        waiting.result()
    lined(0)


def test_the_first_that_came_is_served_first(new_sharer, holder, lined):
    assert_served_in_order([new_sharer() for _ in range(4)], holder, lined)


def test_only_the_first_asks_the_service(lm, new_sharer, holder, lined):
    guards = [new_sharer() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        calls = []
        for count, guard in enumerate(guards):
            calls.append(pool.submit(waiter(guard, wait=2 - count / 4)))
            lined(count + 1)
        before = lm.calls("CheckoutLicense")
        for call in calls[1:]:
            with pytest.raises(EntitlementDenied, match=r"at most 1 of 1 other process before it|2 other processes"):
                call.result()
        assert lm.calls("CheckoutLicense") - before < 20
        assert calls[0].exception().ahead == 0


def test_who_gives_up_leaves_nothing_and_hears_its_place(new_sharer, holder, lined):
    first, second = new_sharer(), new_sharer()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter(first))
        lined(1)
        began = time.monotonic()
        with pytest.raises(EntitlementDenied) as caught:
            waiter(second, wait=0.5)()
        assert 0.5 <= time.monotonic() - began < 6
        assert caught.value.ahead == 1
        assert str(caught.value).endswith("It waited 0.5 s, with at most 1 of 1 other process before it in the queue.")
        lined(1)
        holder.free.set()
        waiting.result()
    lined(0)


def test_a_task_that_is_cancelled_blocks_nobody(new_sharer, holder, lined):
    first, second = new_sharer(), new_sharer()

    @first.requires_entitlement("Jobs", 2, hold="call", wait=LONG)
    async def guarded():
        raise AssertionError

    async def main():
        task = asyncio.create_task(guarded())
        await asyncio.to_thread(lined, 1)
        other = asyncio.create_task(asyncio.to_thread(waiter(second)))
        await asyncio.to_thread(lined, 2)
        task.cancel()
        await asyncio.to_thread(lined, 1)
        holder.free.set()
        return await other

    assert asyncio.run(main()) > 0
    lined(0)


def test_a_guard_that_closes_leaves_the_line(new_sharer, holder, lined):
    first, second = new_sharer(), new_sharer()
    with ThreadPoolExecutor(2) as pool:
        closing = pool.submit(waiter(first))
        lined(1)
        waiting = pool.submit(waiter(second))
        lined(2)
        first.close()
        with pytest.raises(ConfigurationError):
            closing.result()
        lined(1)
        holder.free.set()
        waiting.result()


def test_what_a_closing_guard_gives_back_is_told(new_sharer, lined):
    first, second = new_sharer(), new_sharer()
    with first.requires_entitlement("Jobs", 2):
        pass
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter(second))
        lined(1)
        first.close()
        waiting.result()


def test_without_the_store_each_waits_by_itself(new_sharer, holder, store, lined):
    store.is_away = True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter(new_sharer()))
        began = time.monotonic()
        with pytest.raises(EntitlementDenied):
            waiter(new_sharer(), wait=0.3)()
        assert 0.3 <= time.monotonic() - began < 6
        holder.free.set()
        waiting.result()
    store.is_away = False


def test_a_store_that_hangs_holds_nobody_up_for_long(new_sharer, holder, store):
    store.hangs.clear()
    guard = new_sharer()
    began = time.monotonic()
    with pytest.raises(EntitlementDenied):
        waiter(guard, wait=0.3)()
    assert time.monotonic() - began < 6
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter(guard))
        holder.free.set()
        waiting.result()
    assert time.monotonic() - began < 10
    store.hangs.set()


def test_who_waits_far_behind_looks_seldom(new_sharer, holder, store, lined):
    guards = [new_sharer() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        calls = []
        for count, guard in enumerate(guards):
            calls.append(pool.submit(waiter(guard, wait=8)))
            lined(count + 1)
        before, began = store.read_lines, time.monotonic()
        time.sleep(1)
        rate = (store.read_lines - before) / (time.monotonic() - began)
        holder.free.set()
        for call in calls:
            call.result()
    assert rate < 150, "eight times as often as the first would be several hundred"


def test_without_threads_a_caller_looks_between_its_waits(new_sharer, holder, lined, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "job")
    assert_served_in_order([new_sharer() for _ in range(2)], holder, lined)


def test_a_look_that_fails_in_an_unforeseen_way_is_not_the_last(new_sharer, holder, store):
    lineup = holder.engine.registry.queues.line

    def fail(key):
        lineup.free({"Jobs"})  # somebody who relies on the look that is under way
        store.fails = None
        raise TypeError("a defect of somebody's store")

    store.fails = fail
    lineup.free({"Jobs"})
    assert wait_until(lambda: store.fails is None)
    store.read_lines = 0
    assert wait_until(lambda: lineup.free({"Jobs"}) or store.read_lines > 0)


def test_time_runs_out_to_the_moment(new_sharer, holder, lined):
    """Within 50 ms, but for a machine that does something else as well: so the quickest count.

    What is asked behind it, whether all units are in use, was asked by another call a moment ago.
    """
    barrier = threading.Barrier(20)
    guards = [new_sharer() for _ in range(2)]

    def late(number):
        guarded = waiter(guards[number % 2], wait=1.5)
        guards[number % 2].engine.survey.wait()
        barrier.wait()
        began = time.monotonic()
        with pytest.raises(EntitlementDenied):
            guarded()
        return time.monotonic() - began - 1.5

    with ThreadPoolExecutor(20) as pool:
        over = sorted(pool.map(late, range(20)))
    assert over[0] >= 0
    assert over[4] < 0.05, over
    lined(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_leaves_its_parent_in_the_line(new_sharer, holder, lined):
    guard = new_sharer()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter(guard))
        lined(1)
        child = os.fork()
        if not child:
            guard.engine.registry.queues.free({"Jobs"})
            guard.engine.registry.queues.line.end()
            os._exit(len(lined(1).entries))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        holder.free.set()
        waiting.result()
