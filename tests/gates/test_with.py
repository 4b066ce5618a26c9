"""A gate as a context manager, sync and async: nested, re-entrant, concurrent."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable, Lease


@pytest.fixture
def shared(guard):
    return guard.requires_entitlement("Seats", 1)


# -- what it gives -------------------------------------------------------------------------------


def test_it_gives_the_live_lease(shared, used):
    with shared as lease:
        assert isinstance(lease, Lease)
        assert (lease.is_live, [str(one) for one in lease.entitlements]) == (True, ["Seats (1 Count)"])
        assert used() == 1


def test_it_gives_the_live_lease_to_coroutines(shared, used):
    async def main():
        async with shared as lease:
            return lease.is_live, used()

    assert asyncio.run(main()) == (True, 1)


def test_a_shared_lease_outlives_the_block(shared, used, checkouts):
    with shared as first:
        pass
    with shared as second:
        assert second is first
    assert (used(), len(checkouts())) == (1, 1)


def test_the_block_does_not_run_when_it_is_denied(denied):
    gate = denied()
    ran = []
    with pytest.raises(EntitlementDenied), gate:
        ran.append(True)
    assert ran == []


def test_the_block_does_not_run_when_the_service_cannot_be_asked(lm, new_guard):
    gate = new_guard(timeout=0.1).requires_entitlement("Seats", 1)
    ran = []
    with lm.down(), pytest.raises(EntitlementUnavailable), gate:
        ran.append(True)
    assert ran == []


@pytest.mark.parametrize("option", [{"fallback": list}, {"default": None}], ids=["fallback", "default"])
def test_fallback_and_default_do_not_go_with_a_block(denied, checkouts, option):
    gate = denied(**option)
    ran = []

    async def main():
        async with gate:
            ran.append(True)

    said = (
        "fallback= and default= say what a decorated function returns instead; a with statement returns nothing: "
        "catch EntitlementDenied and EntitlementUnavailable around it"
    )
    with pytest.raises(ConfigurationError) as caught, gate:
        ran.append(True)
    assert str(caught.value) == said
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(main())
    assert str(caught.value) == said
    assert (ran, checkouts()) == ([], [])


# -- one seat a block ----------------------------------------------------------------------------


def test_each_block_takes_a_seat_and_gives_it_back(per_call, used, checkouts):
    with per_call as first:
        assert used() == 1
    assert used() == 0
    with per_call as second:
        assert used() == 1
    assert used() == 0
    assert (first.is_live, second.is_live, first is second) == (False, False, False)
    assert len(checkouts()) == 2


def test_each_block_of_a_coroutine_takes_a_seat_and_gives_it_back(per_call, used):
    async def main():
        async with per_call:
            held = used()
        return held, used()

    assert asyncio.run(main()) == (1, 0)


def test_nested_blocks_take_a_seat_each_and_give_back_the_inner_one_first(per_call, used):
    with per_call as outer:
        with per_call as inner:
            assert used() == 2
        assert (used(), outer.is_live, inner.is_live) == (1, True, False)
    assert used() == 0


def test_one_statement_may_enter_a_gate_twice(per_call, used):
    with per_call as one, per_call as other:
        assert (used(), one is other) == (2, False)
    assert used() == 0


def test_recursion_takes_a_seat_at_each_level(per_call, used):
    def descend(depth):
        with per_call as lease:
            return [used(), *(descend(depth - 1) if depth else []), lease.is_live, used()]

    assert descend(2) == [1, 2, 3, True, 3, True, 2, True, 1]
    assert used() == 0


@pytest.mark.parametrize("raised", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_an_exception_passes_unchanged_and_returns_the_seat(per_call, used, raised):
    with pytest.raises(type(raised)) as caught, per_call:
        raise raised
    assert caught.value is raised
    assert (raised.__cause__, raised.__context__) == (None, None)
    assert used() == 0


def test_sys_exit_in_a_coroutine_returns_the_seat(per_call, used):
    async def main():
        async with per_call:
            sys.exit(3)

    with pytest.raises(SystemExit, match="3"):
        asyncio.run(main())
    assert used() == 0


def test_a_cancelled_task_returns_the_seat(per_call, used):
    async def work(inside):
        async with per_call:
            inside.set()
            await asyncio.Event().wait()

    async def main():
        inside = asyncio.Event()
        task = asyncio.create_task(work(inside))
        await inside.wait()
        held = used()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return held, used()

    assert asyncio.run(main()) == (1, 0)


def test_a_task_that_dies_with_its_loop_in_the_block_returns_the_seat(per_call, used, returned):
    async def work(inside):
        async with per_call:
            inside.set()
            await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    inside = asyncio.Event()
    task = loop.create_task(work(inside))
    loop.run_until_complete(inside.wait())
    assert used() == 1
    loop.close()
    del task
    gc.collect()
    returned()
    assert used() == 0


def test_a_generator_that_is_dropped_in_the_block_returns_the_seat(per_call, used):
    def work():
        with per_call:
            yield used()

    generator = work()
    assert next(generator) == 1
    del generator
    gc.collect()
    assert used() == 0


def test_leaving_more_often_than_entering_is_an_error(per_call):
    with pytest.raises(RuntimeError, match=r"^this gate is left more often than it was entered$"):
        per_call.__exit__(None, None, None)


# -- many at once --------------------------------------------------------------------------------


def test_threads_take_a_seat_each(per_call, used):
    barrier = threading.Barrier(3)

    def work(_):
        with per_call as lease:
            barrier.wait()
            seen = used(), lease.is_live, lease.token
            barrier.wait()
        return seen, lease.is_live

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(work, range(3)))
    assert [(seen[:2], after) for seen, after in outcomes] == [((3, True), False)] * 3
    assert len({seen[2] for seen, _ in outcomes}) == 3
    assert used() == 0


def test_tasks_take_a_seat_each(per_call, used):
    async def work(barrier):
        async with per_call as lease:
            await barrier.wait()
            seen = used(), lease.is_live, lease.token
            await barrier.wait()
        return seen, lease.is_live

    async def main():
        barrier = asyncio.Barrier(3)
        return await asyncio.gather(*(work(barrier) for _ in range(3)))

    outcomes = asyncio.run(main())
    assert [(seen[:2], after) for seen, after in outcomes] == [((3, True), False)] * 3
    assert len({seen[2] for seen, _ in outcomes}) == 3
    assert used() == 0


def test_threads_and_tasks_share_the_shared_lease(shared, checkouts):
    barrier = threading.Barrier(4)

    def work(_):
        barrier.wait()
        with shared as lease:
            return lease

    async def task():
        async with shared as lease:
            return lease

    async def tasks():
        return await asyncio.gather(*(task() for _ in range(20)))

    def loop(_):
        barrier.wait()
        return asyncio.run(tasks())

    with ThreadPoolExecutor(4) as pool:
        threads, loops = pool.map(work, range(2)), pool.map(loop, range(2))
        leases = {*threads, *(lease for of_loop in loops for lease in of_loop)}
    assert (len(leases), len(checkouts())) == (1, 1)


def test_who_leaves_first_ends_only_its_own_lease(per_call, used):
    """Entered in order, left in the other order than nested blocks would be."""
    entered, left = threading.Barrier(2), threading.Event()

    def first():
        with per_call as lease:
            entered.wait()
            entered.wait()
        left.set()
        return lease

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(first)
        entered.wait()
        with per_call as mine:
            entered.wait()
            left.wait()
            assert (mine.is_live, other.result().is_live, used()) == (True, False, 1)
    assert used() == 0


# -- computed ------------------------------------------------------------------------------------


def test_callables_are_called_without_arguments(guard, checkouts):
    seen = []

    def recorded(result):
        def call(*args, **kwargs):
            seen.append((args, kwargs))
            return result

        return call

    with guard.requires_entitlement("Seats", recorded(2), per=recorded("anna")) as lease:
        assert [str(one) for one in lease.entitlements] == ["Seats (2 Count)"]
    assert seen == [((), {}), ((), {})]
    assert checkouts() == [{"Seats": "2"}]


def test_a_value_out_of_range_is_refused_before_the_block(guard, checkouts):
    ran = []
    with pytest.raises(ConfigurationError, match=r"^value must be a positive whole number"):  # noqa: SIM117
        with guard.requires_entitlement("Seats", lambda: 0):
            ran.append(True)
    assert (ran, checkouts()) == ([], [])
