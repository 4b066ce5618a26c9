"""Every way to use meterguard's API, and the types that come of it. Checked by mypy and pyright, not run by pytest.

F in, F out: a guarded function has the type it had. `uses_degrading` has those with a fallback or default.
"""

# pyright: strict

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextvars import ContextVar
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ParamSpec, TypeVar, assert_type, overload

import boto3  # pyright: ignore[reportMissingTypeStubs]

import meterguard
from meterguard import (
    AuthorizationRefused,
    Decision,
    Entitlement,
    EntitlementDenied,
    EntitlementUnavailable,
    Gate,
    Lease,
    MeterGuard,
    Protection,
    Reason,
    Unit,
    protect,
    requires_entitlement,
)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# -- declaring ---------------------------------------------------------------------------------------------

user: ContextVar[str] = ContextVar("user")
guard = MeterGuard("ACME-1", "fingerprint", grace=timedelta(minutes=30), timeout=5, on_unknown="deny", linger=60.5)

boto = MeterGuard(session=boto3.Session(), on_unknown=None, timeout=None)
boto_too = MeterGuard(client=object())


def seats_of(document: str, *, copies: int = 1) -> int:
    return len(document) * copies


assert_type(requires_entitlement("Export"), Gate)
assert_type(requires_entitlement("Seats", 1, "Count"), Gate)
assert_type(requires_entitlement("Seats", "3", Unit.COUNT, hold="call", wait=5, on_unknown="allow"), Gate)
assert_type(requires_entitlement("Seats", Decimal(3), per="web", wait=timedelta(seconds=5)), Gate)
assert_type(requires_entitlement("Seats", seats_of, per=user, pass_lease="lease", guard=guard), Gate)
assert_type(guard.requires_entitlement("Seats", 1, "Count", hold="shared", on_unknown=None), Gate)

assert_type(protect("package.module:Class.method", "Seats", seats_of, per=user, default=None, guard=guard), Protection)
with protect("package.module:function", "Export", fallback=seats_of, wait=5) as protection:
    assert_type(protection, Protection)

seat = requires_entitlement("Seats", 1)
export = guard.requires_entitlement("Export")

# -- functions ---------------------------------------------------------------------------------------------


@seat
def plain(a: int, *rest: str, b: bytes = b"") -> str:
    return str(a)


@requires_entitlement("Seats", 1, "Count")
def declared_in_place(a: int) -> list[int]:
    return [a]


@guard.requires_entitlement("Seats", 1, "Count")
def of_a_guard(a: int) -> dict[str, int]:
    return {"a": a}


@seat
def generic(items: list[T]) -> T:
    return items[0]


@overload
def overloaded(a: int) -> int: ...
@overload
def overloaded(a: str) -> str: ...
@seat
def overloaded(a: int | str) -> int | str:
    return a


@seat
@functools.lru_cache
def above_a_cache(a: int) -> str:
    return str(a)


@seat
@export
def twice(a: int) -> str:
    return str(a)


assert_type(plain(1, "x", b=b"y"), str)
assert_type(declared_in_place(1), list[int])
assert_type(of_a_guard(1), dict[str, int])
assert_type(generic([1.5]), float)
assert_type(overloaded(1), int)
assert_type(overloaded("x"), str)
assert_type(above_a_cache(1), str)
above_a_cache.cache_clear()
assert_type(twice(1), str)
assert_type(seat(len)("x"), int)
assert_type(seat(functools.partial(plain, 1))(), str)


def decorates(fn: Callable[P, R]) -> Callable[P, R]:
    return seat(fn)


assert_type(decorates(plain)(1), str)

# -- coroutines and generators -----------------------------------------------------------------------------


@seat
async def coroutine(a: int) -> str:
    return str(a)


@seat
def generator(a: int) -> Generator[int, str, bytes]:
    sent = yield a
    return sent.encode()


@seat
def iterator(a: int) -> Iterator[int]:
    yield a


@seat
async def async_generator(a: int) -> AsyncGenerator[int, str]:
    yield a


@seat
async def async_iterator(a: int) -> AsyncIterator[int]:
    yield a


@contextlib.contextmanager
@seat
def manager(a: int) -> Generator[int]:
    yield a


@contextlib.asynccontextmanager
@seat
async def async_manager(a: int) -> AsyncGenerator[int]:
    yield a


async def run_them() -> None:
    assert_type(await coroutine(1), str)
    assert_type(generator(1), Generator[int, str, bytes])
    assert_type(next(iterator(1)), int)
    assert_type(async_generator(1), AsyncGenerator[int, str])
    async for item in async_iterator(1):
        assert_type(item, int)
    with manager(1) as managed:
        assert_type(managed, int)
    async with async_manager(1) as managed:
        assert_type(managed, int)


