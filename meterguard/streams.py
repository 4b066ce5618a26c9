"""Work that outlives the call: coroutines, generators and async generators that carry their lease to the end."""

from __future__ import annotations

import inspect
import types
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gates import Held

Opened = tuple[AsyncGenerator[Any, Any], "Held | None"]


def carry(result: Any, held: Held) -> Any:
    """A plain function's result. When it is work still to be done, the lease goes with it."""
    if isinstance(result, types.CoroutineType):
        return _until_collected(_awaited(result, held), held)
    if isinstance(result, types.GeneratorType):
        return _until_collected(drive(result, held), held)
    if isinstance(result, types.AsyncGeneratorType):
        return _until_collected(relay(lambda: _opened(result, held)), held)
    if hasattr(type(result), "add_done_callback"):  # a task, or a future of either kind
        result.add_done_callback(lambda _: held.drop())
        return result
    held.release()
    return result


def _until_collected(work: Any, held: Held) -> Any:
    # a generator that is never started never reaches its finally
    weakref.finalize(work, held.drop).atexit = False
    return work


async def _opened(source: AsyncGenerator[Any, Any], held: Held) -> Opened:
    return source, held


async def _awaited(work: Coroutine[Any, Any, Any], held: Held) -> Any:
    try:
        return await work
    except GeneratorExit:  # it is thrown away, and must not await
        held.drop()
        raise
    finally:
        await held.arelease()


def drive(source: Generator[Any, Any, Any], held: Held) -> Generator[Any, Any, Any]:
    """``source`` to its end, its close or its collection; then the lease goes back."""
    try:
        return (yield from source)
    finally:
        held.release()


async def relay(opening: Callable[[], Awaitable[Opened]]) -> AsyncGenerator[Any, Any]:
    """What ``yield from`` would be between async generators; then the lease goes back."""
    source, held = await opening()
    sent = thrown = None
    try:
        while True:
            try:
                item = await (source.asend(sent) if thrown is None else source.athrow(thrown))
            except StopAsyncIteration:
                return
            sent = thrown = None
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as raised:  # noqa: BLE001 - it goes on into the source
                thrown = raised
    finally:
        thrown = None  # or it would refer to itself, by its traceback
        try:
            await source.aclose()
        finally:
            if held is not None:
                await held.arelease()


def iterated(result: Any) -> Generator[Any, Any, Any]:
    """What a fallback gave instead of a generator; None is nothing."""
    return (yield from () if result is None else result)


async def iterated_async(result: Any) -> AsyncGenerator[Any, Any]:
    """What a fallback gave instead of an async generator: any kind of iterable, or an awaitable of one."""
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        async for item in result:
            yield item
    elif result is not None:
        for item in result:
            yield item
