"""A guarded async generator holds its seat from its first item to its end, its close or its collection."""

from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest

from meterguard import EntitlementDenied


@pytest.fixture
def counting(per_call):
    """A guarded async generator: yields 0, 1, 2 or what was sent instead."""

    @per_call
    async def count():
        sent = None
        for number in range(3):
            sent = yield number if sent is None else sent

    return count


def test_the_seat_is_taken_at_the_first_item_and_returned_with_the_last(counting, used):
    async def main():
        generator = counting()
        before = used()
        return before, [(item, used()) async for item in generator]

    assert asyncio.run(main()) == (0, [(0, 1), (1, 1), (2, 1)])
    assert used() == 0


def test_one_that_never_starts_asks_for_nothing(counting, checkouts):
    async def main():
        await counting().aclose()

    asyncio.run(main())
    assert checkouts() == []


def test_what_is_sent_arrives(counting, used):
    async def main():
        generator = counting()
        items = [await anext(generator), await generator.asend("a"), await generator.asend("b")]
        with pytest.raises(StopAsyncIteration):
            await generator.asend("last")
        return items

    assert asyncio.run(main()) == [0, "a", "b"]
    assert used() == 0


def test_what_is_thrown_in_can_be_caught_and_answered(per_call, used):
    @per_call
    async def stubborn():
        try:
            yield "first"
        except KeyError as error:
            yield error

    async def main():
        generator = stubborn()
        assert await anext(generator) == "first"
        thrown = KeyError("k")
        assert await generator.athrow(thrown) is thrown
        assert used() == 1
        return [item async for item in generator]

    assert asyncio.run(main()) == []
    assert used() == 0


def test_what_is_thrown_in_and_not_caught_comes_back_unchanged(counting, used):
    thrown = KeyError("k")

    async def main():
        generator = counting()
        await anext(generator)
        await generator.athrow(thrown)

    with pytest.raises(KeyError) as caught:
        asyncio.run(main())
    assert caught.value is thrown
    assert (thrown.__cause__, thrown.__context__) == (None, None)
    assert used() == 0


def test_an_exception_of_its_own_comes_out_unchanged(per_call, used):
    error = ValueError("mine")

    @per_call
    async def failing():
        yield 1
        raise error

    async def main():
        return [item async for item in failing()]

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        asyncio.run(main())
    assert caught.value is error
    assert caught.traceback[-1].name == "failing"
    assert (error.__cause__, error.__context__) == (None, None)
    assert used() == 0


def test_closing_early_returns_the_seat_after_its_cleanup(per_call, used):
    seen = []

    @per_call
    async def endless():
        try:
            while True:
                yield used()
        finally:
            await asyncio.sleep(0)
            seen.append(used())

    async def main():
        async with contextlib.aclosing(endless()) as generator:
            return await anext(generator)

    assert asyncio.run(main()) == 1
    assert seen == [1], "the seat was still held during the cleanup"
    assert used() == 0


def test_one_that_refuses_to_close_fails_as_it_would_unguarded_and_still_returns_its_seat(per_call, used):
    @per_call
    async def refusing():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    async def main():
        generator = refusing()
        await anext(generator)
        with pytest.raises(RuntimeError, match=r"async generator ignored GeneratorExit"):
            await generator.aclose()
        return used()

    assert asyncio.run(main()) == 0


def test_one_that_is_left_early_returns_its_seat_with_the_loop(counting, used):
    async def main():
        async for item in counting():
            return item, used()
        return None

    assert asyncio.run(main()) == (0, 1)
    assert used() == 0


def test_one_that_is_dropped_returns_its_seat_while_the_loop_runs(counting, used, returned):
    async def main():
        generator = counting()
        await anext(generator)
        del generator
        await asyncio.to_thread(returned)
        return used()

    assert asyncio.run(main()) == 0


def test_a_cancelled_consumer_returns_the_seat(per_call, used):
    @per_call
    async def waiting(at):
        yield 1
        at.set()
        await asyncio.Event().wait()

    async def consume(at):
        async for _ in waiting(at):
            pass

    async def main():
        at = asyncio.Event()
        task = asyncio.create_task(consume(at))
        await at.wait()
        before = used()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return before, used()

    assert asyncio.run(main()) == (1, 0)


def test_two_at_once_hold_a_seat_each(counting, used):
    async def main():
        one, other = counting(), counting()
        both = [await anext(one), await anext(other), used()]
        await one.aclose()
        then = [await anext(other), used()]
        await other.aclose()
        return both, then

    assert asyncio.run(main()) == ([0, 0, 2], [1, 1])
    assert used() == 0


def test_a_fourth_of_three_is_denied_at_its_first_item(counting, used):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                running = await stack.enter_async_context(contextlib.aclosing(counting()))
                await anext(running)
            fourth = counting()
            with pytest.raises(EntitlementDenied):
                await anext(fourth)
            return [item async for item in fourth]

    assert asyncio.run(main()) == []
    assert used() == 0


def test_a_shared_lease_is_taken_at_the_first_item_and_kept(guard, used, checkouts):
    @guard.requires_entitlement("Seats", 1)
    async def pair():
        yield used()
        yield used()

    async def main():
        return [item async for item in pair()] + [item async for item in pair()]

    assert asyncio.run(main()) == [1, 1, 1, 1]
    assert len(checkouts()) == 1


async def coroutine(limit):
    return range(limit)


async def async_items(limit):
    for number in range(limit):
        yield number


async def coroutine_of_async_items(limit):
    return async_items(limit)


FALLBACKS = [range, async_items, coroutine, coroutine_of_async_items]


@pytest.mark.parametrize("fallback", FALLBACKS, ids=lambda fallback: fallback.__name__)
def test_a_fallback_of_any_kind_gives_the_items_instead(denied, fallback):
    @denied(fallback=fallback)
    async def numbers(limit):
        yield limit

    async def main():
        return [item async for item in numbers(3)]

    assert asyncio.run(main()) == [0, 1, 2]


@pytest.mark.parametrize(("default", "items"), [(None, []), ((), []), ([1, 2], [1, 2])])
def test_a_default_gives_the_items_instead(denied, default, items):
    @denied(default=default)
    async def guarded():
        yield "never"

    async def main():
        return [item async for item in guarded()]

    assert asyncio.run(main()) == items


def test_it_is_an_async_generator_to_whoever_looks(counting):
    assert inspect.isasyncgenfunction(counting)
    assert inspect.isasyncgen(counting())
