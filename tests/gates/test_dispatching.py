"""A gate above ``functools.singledispatch``: the kind of call is that of the implementation that is found."""

from __future__ import annotations

import asyncio
import functools

import pytest

from meterguard import EntitlementDenied


@functools.singledispatch
def area(shape):
    raise NotImplementedError


@area.register
async def _(shape: int):
    await asyncio.sleep(0)
    return shape * shape


@area.register
def _(shape: str):
    return len(shape)


@area.register
def _(shape: list):
    yield from shape


@area.register
async def _(shape: tuple):
    for item in shape:
        yield item


@pytest.fixture
def guarded(per_call):
    return per_call(area)


async def collected(items):
    return [item async for item in items]


def test_each_implementation_is_guarded_as_what_it_is(guarded, used, checkouts):
    assert asyncio.run(guarded(3)) == 9
    assert guarded("four") == 4
    assert list(guarded([5])) == [5]
    assert asyncio.run(collected(guarded((6,)))) == [6]
    assert used() == 0
    assert len(checkouts()) == 4


def test_the_loop_is_free_while_the_seat_is_taken(guarded, lm):
    fault = lm.faults.add("CheckoutLicense", hold=True)

    async def main():
        call = asyncio.ensure_future(guarded(3))
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense", 1)
        assert not call.done()
        fault.release()  # nobody would, had the loop waited
        return await call

    assert asyncio.run(main()) == 9


def test_a_default_stands_in_for_what_each_would_give(denied):
    guarded = denied(default=0)(area)
    assert asyncio.run(guarded(3)) == 0
    assert guarded("four") == 0
    nothing = denied(default=())(area)
    assert list(nothing([5])) == []
    assert asyncio.run(collected(nothing((6,)))) == []


def test_an_async_one_is_denied_when_it_is_awaited(denied):
    call = denied()(area)(3)
    with pytest.raises(EntitlementDenied):
        asyncio.run(call)


def test_a_partial_of_one_dispatches_on_all_arguments(per_call, used):
    assert asyncio.run(per_call(functools.partial(area, 3))()) == 9
    assert used() == 0


def test_implementations_may_be_added_afterwards(guarded, used):
    @guarded.register
    async def _(shape: frozenset):
        return used()

    assert asyncio.run(guarded(frozenset())) == 1
    assert used() == 0


def test_a_call_without_arguments_fails_as_ever(guarded, used):
    with pytest.raises(TypeError, match="requires at least 1 positional argument"):
        guarded()
    assert used() == 0


def test_inside_the_window_no_call_is_looked_at(guard, checkouts):
    guarded = guard.requires_entitlement("Seats", 1)(area)
    assert asyncio.run(guarded(3)) == 9
    assert [guarded("four"), asyncio.run(guarded(5))] == [4, 25]
    assert len(checkouts()) == 1


def test_a_dispatching_method_is_guarded_by_its_implementations(per_call):
    with pytest.raises(TypeError, match=r"put the guard below @singledispatchmethod and each @.*register"):
        per_call(functools.singledispatchmethod(lambda self: self))
