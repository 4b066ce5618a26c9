"""Work that is still to be done when the call is over: charged by how it ends, or not at all where it never begins."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest


@pytest.fixture(params=["draw", "meter"])
def counted(request, guard):
    """``counted(**options)``: a draw or a meter of ten, of the same name."""
    declare = guard.consumes_entitlement if request.param == "draw" else guard.meters_usage
    return lambda **options: declare("Pages", 10, **options)


@pytest.fixture
def count(guard):
    """``count()``: what was charged or written down."""
    return lambda: sum(one.quantity for one in guard.ledger.records())


@pytest.fixture
def nothing_is_open(guard):
    """Nothing stays reserved when a test is over."""
    yield
    assert [one for one in guard.ledger.summary().values() if one.reserved] == []


pytestmark = pytest.mark.usefixtures("nothing_is_open")


def thrown_into(generator):
    with pytest.raises(KeyError):
        generator.throw(KeyError())


def collected(generators):
    generators.clear()
    gc.collect()


# -- generators ----------------------------------------------------------------------------------------

ENDS = {  # what a consumer does with a generator: whether it is charged
    "drained": (lambda one: list(one.pop()), True),
    "closed early": (lambda one: (next(one[0]), one[0].close()), True),
    "collected early": (lambda one: (next(one[0]), collected(one)), True),
    "thrown into": (lambda one: (next(one[0]), thrown_into(one[0])), False),
    "never started": (lambda one: None, False),
    "never started and closed": (lambda one: one[0].close(), False),
    "thrown into before it started": (lambda one: thrown_into(one[0]), False),
    "never started and collected": (collected, False),
}


@pytest.mark.parametrize(("end", "is_charged"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("charge_on_error", [False, True])
def test_a_generator(counted, count, end, is_charged, charge_on_error):
    @counted(charge_on_error=charge_on_error)
    def items():
        yield 1
        yield 2

    end([items()])
    is_charged = is_charged or (charge_on_error and end is ENDS["thrown into"][0])
    assert count() == (10 if is_charged else 0)


def test_a_generator_that_catches_what_is_thrown_in_goes_on(counted, count):
    @counted()
    def items():
        try:
            yield 1
        except KeyError:
            yield "caught"
        return "returned"

    generator = items()
    assert [next(generator), generator.throw(KeyError())] == [1, "caught"]
    assert count() == 0
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert (end.value.value, count()) == ("returned", 10)


def test_a_generator_that_raises_is_not_charged(counted, count):
    @counted()
    def items():
        yield 1
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        list(items())
    assert count() == 0


def test_iterators_that_a_function_returns(counted, count):
    gated = counted()(lambda: iter([1, 2]))
    iterator = gated()
    assert (next(iterator), count()) == (1, 0)
    assert (list(iterator), count()) == ([2], 10)
    iterator = gated()
    next(iterator)
    iterator.close()
    assert count() == 20


# -- async generators ----------------------------------------------------------------------------------


async def athrown_into(generator):
    with pytest.raises(KeyError):
        await generator.athrow(KeyError())


async def drained(generator):
    return [item async for item in generator]


async def closed_early(generator):
    await anext(generator)
    await generator.aclose()


async def thrown_into_early(generator):
    await anext(generator)
    await athrown_into(generator)


async def left_early(generator):
    async for _ in generator:
        break
    del generator
    gc.collect()
    await asyncio.sleep(0)  # the loop closes it


async def never_started(generator):
    pass


async def never_started_and_closed(generator):
    await generator.aclose()


AENDS = {
    drained: True,
    closed_early: True,
    left_early: True,
    thrown_into_early: False,
    never_started: False,
    never_started_and_closed: False,
}


@pytest.mark.parametrize(("end", "is_charged"), AENDS.items(), ids=[one.__name__ for one in AENDS])
def test_an_async_generator(counted, count, end, is_charged):
    @counted()
    async def items():
        yield 1
        yield 2

    async def main():
        await end(items())

    asyncio.run(main())
    gc.collect()
    assert count() == (10 if is_charged else 0)


def test_an_async_generator_that_is_left_when_the_loop_ends_is_charged(counted, count):
    kept = []

    @counted()
    async def items():
        yield 1
        yield 2

    async def main():
        kept.append(items())
        await anext(kept[0])

    asyncio.run(main())
    assert count() == 10


# -- a client that leaves ------------------------------------------------------------------------------


def left_by_its_client(items, *, after):
    """Serve a stream to a client that leaves after so many items, while the next one is being made."""

    async def main():
        is_waiting = asyncio.Event()
        served = []

        async def serve():
            async for item in items(is_waiting):
                served.append(item)  # noqa: PERF401 - what came before it was cancelled counts

        task = asyncio.create_task(serve())
        await is_waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return served

    assert len(asyncio.run(main())) == after


@pytest.mark.parametrize(("after", "written"), [(0, 0), (1, 10), (2, 10)])
def test_a_client_that_leaves_has_used_the_stream_once_it_began(counted, count, after, written):
    @counted()
    async def items(is_waiting):
        for item in range(after):
            yield item
        is_waiting.set()
        await asyncio.Event().wait()
        yield "never"

    left_by_its_client(items, after=after)
    assert count() == written


@pytest.mark.parametrize("after", [0, 1, 2])
def test_by_the_item_it_has_used_the_items_that_it_got(counted, count, after):
    @counted(per_item=True)
    async def items(is_waiting):
        for item in range(after):
            yield item
        is_waiting.set()
        await asyncio.Event().wait()
        yield "never"

    left_by_its_client(items, after=after)
    assert count() == 10 * after


# -- coroutines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("charge_on_error", [False, True])
def test_a_task_that_is_cancelled_is_not_charged(counted, count, charge_on_error):
    async def main():
        has_begun = asyncio.Event()

        @counted(charge_on_error=charge_on_error)
        async def work():
            has_begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await has_begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert count() == (10 if charge_on_error else 0)


class Pause:
    def __await__(self):
        yield


@pytest.mark.parametrize("charge_on_error", [False, True])
@pytest.mark.parametrize("style", ["coroutine function", "function that returns one", "block"])
def test_a_coroutine_that_is_thrown_away_is_not_charged(counted, count, style, charge_on_error):
    """Python closes it, and nobody knows whether it would have succeeded."""
    counting = counted(charge_on_error=charge_on_error)

    async def work():
        await Pause()

    async def block():
        async with counting:
            await Pause()

    styles = {"coroutine function": counting(work), "function that returns one": counting(lambda: work())}

    async def main():
        async with counting as charge:
            charge.cancel()  # so that there are units to be had without waiting
        coroutine = styles.get(style, block)()
        coroutine.send(None)
        coroutine.close()

    asyncio.run(main())
    assert count() == (10 if charge_on_error else 0)


def test_a_coroutine_that_never_starts_reserves_nothing(counted, count):
    @counted()
    async def work(): ...

    work().close()
    assert count() == 0


# -- futures and tasks ---------------------------------------------------------------------------------

OUTCOMES = {
    "done": (lambda future: future.set_result(1), 10),
    "failed": (lambda future: future.set_exception(ValueError()), 0),
    "cancelled": (lambda future: future.cancel(), 0),
}


@pytest.mark.parametrize(("finish", "written"), OUTCOMES.values(), ids=OUTCOMES)
@pytest.mark.parametrize("charge_on_error", [False, True])
def test_a_future_is_charged_when_it_succeeds(counted, count, finish, written, charge_on_error):
    made = Future()
    assert counted(charge_on_error=charge_on_error)(lambda: made)() is made
    assert count() == 0
    finish(made)
    assert count() == (10 if charge_on_error else written)


@pytest.mark.parametrize(("finish", "written"), OUTCOMES.values(), ids=OUTCOMES)
def test_so_is_one_of_asyncio(counted, count, finish, written):
    async def main():
        made = asyncio.get_running_loop().create_future()
        assert counted()(lambda: made)() is made
        assert count() == 0
        finish(made)
        await asyncio.wait([made])
        made.cancelled() or made.exception()

    asyncio.run(main())
    assert count() == written


def test_a_job_in_a_pool_is_charged_when_it_is_done(counted, count):
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        job = counted()(lambda: pool.submit(go.wait, 10))()
        assert count() == 0
        go.set()
        assert job.result() is True
    assert count() == 10
