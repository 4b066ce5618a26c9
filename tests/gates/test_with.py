"""A gate as a context manager, sync and async: nested, re-entrant, concurrent, and in frameworks' hands."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable, Lease


@pytest.fixture
def shared(guard):
    return guard.requires_entitlement("Seats", 1)


def in_a_copy(fn):
    """Call it in a copy of this context, as frameworks do with each half of a dependency."""
    return contextvars.copy_context().run(fn)


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


def test_a_coroutine_that_is_thrown_away_in_the_block_returns_the_seat(per_call, used, returned):
    async def work(inside):
        async with per_call:
            inside.set()
            await asyncio.Event().wait()

    async def main():
        inside = asyncio.Event()
        coroutine = work(inside)
        task = asyncio.ensure_future(_stepped(coroutine, inside))
        await task
        coroutine.close()

    async def _stepped(coroutine, inside):
        while not inside.is_set():
            coroutine.send(None)
            await asyncio.sleep(0)

    asyncio.run(main())
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


# -- in frameworks' hands ------------------------------------------------------------------------


@contextlib.contextmanager
def dependency(gate):
    """As FastAPI has them: a generator, whose halves run on any thread, each in a context of its own."""
    with gate as lease:
        yield lease


def test_dependencies_end_their_own_lease_whatever_context_they_end_in(per_call, used):
    one, other = dependency(per_call), dependency(per_call)
    first, second = in_a_copy(one.__enter__), in_a_copy(other.__enter__)
    assert used() == 2
    in_a_copy(lambda: one.__exit__(None, None, None))
    assert (first.is_live, second.is_live, used()) == (False, True, 1)
    in_a_copy(lambda: other.__exit__(None, None, None))
    assert (second.is_live, used()) == (False, 0)


def test_dependencies_end_their_own_lease_whatever_thread_they_end_on(per_call, used):
    one, other = dependency(per_call), dependency(per_call)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(one.__enter__).result()
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(other.__enter__).result()
        pool.submit(one.__exit__, None, None, None).result()
    assert (first.is_live, second.is_live, used()) == (False, True, 1)
    other.__exit__(None, None, None)
    assert used() == 0


def test_async_dependencies_end_their_own_lease_whatever_task_they_end_in(per_call, used):
    @contextlib.asynccontextmanager
    async def dependency():
        async with per_call as lease:
            yield lease

    async def in_a_task(coroutine):
        return await asyncio.create_task(coroutine)

    async def main():
        one, other = dependency(), dependency()
        first = await in_a_task(one.__aenter__())
        second = await in_a_task(other.__aenter__())
        await in_a_task(one.__aexit__(None, None, None))
        between = first.is_live, second.is_live, used()
        await in_a_task(other.__aexit__(None, None, None))
        return between

    assert asyncio.run(main()) == (False, True, 1)
    assert used() == 0


def test_an_exit_stack_ends_what_it_entered_last(per_call, used):
    with contextlib.ExitStack() as stack:
        leases = [stack.enter_context(per_call) for _ in range(2)]
        assert used() == 2
    assert [lease.is_live for lease in leases] == [False, False]
    assert used() == 0


def test_exit_stacks_on_two_threads_end_their_own_leases(per_call, used):
    entered, left = threading.Barrier(2), threading.Event()

    def first():
        with contextlib.ExitStack() as stack:
            lease = stack.enter_context(per_call)
            entered.wait()
            entered.wait()
        left.set()
        return lease

    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        other = pool.submit(first)
        entered.wait()
        mine = stack.enter_context(per_call)
        entered.wait()
        left.wait()
        assert (mine.is_live, other.result().is_live, used()) == (True, False, 1)
    assert used() == 0


def test_exit_stacks_in_copied_contexts_give_back_every_seat(per_call, used):
    stacks = [contextlib.ExitStack() for _ in range(3)]
    for stack in stacks:
        in_a_copy(lambda stack=stack: stack.enter_context(per_call))
    assert used() == 3
    for seats, stack in zip((2, 1, 0), stacks, strict=True):
        in_a_copy(stack.close)
        assert used() == seats


def test_an_async_exit_stack_ends_what_it_entered(per_call, used):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(per_call)
            stack.enter_context(per_call)
            return used()

    assert asyncio.run(main()) == 2
    assert used() == 0


def test_blocks_that_others_end_leave_nothing_behind(per_call):
    """What is entered here and left in a copy of this context is forgotten here, too."""
    for _ in range(3):
        one = dependency(per_call)
        one.__enter__()
        in_a_copy(lambda one=one: one.__exit__(None, None, None))
    from meterguard.gates import _entered

    with per_call:
        assert len(_entered.get()) == 1
    assert per_call._open == {}


def test_leaving_more_often_than_entering_is_an_error(per_call):
    with pytest.raises(RuntimeError, match="^this gate is left more often than it was entered$"):
        per_call.__exit__(None, None, None)


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
    with pytest.raises(ConfigurationError, match="^value must be a positive whole number"):  # noqa: SIM117
        with guard.requires_entitlement("Seats", lambda: 0):
            ran.append(True)
    assert (ran, checkouts()) == ([], [])
