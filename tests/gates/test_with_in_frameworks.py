"""Blocks that frameworks enter and leave: in contexts, threads and tasks of their own, or from an exit stack."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

from meterguard.gating.contexts import entered_here


def in_a_copy(fn):
    """Call it in a copy of this context, as frameworks do with each half of a dependency."""
    return contextvars.copy_context().run(fn)


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

    def here():
        for _ in range(3):
            one = dependency(per_call)
            one.__enter__()
            in_a_copy(lambda one=one: one.__exit__(None, None, None))
        with per_call:
            assert len(entered_here()) == 1

    contextvars.Context().run(here)  # of its own: other tests may have left blocks open in this thread's
    assert per_call._contexts._open == {}
