"""``pass_lease=``: the function gets its lease under that keyword."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from meterguard import Lease


@pytest.fixture
def gate(guard):
    return guard.requires_entitlement("Seats", 1, pass_lease="lease")


def test_each_call_gets_the_live_lease(gate, checkouts):
    @gate
    def guarded(a, *, lease, b=None):
        return a, b, lease

    (a, b, first), (*_, second) = guarded(1, b=2), guarded(3)
    assert (a, b) == (1, 2)
    assert isinstance(first, Lease)
    assert first is second
    assert first.is_live
    assert len(checkouts()) == 1


def test_coroutines_generators_and_methods_get_it(gate):
    class Owner:
        @gate
        def method(self, lease):
            return lease

        @gate
        @classmethod
        async def coroutine(cls, lease):
            return lease

        @gate
        def generator(self, lease):
            yield lease

        @gate
        async def async_generator(self, lease):
            yield lease

    async def drain():
        return [lease async for lease in Owner().async_generator()]

    leases = [Owner().method(), asyncio.run(Owner.coroutine()), *Owner().generator(), *asyncio.run(drain())]
    assert [lease.is_live for lease in leases] == [True] * 4
    assert len(set(leases)) == 1


def test_with_a_seat_for_each_call_it_is_that_seat(guard, used):
    @guard.requires_entitlement("Seats", 1, hold="call", pass_lease="lease")
    def guarded(lease):
        return lease, lease.is_live, used()

    lease, *then = guarded()
    assert then == [True, 1]
    assert (lease.is_live, used()) == (False, 0)


def test_a_caller_cannot_pass_another(gate):
    @gate
    def guarded(lease=None):
        return lease

    assert isinstance(guarded(lease="forged"), Lease)


def test_a_fallback_and_callables_get_the_callers_arguments_only(guard, denied):
    seen = []

    def recorded(result):
        def call(*args, **kwargs):
            seen.append((args, kwargs))
            return result

        return call

    denied(fallback=recorded("instead"), pass_lease="lease")(lambda a, lease: a)("a")
    guard.requires_entitlement("Seats", recorded(1), per=recorded("anna"), pass_lease="lease")(lambda a, lease: a)("a")
    assert seen == [(("a",), {})] * 3


def test_without_an_answer_it_is_a_lease_that_is_not_live(lm, new_guard):
    guard = new_guard(timeout=0.05, on_unknown="allow")
    with lm.down():
        lease = guard.requires_entitlement("Seats", 1, pass_lease="lease")(lambda lease: lease)()
    assert (lease.is_live, lease.token) == (False, None)


def test_the_signature_stays_as_it_was(gate):
    @gate
    def guarded(a, *, lease): ...

    assert str(inspect.signature(guarded)) == "(a, *, lease)"
