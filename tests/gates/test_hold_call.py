"""``hold="call"``: each call has a seat of its own, and it is back when the call is over, however it ends."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard import EntitlementDenied


def test_it_is_held_during_the_call_and_returned_after_it(per_call, used):
    guarded = per_call(used)
    assert (guarded(), used()) == (1, 0)


def test_it_is_never_cached_or_shared(guard, per_call, checkouts, lm):
    shared = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded = per_call(lambda: shared())
    assert [guarded(), guarded()] == ["ran", "ran"]
    assert len(checkouts()) == 3, "one shared, two for the calls"
    tokens = {one.client_token for one in lm.requests if one.operation == "CheckoutLicense"}
    assert len(tokens) == 3


@pytest.mark.parametrize("raised", [ValueError("mine"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_an_exception_passes_unchanged_and_returns_the_seat(per_call, used, raised):
    @per_call
    def failing():
        raise raised

    with pytest.raises(type(raised)) as caught:
        failing()
    assert caught.value is raised
    assert caught.traceback[-1].name == "failing"
    assert (raised.__cause__, raised.__context__, raised.__suppress_context__) == (None, None, False)
    assert used() == 0


def test_an_exception_in_a_coroutine_passes_unchanged_and_returns_the_seat(per_call, used):
    error = ValueError("mine")

    @per_call
    async def failing():
        raise error

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        asyncio.run(failing())
    assert caught.value is error
    assert caught.traceback[-1].name == "failing"
    assert (error.__cause__, error.__context__) == (None, None)
    assert used() == 0


def test_sys_exit_in_a_coroutine_returns_the_seat(per_call, used):
    @per_call
    async def leaving():
        sys.exit(3)

    with pytest.raises(SystemExit, match="3"):
        asyncio.run(leaving())
    assert used() == 0


def test_a_cancelled_task_returns_the_seat(per_call, used):
    @per_call
    async def work(inside):
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


def test_a_task_that_shields_its_cleanup_keeps_the_seat_until_it_is_over(per_call, used):
    @per_call
    async def work(inside):
        try:
            inside.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return used()

    async def main():
        inside = asyncio.Event()
        task = asyncio.create_task(work(inside))
        await inside.wait()
        task.cancel()
        return await task

    assert asyncio.run(main()) == 1
    assert used() == 0


def test_a_task_that_times_out_returns_the_seat(per_call, used):
    @per_call
    async def work():
        await asyncio.Event().wait()

    async def main():
        async with asyncio.timeout(0.2):
            await work()

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert used() == 0


def test_a_task_cancelled_during_its_checkout_takes_no_seat(lm, per_call, used, returned):
    ran = []

    @per_call
    async def work():
        ran.append(True)

    async def main(fault):
        task = asyncio.create_task(work())
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        fault.release()
        await asyncio.to_thread(returned)

    asyncio.run(main(lm.faults.add("CheckoutLicense", hold=True)))
    assert (ran, used()) == ([], 0)


def test_a_task_that_dies_with_its_loop_returns_the_seat(per_call, used, returned):
    @per_call
    async def work(inside):
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


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_coroutine_that_nobody_awaits_takes_no_seat(per_call, checkouts):
    @per_call
    async def work(): ...

    work()
    gc.collect()
    assert checkouts() == []


def test_recursion_takes_a_seat_at_each_level(per_call, used):
    @per_call
    def descend(depth):
        return [used(), *(descend(depth - 1) if depth else [])]

    assert descend(2) == [1, 2, 3]
    assert used() == 0
    with pytest.raises(EntitlementDenied):
        descend(3)
    assert used() == 0


def test_calls_at_once_take_a_seat_each_and_one_too_many_is_denied(per_call, used):
    barrier = threading.Barrier(3)

    @per_call
    def work(_):
        barrier.wait()
        seen = used()
        barrier.wait()
        return seen

    def late():
        barrier.wait()
        try:
            return work(None)
        except EntitlementDenied:
            return "denied"
        finally:
            barrier.wait()

    with ThreadPoolExecutor(2) as pool:
        pending = list(map(pool.submit, [work] * 2, range(2)))
        with per_call:
            assert late() == "denied"
            assert [one.result() for one in pending] == [3, 3]
    assert used() == 0


def test_tasks_at_once_take_a_seat_each(per_call, used):
    @per_call
    async def work(barrier):
        await barrier.wait()
        seen = used()
        await barrier.wait()
        return seen

    async def main():
        barrier = asyncio.Barrier(3)
        return await asyncio.gather(*(work(barrier) for _ in range(3)))

    assert asyncio.run(main()) == [3, 3, 3]
    assert used() == 0


def test_a_check_in_that_fails_is_nobodys_exception(lm, per_call, used):
    """The seat lapses by itself; the call was fine."""
    lm.faults.add("CheckInLicense", error="AccessDeniedException", times=None)
    assert per_call(used)() == 1
    assert used() == 1


def test_the_loop_runs_on_while_a_seat_is_taken_and_returned(lm, per_call):
    """Neither the checkout nor the check-in blocks it: each is held until the loop has turned."""
    faults = {name: lm.faults.add(name, hold=True) for name in ("CheckoutLicense", "CheckInLicense")}

    async def turn():
        for name, fault in faults.items():
            await asyncio.to_thread(lm.wait_for_calls, name)
            fault.release()

    @per_call
    async def work():
        return "ran"

    async def main():
        return await asyncio.gather(work(), turn())

    assert asyncio.run(main()) == ["ran", None]
