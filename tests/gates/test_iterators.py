"""``hold="call"`` around a function that returns an iterator: the seat lives to the last item, as with generators."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import gc
import io
import itertools

import pytest


class Compiled(collections.abc.Generator):
    """A generator of another make, as compiled ones are: it is no ``types.GeneratorType``."""

    def __init__(self, used):
        self.used, self.left = used, 2

    def send(self, value):
        if value is not None:
            return value
        if not self.left:
            raise StopIteration("returned")
        self.left -= 1
        return self.used()

    def throw(self, kind, value=None, traceback=None):
        raise kind if value is None else value


class CompiledCoroutine(collections.abc.Coroutine):
    """A coroutine of another make."""

    def __init__(self, used):
        self.used = used

    def send(self, value):
        raise StopIteration(self.used())

    def throw(self, kind, value=None, traceback=None):
        raise kind if value is None else value

    def __await__(self):
        return (yield from asyncio.sleep(0, self.used()).__await__())


class Pages:
    """An async iterator of items, and nothing else."""

    def __init__(self, used):
        self.used, self.left = used, 2

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return self.used()


def counting(used):
    """A function on items that asks how many seats are in use as each is made."""
    return lambda _: used()


ITERATORS = {
    "chain": lambda used: itertools.chain([used()], map(counting(used), "a")),
    "map": lambda used: map(counting(used), "ab"),
    "zip": lambda used: zip(map(counting(used), "ab"), "ab", strict=True),
    "filter": lambda used: filter(counting(used), "ab"),
    "islice": lambda used: itertools.islice(iter(used, None), 2),
    "compiled": Compiled,
}


@pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS)
def test_the_seat_lives_to_the_last_item(per_call, used, make):
    items = per_call(lambda: make(used))()
    assert used() == 1
    assert len([used() for _ in items]) == 2
    assert used() == 0
    assert list(items) == []  # no item is made without a seat


@pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS)
def test_each_item_is_made_with_the_seat(per_call, used, make):
    items = per_call(lambda: make(used))()
    next(items)
    assert used() == 1
    next(items)
    assert used() == 1
    with pytest.raises(StopIteration):
        next(items)
    assert used() == 0


@pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS)
def test_closing_returns_the_seat(per_call, used, make):
    with contextlib.closing(per_call(lambda: make(used))()) as items:
        next(items)
        assert used() == 1
    assert used() == 0
    assert list(items) == []


@pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS)
def test_collection_returns_the_seat(per_call, used, returned, make):
    items = per_call(lambda: make(used))()
    next(items)
    del items
    gc.collect()
    returned()
    assert used() == 0


def test_it_is_still_what_it_was(per_call, used):
    items = per_call(lambda: ITERATORS["chain"](used))()
    assert isinstance(items, itertools.chain)
    assert iter(items) is items
    made = per_call(lambda: Compiled(used))()
    assert isinstance(made, Compiled | collections.abc.Generator)
    assert made.left == 2


def test_an_error_ends_no_iterator_that_can_go_on(per_call, used):
    items = per_call(lambda: map(int, ["x", "7"]))()
    with pytest.raises(ValueError, match="invalid literal"):
        next(items)
    assert used() == 1
    assert next(items) == 7
    assert list(items) == []
    assert used() == 0


def test_a_generator_of_another_make_takes_values_and_errors(per_call, used):
    items = per_call(lambda: Compiled(used))()
    assert (next(items), items.send("sent")) == (1, "sent")
    with pytest.raises(KeyError):
        items.throw(KeyError("mine"))
    assert used() == 0  # an error ends a generator


def test_delegating_to_it_gives_what_it_returns(per_call, used):
    def outer():
        return (yield from per_call(lambda: Compiled(used))())

    items = outer()
    assert [next(items), next(items)] == [1, 1]
    with pytest.raises(StopIteration) as end:
        next(items)
    assert end.value.value == "returned"
    assert used() == 0


def test_a_coroutine_of_another_make_holds_it_until_it_is_done(per_call, used):
    async def main():
        return await per_call(lambda: CompiledCoroutine(used))()

    assert asyncio.run(main()) == 1
    assert used() == 0


def test_a_file_holds_it_until_it_is_closed(per_call, used):
    with per_call(lambda: io.StringIO("a\nb\n"))() as lines:
        assert next(lines) == "a\n"
        assert used() == 1
        assert lines.read() == "b\n"
        assert used() == 1
    assert used() == 0


@pytest.mark.parametrize("container", [[1], (1,), {1}, {1: 1}, "1", range(1), b"1", None, io.StringIO], ids=repr)
def test_a_container_is_no_iterator(per_call, used, container):
    assert per_call(lambda: container)() is container
    assert used() == 0


def test_the_body_of_a_view_may_be_one(per_call, used):
    body, status = per_call(lambda: (ITERATORS["map"](used), 200))()
    assert status == 200
    assert list(body) == [1, 1]
    assert used() == 0


def test_a_shared_lease_needs_no_proxy(guard):
    items = iter([1])
    assert guard.requires_entitlement("Seats", 1)(lambda: items)() is items


class TestAsync:
    def test_the_seat_lives_to_the_last_item(self, per_call, used):
        async def main():
            items = per_call(lambda: Pages(used))()
            made = [item async for item in items]
            return made, used(), [item async for item in items]

        assert asyncio.run(main()) == ([1, 1], 0, [])

    def test_a_coroutine_function_may_return_one(self, per_call, used):
        @per_call
        async def pages():
            return Pages(used)

        async def main():
            return [item async for item in await pages()]

        assert asyncio.run(main()) == [1, 1]
        assert used() == 0

    def test_closing_returns_the_seat(self, per_call, used):
        async def main():
            async with contextlib.aclosing(per_call(lambda: Pages(used))()) as items:
                assert await anext(items) == 1
            return used(), [item async for item in items]

        assert asyncio.run(main()) == (0, [])

    def test_collection_returns_the_seat(self, per_call, used, returned):
        async def main():
            items = per_call(lambda: Pages(used))()
            return await anext(items)

        assert asyncio.run(main()) == 1
        gc.collect()
        returned()
        assert used() == 0
