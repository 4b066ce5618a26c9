"""Gates with a fallback or default: what they decorate may return that, too."""

# pyright: strict

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

from meterguard import MeterGuard, requires_entitlement

guard = MeterGuard("ACME-1", "fingerprint")
seat = requires_entitlement("Seats", 1)


def shorter(a: int) -> bytes:
    return b""


async def shorter_soon(a: int) -> bytes:
    return b""


@requires_entitlement("Seats", 1, fallback=shorter)
def falls_back(a: int, b: str = "") -> str:
    return str(a)


@requires_entitlement("Seats", 1, fallback=shorter)
async def coroutine_falls_back(a: int) -> str:
    return str(a)


@requires_entitlement("Seats", 1, fallback=shorter_soon)
async def coroutine_falls_back_on_a_coroutine(a: int) -> str:
    return str(a)


@requires_entitlement("Seats", 1, fallback=shorter_soon)
def falls_back_on_a_coroutine(a: int) -> str:
    return str(a)


@guard.requires_entitlement("Seats", 1, default=None)
def has_a_default(a: int) -> str:
    return str(a)


@guard.requires_entitlement("Seats", 1, default=0)
async def coroutine_has_a_default(a: int) -> str:
    return str(a)


@requires_entitlement("Seats", 1, default=())
def generator_has_a_default(a: int) -> Iterator[int]:
    yield a


@requires_entitlement("Seats", 1, default=())
async def async_generator_has_a_default(a: int) -> AsyncIterator[int]:
    yield a


class Degrading:
    @requires_entitlement("Seats", 1, default=None)
    def method(self, a: int) -> str:
        return str(a)

    @requires_entitlement("Seats", 1, default=None)
    async def coroutine_method(self, a: int) -> str:
        return str(a)

    @staticmethod
    @requires_entitlement("Seats", 1, default=None)
    def static(a: int) -> str:
        return str(a)

    @classmethod
    @requires_entitlement("Seats", 1, default=None)
    def of_class(cls, a: int) -> str:
        return str(a)


@seat & requires_entitlement("Export", default=None)
def behind_both(a: int) -> str:
    return str(a)


@requires_entitlement("Export", fallback=shorter) | seat
async def coroutine_behind_either(a: int) -> str:
    return str(a)


async def degrade_them() -> None:
    assert_type(falls_back(1, b=""), str | bytes)
    assert_type(await coroutine_falls_back(1), str | bytes)
    assert_type(await coroutine_falls_back_on_a_coroutine(1), str | bytes)
    assert_type(falls_back_on_a_coroutine(1), str | Coroutine[Any, Any, bytes])
    assert_type(has_a_default(1), str | None)
    assert_type(await coroutine_has_a_default(1), str | int)
    for item in generator_has_a_default(1):
        assert_type(item, int)
    async for item in async_generator_has_a_default(1):
        assert_type(item, int)
    assert_type(Degrading().method(1), str | None)
    assert_type(await Degrading().coroutine_method(1), str | None)
    assert_type(Degrading.static(1), str | None)
    assert_type(Degrading.of_class(1), str | None)
    assert_type(behind_both(1), str | None)
    assert_type(await coroutine_behind_either(1), str | bytes)
