"""Draws and meters, and the types that come of them."""

# pyright: strict

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, assert_type

from meterguard import (
    Charge,
    Charges,
    Draw,
    JoinedDraw,
    Meter,
    MeterGuard,
    Unit,
    consumes_entitlement,
    meters_usage,
)

guard = MeterGuard("ACME-1", "fingerprint", overdraft={"Pages": 100})
customer: ContextVar[str] = ContextVar("customer")


def pages_of(document: str, *, copies: int = 1) -> int:
    return len(document) * copies


def shorter(a: int) -> bytes:
    return b""


async def shorter_soon(a: int) -> bytes:
    return b""


# -- declaring ---------------------------------------------------------------------------------------------

assert_type(consumes_entitlement("Pages", 1), Draw)
assert_type(consumes_entitlement("Pages", pages_of, "Count", block=100, subject=customer), Draw)
assert_type(consumes_entitlement("Scanned", "3", Unit.GIGABYTES, guard=guard, on_unknown="deny"), Draw)
assert_type(consumes_entitlement("Scanned", pages_of, "Gigabytes", per_unit=10**9), Draw)
assert_type(guard.consumes_entitlement("Pages", Decimal(3), charge_on_error=True, per_item=True), Draw)
assert_type(meters_usage("Requests"), Meter)
assert_type(guard.meters_usage("Requests", Decimal("0.5"), Unit.SECONDS, subject=pages_of), Meter)

pages = consumes_entitlement("Pages", 1)
tokens = guard.consumes_entitlement("Tokens", 1)
requests = meters_usage("Requests")


# -- decorating --------------------------------------------------------------------------------------------


@pages
def plain(a: int, *rest: str, b: bytes = b"") -> str:
    return str(a)


@requests
def metered(a: int) -> dict[str, int]:
    return {"a": a}


@pages & tokens
def behind_both(a: int) -> str:
    return str(a)


@pages
async def coroutine(a: int) -> str:
    return str(a)


@pages
def generator(a: int) -> Generator[int, str, bytes]:
    sent = yield a
    return sent.encode()


@requests
async def async_generator(a: int) -> AsyncGenerator[int, str]:
    yield a


class Report:
    @pages
    def method(self, a: int) -> str:
        return str(a)

    @classmethod
    @requests
    def of_class(cls, a: int) -> Report:
        return cls()


assert_type(plain(1, "x", b=b"y"), str)
assert_type(metered(1), dict[str, int])
assert_type(behind_both(1), str)
assert_type(generator(1), Generator[int, str, bytes])
assert_type(async_generator(1), AsyncGenerator[int, str])
assert_type(Report().method(1), str)
assert_type(Report.of_class(1), Report)


# -- blocks ------------------------------------------------------------------------------------------------


async def settle_them() -> None:
    with pages as charge:
        assert_type(charge, Charge)
        charge.settle(3)
        assert_type(charge.reserved, int | Decimal)
    async with pages as charge:
        await charge.asettle(3)
    with requests as usage:
        usage.settle(Decimal("1.5"))
    with pages & tokens as charges, pages | pages & tokens as either:
        assert_type(charges, Charges)
        charges["Pages"].settle(3)
        await either["Tokens"].asettle(4)
        charges.cancel()
    with contextlib.ExitStack() as stack:
        assert_type(stack.enter_context(pages), Charge)


def a_block_swallows_nothing() -> int:
    with pages:
        return 1


# -- algebra -----------------------------------------------------------------------------------------------

assert_type(pages & tokens, JoinedDraw)
assert_type(pages | tokens, Draw)
assert_type(pages | tokens | pages, Draw)
assert_type(pages & tokens & pages, JoinedDraw)
assert_type(pages & tokens | pages, JoinedDraw)
assert_type((pages & tokens)(plain)(1), str)


# -- degrading ---------------------------------------------------------------------------------------------


@consumes_entitlement("Pages", 1, fallback=shorter)
def falls_back(a: int) -> str:
    return str(a)


@consumes_entitlement("Pages", 1, fallback=shorter_soon)
async def coroutine_falls_back_on_a_coroutine(a: int) -> str:
    return str(a)


@consumes_entitlement("Pages", 1, fallback=shorter_soon)
def falls_back_on_a_coroutine(a: int) -> str:
    return str(a)


@guard.consumes_entitlement("Pages", 1, default=None)
def has_a_default(a: int) -> str:
    return str(a)


@consumes_entitlement("Pages", 1, default=(), per_item=True)
def generator_has_a_default(a: int) -> Iterator[int]:
    yield a


@pages & consumes_entitlement("Tokens", 1, default=None)
def behind_both_with_a_default(a: int) -> str:
    return str(a)


@consumes_entitlement("Tokens", 1, default=None) | pages
async def coroutine_behind_either(a: int) -> str:
    return str(a)


async def degrade_them() -> None:
    assert_type(falls_back(1), str | bytes)
    assert_type(await coroutine_falls_back_on_a_coroutine(1), str | bytes)
    assert_type(falls_back_on_a_coroutine(1), str | Coroutine[Any, Any, bytes])
    assert_type(has_a_default(1), str | None)
    for item in generator_has_a_default(1):
        assert_type(item, int)
    assert_type(behind_both_with_a_default(1), str | None)
    assert_type(await coroutine_behind_either(1), str | None)
