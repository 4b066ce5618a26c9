"""Work that outlives the call: coroutines, generators and async generators that carry their lease to the end."""

from __future__ import annotations

import inspect
import types
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gates import Held

Opened = tuple[AsyncGenerator[Any, Any], "Held | None"]


def carry(result: Any, held: Held) -> Any:
    """A call's result. When it is work still to be done, the lease goes with it; else it goes back."""
    carried = outlasting(result, held)
    if carried is not None:
        return carried
    held.release()
    return result


def outlasting(result: Any, held: Held) -> Any | None:
    """``result`` with its lease, when it is work still to be done or a body still to be sent; else None."""
    if isinstance(result, types.CoroutineType):
        return until_collected(_awaited(result, held), held)
    if isinstance(result, types.GeneratorType):
        return until_collected(drive(result, held), held)
    if isinstance(result, types.AsyncGeneratorType):
        return until_collected(relay(lambda: source_of(result, held)), held)
    if hasattr(type(result), "add_done_callback"):  # a task, or a future of either kind
        result.add_done_callback(lambda _: held.drop())
        return result
    if type(result) is tuple and result:  # a view's (body, status, headers)
        body = outlasting(result[0], held)
        return None if body is None else (body, *result[1:])
    from .bodies import carry_response

    return carry_response(result, held)


def until_collected(work: Any, held: Held) -> Any:
    """``work``, which gives the lease back when it is thrown away: a generator never started has no ``finally``."""
    weakref.finalize(work, held.drop).atexit = False
    return work


async def source_of(work: Any, held: Held) -> Opened:
    """An async iterable as :func:`relay` wants it."""
    return work if hasattr(work, "asend") else iterated_async(work), held


async def _awaited(work: Coroutine[Any, Any, Any], held: Held) -> Any:
    try:
        return await work
    except GeneratorExit:  # it is thrown away, and must not await
        held.drop()
        raise
    finally:
        await held.arelease()


def drive(source: Iterable[Any], held: Held) -> Generator[Any, Any, Any]:
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