# -- methods -----------------------------------------------------------------------------------------------


class Report:
    @seat
    def __init__(self, pages: int) -> None:
        self.pages = pages

    @seat
    def method(self, a: int) -> str:
        return str(a)

    @seat
    async def coroutine_method(self, a: int) -> str:
        return str(a)

    @seat
    @classmethod
    def above_classmethod(cls, a: int) -> Report:
        return cls(a)

    @classmethod
    @seat
    def below_classmethod(cls, a: int) -> Report:
        return cls(a)

    @seat
    @staticmethod
    def above_staticmethod(a: int) -> str:
        return str(a)

    @staticmethod
    @seat
    def below_staticmethod(a: int) -> str:
        return str(a)

    @property
    @seat
    def title(self) -> str:
        return "title"

    @functools.cached_property
    @seat
    def summary(self) -> str:
        return "summary"

    @seat
    def __call__(self, a: int) -> str:
        return str(a)


class Longer(Report):
    def method(self, a: int) -> str:
        return super().method(a)


async def call_them(report: Report) -> None:
    assert_type(Report(3), Report)
    assert_type(report.method(1), str)
    assert_type(Report.method(report, 1), str)
    assert_type(await report.coroutine_method(1), str)
    assert_type(Report.above_classmethod(1), Report)
    assert_type(report.below_classmethod(1), Report)
    assert_type(Report.above_staticmethod(1), str)
    assert_type(report.below_staticmethod(1), str)
    assert_type(report.title, str)
    assert_type(report.summary, str)
    assert_type(report(1), str)
    assert_type(seat(report)(1), str)
    assert_type(Longer(1).method(1), str)


# -- blocks ------------------------------------------------------------------------------------------------


async def enter_them() -> None:
    with seat as lease, requires_entitlement("Export") as feature:
        assert_type(lease, Lease)
        assert_type(feature, Lease)
    async with seat as lease:
        assert_type(lease, Lease)
    with contextlib.ExitStack() as stack:
        assert_type(stack.enter_context(seat), Lease)
    async with contextlib.AsyncExitStack() as async_stack:
        assert_type(await async_stack.enter_async_context(seat), Lease)


def a_block_swallows_nothing() -> int:
    with seat:
        return 1


# -- algebra -----------------------------------------------------------------------------------------------

assert_type(seat & export, Gate)
assert_type(seat | export, Gate)
assert_type((seat & export | seat)(plain)(1), str)


@seat | export
def behind_either(a: int) -> str:
    return str(a)


assert_type(behind_either(1), str)


# -- asking ------------------------------------------------------------------------------------------------


async def ask() -> None:
    assert_type(guard.has_entitlement("Seats", 1, "Count"), bool)
    assert_type(await guard.ahas_entitlement("Export"), bool)
    assert_type(meterguard.has_entitlement("Export", guard=guard), bool)
    assert_type(await meterguard.ahas_entitlement("Seats", 1, Unit.COUNT), bool)
    assert_type(guard.decide("Seats", 1), Decision)
    decision = await guard.adecide("Seats", 1)
    assert_type(decision.allowed, bool)
    assert_type(decision.reason, Reason)
    assert_type(decision.reason.openfeature, str)
    assert_type(decision.lease, Lease | None)
    assert_type(guard.leases(), list[Lease])
    assert_type(meterguard.get_guard(), MeterGuard)
    assert_type(meterguard.configure(product_sku="ACME-1"), MeterGuard)
    with guard as same:
        assert_type(same, MeterGuard)
    async with guard as same:
        assert_type(same, MeterGuard)


def look_at(lease: Lease) -> None:
    assert_type(lease.entitlements, tuple[Entitlement, ...])
    assert_type(lease.is_live, bool)
    assert_type(lease.expires_at, datetime | None)
    assert_type(lease.expires_in, float)
    assert_type(lease.token, str | None)
    assert_type(lease.entitlements[0].value, int | str | None)
    assert_type(lease.entitlements[0].unit, Unit)


def catch_them() -> None:
    try:
        plain(1)
    except AuthorizationRefused as refused:
        assert_type(refused.reason, Reason)
    except EntitlementDenied as denied:
        assert_type(denied.missing, tuple[Entitlement, ...])
        assert_type(denied.code, str | None)
    except EntitlementUnavailable as unknown:
        assert_type(unknown.retry_after, float | None)
