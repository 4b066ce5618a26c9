"""``pass_lease=``: the function gets its lease under that keyword."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

from meterguard import ConfigurationError, Lease


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


# -- a parameter for it ------------------------------------------------------------------------------


class Owner:
    def method(self, a): ...

    def __call__(self, a): ...


async def coroutine(a): ...


def generator(a):
    yield a


def positional(lease, /): ...


def varargs(*lease): ...


def with_wrong_wrapper():
    @functools.wraps(lambda lease: lease)
    def wrapper(a): ...

    return wrapper


WITHOUT = {
    "lambda": lambda a: a,
    "coroutine": coroutine,
    "generator": generator,
    "method": Owner.method,
    "bound": Owner().method,
    "object": Owner(),
    "partial": functools.partial(coroutine, a=1),
    "staticmethod": staticmethod(Owner.method),
    "classmethod": classmethod(Owner.method),
    "positional only": positional,
    "varargs": varargs,
    "wrapper of one that has it": with_wrong_wrapper(),
}


@pytest.mark.parametrize("fn", WITHOUT.values(), ids=WITHOUT)
def test_a_callable_that_cannot_take_it_is_refused_when_it_is_decorated(gate, fn):
    with pytest.raises(ConfigurationError, match=r"^pass_lease='lease': .+ has neither a parameter 'lease' nor \*\*kw"):
        gate(fn)


def test_the_function_is_named(gate):
    with pytest.raises(ConfigurationError) as caught:
        gate(Owner.method)
    assert str(caught.value) == "pass_lease='lease': Owner.method has neither a parameter 'lease' nor **kwargs"


def test_so_is_one_below_another_gate(guard, gate):
    with pytest.raises(ConfigurationError, match="coroutine has neither"):
        gate(guard.requires_entitlement("Export")(coroutine))


def set_signature():
    def fn(**kwargs):
        return kwargs["lease"]

    fn.__signature__ = inspect.Signature()
    return fn


def consuming():
    @functools.wraps(lambda a: a)
    def wrapper(*args, **kwargs):
        return kwargs["lease"]

    return wrapper


def has_it(*, lease):
    return lease


WITH = {
    "keywords": lambda **given: given["lease"],
    "partial": functools.partial(has_it),
    "cached": functools.lru_cache(has_it),
    "a signature that hides it": set_signature(),
    "a decorator that takes it": consuming(),
}


@pytest.mark.parametrize("fn", WITH.values(), ids=WITH)
def test_one_that_may_take_it_gets_it(gate, fn):
    assert isinstance(gate(fn)(), Lease)


def test_one_without_a_signature_is_let_through(gate):
    with pytest.raises(ValueError, match="signature"):
        inspect.signature(dict.pop)
    assert callable(gate(dict.pop))
