"""A plain function under ``hold="call"`` that returns work still to be done: the seat goes with the work."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_a_coroutine_holds_the_seat_until_it_is_done(per_call, used):
    async def work():
        return used()

    guarded = per_call(lambda: work())

    async def main():
        coroutine = guarded()
        return used(), await coroutine

    assert asyncio.run(main()) == (1, 1)
    assert used() == 0


def test_a_coroutine_that_fails_returns_the_seat(per_call, used):
    error = ValueError("mine")

    async def work():
        raise error

    guarded = per_call(lambda: work())
    with pytest.raises(ValueError, match=r"^mine$") as caught:
        asyncio.run(guarded())
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert used() == 0


def test_a_coroutine_that_is_thrown_away_returns_the_seat(per_call, used, returned):
    async def work():
        await asyncio.Event().wait()

    guarded = per_call(lambda: work())

    async def main():
        coroutine = guarded()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    returned()
    assert used() == 0


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_coroutine_that_nobody_awaits_returns_the_seat(per_call, used, returned):
    async def work(): ...

    guarded = per_call(lambda: work())
    coroutine = guarded()
    assert used() == 1
    del coroutine
    gc.collect()
    returned()
    assert used() == 0


def test_a_generator_holds_the_seat_from_the_call_to_its_end(per_call, used):
    guarded = per_call(lambda: (used() for _ in range(2)))
    generator = guarded()
    assert used() == 1
    assert list(generator) == [1, 1]
    assert used() == 0


def test_a_generator_keeps_what_is_sent_and_returned(per_call):
    def work():
        return (yield "first")

    generator = per_call(lambda: work())()
    assert next(generator) == "first"
    with pytest.raises(StopIteration) as end:
        generator.send("sent")
    assert end.value.value == "sent"


def test_a_generator_that_never_starts_returns_the_seat_when_it_is_collected(per_call, used, returned):
    generator = per_call(lambda: (number for number in range(2)))()
    assert used() == 1
    del generator
    gc.collect()
    returned()
    assert used() == 0


def test_an_async_generator_holds_the_seat_from_the_call_to_its_end(per_call, used):
    async def work():
        yield used()
        yield used()

    guarded = per_call(lambda: work())

    async def main():
        generator = guarded()
        return used(), [item async for item in generator]

    assert asyncio.run(main()) == (1, [1, 1])
    assert used() == 0


def test_a_task_is_returned_itself_and_holds_the_seat_until_it_is_done(per_call, used, returned):
    async def main():
        done = asyncio.Event()
        made = []

        @per_call
        def start():
            made.append(asyncio.create_task(done.wait()))
            return made[0]

        task = start()
        held = used()
        done.set()
        await task
        await asyncio.to_thread(returned)
        return task is made[0], held, used()

    assert asyncio.run(main()) == (True, 1, 0)


def test_a_job_on_another_thread_holds_the_seat_until_it_is_done(per_call, used, returned):
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        job = per_call(lambda: pool.submit(done.wait))()
        assert used() == 1
        done.set()
        assert job.result() is True
    returned()
    assert used() == 0


def test_anything_else_ends_with_the_call(per_call, used):
    assert per_call(lambda: [used()])() == [1]
    assert used() == 0
