"""Generators whose every item is a call of its own: units are reserved before an item is made, and charged with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, EntitlementDenied, EntitlementUnavailable
from .admission import Entered
from .entrance import Entrance, Wrapper
from .streams import iterated, iterated_async

if TYPE_CHECKING:
    from .kinds import Kind

_ANSWERS = (EntitlementDenied, EntitlementUnavailable)


class _NoUnits(Entered[None]):
    """An item for which there are no units. That is no trouble while the item does not come."""

    __slots__ = ("denied", "hold")

    def __init__(self, denied: Exception) -> None:
        self.denied = denied
        self.hold = "call"

    @property
    def passed(self) -> None:
        return None

    @property
    def is_over(self) -> bool:
        return True

    def release(self) -> None:
        raise self.denied

    async def arelease(self) -> None:
        raise self.denied

    def cancel(self) -> None:
        pass

    def fail(self) -> None:
        pass

    async def afail(self) -> None:
        pass

    def drop(self, *, failed: bool = True) -> None:
        pass

    def finish(self) -> None:
        pass


def wrapper(gate: Entrance, kind: Kind) -> Wrapper:
    """Return the wrapper for a kind of callable.

    :raises ConfigurationError: it is not one that makes items.
    """
    if kind == "generator":
        return _generator(gate)
    if kind == "async generator":
        return _async_generator(gate)
    raise ConfigurationError(
        "per_item=True charges each item that a generator yields; this function is no generator, so leave it out"
    )


# An item is charged when it is there, before the consumer gets it. What a generator does until its next item belongs
# to that item, so units that were reserved for it are not charged when the generator ends instead. Where no units are
# left after an item, the generator goes on to see whether it ends there: if it does not, nobody gets the item.


def _generator(gate: Entrance) -> Wrapper:
    def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        source, sent, thrown, is_first = wrapped(*args, **kwargs), None, None, True
        try:
            while True:
                admission = _entered(gate, args, kwargs)
                if is_first and isinstance(admission, _NoUnits):
                    if not gate.degrades:
                        raise admission.denied
                    return (yield from iterated(gate.degraded(*args, **kwargs)))
                is_first = False
                try:
                    item = source.send(sent) if thrown is None else source.throw(thrown)
                except StopIteration as end:
                    admission.cancel()
                    return end.value
                except BaseException:
                    admission.fail()
                    raise
                admission.release()
                sent = thrown = None
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as raised:  # noqa: BLE001 - it goes on into the source
                    thrown = raised
        finally:
            thrown = None  # or it would refer to itself, by its traceback
            source.close()

    return cold


def _entered(gate: Entrance, args: Any, kwargs: Any) -> Entered[object]:
    """Reserve for the next item. Where that is denied, it may be that there is no next item."""
    try:
        return gate.enter(*args, **kwargs)
    except _ANSWERS as denied:
        return _NoUnits(denied)


def _async_generator(gate: Entrance) -> Wrapper:
    async def cold(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        source, sent, thrown, is_first = wrapped(*args, **kwargs), None, None, True
        try:
            while True:
                admission = await _aentered(gate, args, kwargs)
                if is_first and isinstance(admission, _NoUnits):
                    if not gate.degrades:
                        raise admission.denied
                    async for item in iterated_async(gate.degraded(*args, **kwargs)):
                        yield item
                    return
                is_first = False
                try:
                    item = await (source.asend(sent) if thrown is None else source.athrow(thrown))
                except StopAsyncIteration:
                    admission.cancel()
                    return
                except BaseException:
                    await admission.afail()
                    raise
                await admission.arelease()
                sent = thrown = None
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as raised:  # noqa: BLE001 - it goes on into the source
                    thrown = raised
        finally:
            thrown = None
            await source.aclose()

    return cold


async def _aentered(gate: Entrance, args: Any, kwargs: Any) -> Entered[object]:
    try:
        return await gate.aenter(*args, **kwargs)
    except _ANSWERS as denied:
        return _NoUnits(denied)
