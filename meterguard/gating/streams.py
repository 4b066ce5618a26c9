"""Work that outlives the call: coroutines, generators and iterators that carry their seat to the end.

An admission gives its seat back when it is thrown away, so each of these only has to refer to it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

import wrapt

if TYPE_CHECKING:
    ObjectProxy = wrapt.ObjectProxy[Any]
else:
    ObjectProxy = wrapt.ObjectProxy  # older versions of wrapt have no types


class Held(Protocol):
    """A seat that goes back when work is over, as an admission does, or units that are charged then."""

    @property
    def is_over(self) -> bool:
        """True once it was returned."""
        ...

    def release(self) -> None:
        """Return it."""
        ...

    async def arelease(self) -> None:
        """Return it without blocking the loop."""
        ...

    def fail(self) -> None:
        """Return it, for the work failed."""
        ...

    async def afail(self) -> None:
        """:meth:`fail` without blocking the loop."""
        ...

    def drop(self, *, failed: bool = True) -> object:
        """Return it without waiting."""
        ...

    def finish(self) -> None:
        """Return it where work was closed, or else collected."""
        ...


R = TypeVar("R")
Items = AsyncGenerator[object, object]
Driven = Generator[object, object, object]
Opened = tuple[Items, "Held | None"]


def carried(result: object, held: Held) -> object | None:
    """Return ``result`` with its seat, when it is work still to be done; else None."""
    for kinds, carry in _KINDS:
        if isinstance(result, kinds):
            return carry(result, held)
    return None


async def source_of(work: object, held: Held | None) -> Opened:
    """Return an async iterable as :func:`relay` wants it."""
    return cast("Items", work) if hasattr(work, "asend") else iterated_async(work), held


async def awaited(work: Awaitable[R], held: Held) -> R:
    """Await ``work``; then its seat goes back."""
    try:
        result = await work
    except GeneratorExit:  # it is thrown away, and must not await
        held.drop()
        raise
    except BaseException:
        await held.afail()
        raise
    await held.arelease()
    return result


def drive(source: Iterable[object], held: Held) -> Driven:
    """Iterate ``source`` to its end, its close or its collection; then its seat goes back."""
    try:
        result: object = yield from source  # type: ignore[func-returns-value] # a generator returns something
    except GeneratorExit:
        held.finish()
        raise
    except BaseException:
        held.fail()
        raise
    held.release()
    return result


async def relay(opening: Callable[[], Awaitable[Opened]]) -> Items:
    """Do between async generators what ``yield from`` does between others; then the seat goes back."""
    source, held = await opening()
    sent = thrown = None
    began, failed = False, True
    try:
        while True:
            try:
                item = await (source.asend(sent) if thrown is None else source.athrow(thrown))
            except StopAsyncIteration:
                failed = False
                return
            sent, thrown, began = None, None, True
            try:
                sent = yield item
            except GeneratorExit:
                failed = False
                raise
            except BaseException as raised:  # noqa: BLE001 - it goes on into the source
                thrown = raised
    except BaseException as raised:
        failed = failed and not (began and is_cancellation(raised))
        raise
    finally:
        thrown = None  # or it would refer to itself, by its traceback
        try:
            await source.aclose()
        finally:
            if held is not None:
                await (held.afail() if failed else held.arelease())


def is_cancellation(raised: BaseException) -> bool:
    """Tell whether a task was cancelled: to a stream that has begun, its client left, which is no failure of it."""
    return type(raised).__name__ == "CancelledError"


def is_departure(raised: BaseException) -> bool:
    """Tell whether an answer ended early because its client left: servers cancel it, or say so by an error."""
    name = type(raised).__name__
    # Starlette also raises it where a request is read that never arrives, and then of nothing that failed to be sent
    is_told = name == "ClientDisconnected" or (name == "ClientDisconnect" and isinstance(raised.__context__, OSError))
    return is_told or is_cancellation(raised)


def iterated(result: object) -> Driven:
    """Iterate the result of a fallback that stood in for a generator; None is empty."""
    work: Iterable[object] = () if result is None else cast("Iterable[object]", result)
    return (yield from work)  # type: ignore[func-returns-value] # a generator returns something


async def iterated_async(result: object) -> Items:
    """Iterate the result of a fallback that stood in for an async generator: any iterable, or an awaitable of one."""
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        async for item in cast("AsyncIterable[object]", result):
            yield item
    elif result is not None:
        for item in cast("Iterable[object]", result):
            yield item


# -- iterators of other kinds ------------------------------------------------------------------------


class IteratorUnderLease(ObjectProxy):
    """An iterator with a seat: to its last item, its close or its collection.

    An error does not end it, for it may have more items. Once the seat is back there are none.
    """

    def __init__(self, iterator: object, held: Held) -> None:
        super().__init__(iterator)
        self._self_held = held

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._self_held.is_over:
            raise StopIteration
        try:
            return next(self.__wrapped__)
        except StopIteration:
            self._self_held.release()
            raise

    def close(self) -> object:
        """Close the iterator, where it can be closed."""
        try:
            close = getattr(self.__wrapped__, "close", None)
            return None if close is None else close()
        finally:
            self._self_held.release()

    def __enter__(self) -> object:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def __exit__(self, *raised: object) -> Any:
        try:
            return self.__wrapped__.__exit__(*raised)
        finally:
            self._self_held.release()


class GeneratorUnderLease(IteratorUnderLease):
    """A generator that Python did not make, such as a compiled one. An error ends it."""

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: object) -> object:
        """Resume with a value."""
        if self._self_held.is_over:
            raise StopIteration
        return self._step(self.__wrapped__.send, value)

    def throw(self, *raised: object) -> object:
        """Resume with an error."""
        return self._step(self.__wrapped__.throw, *raised)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            return step(*args)
        except StopIteration:
            self._self_held.release()
            raise
        except BaseException:
            self._self_held.fail()
            raise


class AsyncIteratorUnderLease(ObjectProxy):
    """An async iterator with a seat: to its last item, its close or its collection."""

    def __init__(self, iterator: object, held: Held) -> None:
        super().__init__(iterator)
        self._self_held = held

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._self_held.is_over:
            raise StopAsyncIteration
        try:
            return await anext(self.__wrapped__)
        except StopAsyncIteration:
            await self._self_held.arelease()
            raise

    async def aclose(self) -> object:
        """Close the iterator, where it can be closed."""
        try:
            close = getattr(self.__wrapped__, "aclose", None)
            return None if close is None else await close()
        finally:
            await self._self_held.arelease()


def _relayed(work: Any, held: Held) -> Any:
    return relay(lambda: source_of(work, held))


# Python's own kinds first: a stand-in for a generator is a generator.
_KINDS: tuple[tuple[Any, Callable[[Any, Held], object]], ...] = (
    (types.CoroutineType, awaited),
    (types.GeneratorType, drive),
    (types.AsyncGeneratorType, _relayed),
    (Coroutine, awaited),
    (Generator, GeneratorUnderLease),
    (AsyncGenerator, _relayed),
    (Iterator, IteratorUnderLease),
    (AsyncIterator, AsyncIteratorUnderLease),
)
