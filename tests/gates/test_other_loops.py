"""The async side needs asyncio, and says so elsewhere: under trio, and where no loop runs at all."""

from __future__ import annotations

import asyncio

import pytest
import trio

from meterguard import ConfigurationError

NAMED = r"loops of asyncio, and trio runs here.*trio\.to_thread\.run_sync"


async def entered(gate):
    async with gate:
        pass


async def first_of(items):
    return await anext(items)


@pytest.fixture
def gate(guard):
    return guard.requires_entitlement("Seats", 1)


@pytest.fixture
def styles(guard, gate):
    async def work(): ...

    async def pages():
        yield

    return {
        "coroutine": lambda: gate(work)(),
        "generator": lambda: first_of(gate(pages)()),
        "with": lambda: entered(gate),
        "enter": lambda: gate.aenter(),
        "ask": lambda: guard.ahas_entitlement("Seats", 1),
        "decide": lambda: guard.adecide("Seats", 1),
        "close": guard.aclose,
    }


@pytest.mark.parametrize("style", ["coroutine", "generator", "with", "enter", "ask", "decide", "close"])
def test_trio_is_told_what_it_needs(styles, style, lm):
    with pytest.raises(ConfigurationError, match=NAMED):
        trio.run(styles[style])
    assert list(lm.requests) == []


def test_it_is_told_while_a_lease_is_held_too(gate, guard):
    """Not only when that ends, in the middle of the night."""
    gate(lambda: None)()
    guard.empty_windows()
    with pytest.raises(ConfigurationError, match=NAMED):
        trio.run(entered, gate)


def test_without_any_loop_it_is_told_too(gate):
    async def work(): ...

    call = gate(work)()
    with pytest.raises(ConfigurationError, match=r"loops of asyncio, and none runs here"):
        call.send(None)


def test_trio_may_call_plain_functions_in_threads(gate, used):
    async def main():
        return await trio.to_thread.run_sync(gate(used))

    assert trio.run(main) == 1


def test_asyncio_runs_as_ever(styles):
    asyncio.run(styles["coroutine"]())
