"""Every way to write guarded work that runs on after the call: coroutines, generators, async generators."""

from __future__ import annotations

import asyncio
import contextlib
import functools

from tests.gates.styles import style


def drained(generator):
    return next(iter([*generator]), "no item")


def adrained(generator):
    async def drain():
        return [item async for item in generator]

    return drained(asyncio.run(drain()))


@style
def coroutine_function(gate, body):
    @gate
    async def guarded(a, b):
        return body(a, b=b)

    return lambda: asyncio.run(guarded(1, b=2))


@style
def coroutine_method(gate, body):
    class Owner:
        @gate
        async def guarded(self, a, b):
            assert type(self) is Owner
            return body(a, b=b)

    return lambda: asyncio.run(Owner().guarded(1, b=2))


@style
def coroutine_classmethod(gate, body):
    class Owner:
        @gate
        @classmethod
        async def guarded(cls, a, b):
            assert cls is Owner
            return body(a, b=b)

    return lambda: asyncio.run(Owner.guarded(1, b=2))


@style
def coroutine_staticmethod(gate, body):
    class Owner:
        @staticmethod
        @gate
        async def guarded(a, b):
            return body(a, b=b)

    return lambda: asyncio.run(Owner.guarded(1, b=2))


@style
def partial_of_a_coroutine_function(gate, body):
    async def coroutine(a, b):
        return body(a, b=b)

    guarded = gate(functools.partial(coroutine, 1))
    return lambda: asyncio.run(guarded(b=2))


@style
def object_with_a_coroutine_call(gate, body):
    class Owner:
        async def __call__(self, a, b):
            return body(a, b=b)

    guarded = gate(Owner())
    return lambda: asyncio.run(guarded(1, b=2))


@style
def generator(gate, body):
    @gate
    def guarded(a, b):
        yield body(a, b=b)

    return lambda: drained(guarded(1, b=2))


@style
def generator_method(gate, body):
    class Owner:
        @gate
        def guarded(self, a, b):
            assert type(self) is Owner
            yield body(a, b=b)

    return lambda: drained(Owner().guarded(1, b=2))


@style
def iter_of_an_object(gate, body):
    class Owner:
        @gate
        def __iter__(self):
            yield body(1, b=2)

    return lambda: drained(Owner())


@style
def async_generator(gate, body):
    @gate
    async def guarded(a, b):
        yield body(a, b=b)

    return lambda: adrained(guarded(1, b=2))


@style
def async_generator_method(gate, body):
    class Owner:
        @gate
        async def guarded(self, a, b):
            assert type(self) is Owner
            yield body(a, b=b)

    return lambda: adrained(Owner().guarded(1, b=2))


@style
def async_context_manager_function(gate, body):
    @contextlib.asynccontextmanager
    @gate
    async def guarded(a, b):
        yield body(a, b=b)

    async def call():
        async with guarded(1, b=2) as result:
            return result

    return lambda: asyncio.run(call())
