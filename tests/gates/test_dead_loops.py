"""Work whose loop is closed can await nothing any more: when it is collected its seat goes back all the same."""

from __future__ import annotations

import asyncio
import gc

import pytest


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


async def pages():
    yield 1
    yield 2


class Pages:
    """An async iterator."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        return 1


async def first_of(items):
    return await anext(items)


MAKERS = {
    "an async generator function": lambda gate: gate(pages)(),
    "a function that returns one": lambda gate: gate(lambda: pages())(),
    "an async iterator": lambda gate: gate(lambda: Pages())(),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_async_generator_returns_its_seat(per_call, used, returned, loop, make):
    items = make(per_call)
    assert loop.run_until_complete(first_of(items)) == 1
    assert used() == 1
    loop.close()
    del items
    gc.collect()
    returned()
    assert used() == 0


def test_one_that_shares_its_lease_counts_as_use_no_longer(guard, loop):
    items = guard.requires_entitlement("Seats", 1)(pages)()
    assert loop.run_until_complete(first_of(items)) == 1
    (record,) = guard.engine.registry.all_records()
    assert record.pins == 1
    loop.close()
    del items
    gc.collect()
    assert record.pins == 0


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_coroutine_returns_its_seat(per_call, used, returned, loop):
    async def work():
        await asyncio.Event().wait()

    call = per_call(lambda: work())()
    loop.close()
    assert used() == 1
    del call
    gc.collect()
    returned()
    assert used() == 0


def test_what_a_framework_throws_away_returns_its_seat(per_call, used, returned):
    """An admission that an integration entered, and whose end it never hears of."""
    admission = per_call.enter()
    assert used() == 1
    del admission
    returned()
    assert used() == 0
