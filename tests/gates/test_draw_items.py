"""``per_item=True``: each item that a generator yields is charged, before its consumer gets it."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest

from meterguard import ConfigurationError, EntitlementDenied

MOST = 100  # units of the licence


@pytest.fixture
def by_ten(guard):
    return guard.consumes_entitlement("Pages", 10, per_item=True)


async def gathered(generator):
    return [item async for item in generator]


def both_ways(draw, make):
    """Return functions that run ``make()``, which yields items, behind a draw: as a generator, and as an async one."""

    async def amake():
        for item in make():
            yield item

    return draw(make), lambda: iter(asyncio.run(gathered(draw(amake)())))


@pytest.fixture(params=[0, 1], ids=["generator", "async generator"])
def behind(request):
    """``behind(draw, make)``: the items of ``make()``."""
    return lambda draw, make: both_ways(draw, make)[request.param]()


@pytest.mark.parametrize("items", [0, 1, 3, 9])
def test_items_are_charged(by_ten, behind, charged, items):
    assert list(behind(by_ten, lambda: (yield from range(items)))) == list(range(items))
    assert charged() == 10 * items


@pytest.mark.parametrize("items", [0, 1, 3])
def test_a_meter_counts_them(guard, behind, metered, items):
    meter = guard.meters_usage("Requests", 2, per_item=True)
    assert list(behind(meter, lambda: (yield from range(items)))) == list(range(items))
    assert metered() == 2 * items


def test_an_item_is_charged_when_it_is_there(by_ten, charged, balance):
    seen = []

    @by_ten
    def items():
        for item in range(3):
            seen.append((balance().reserved, balance().charged))
            yield item

    generator = items()
    assert charged() == 0, "one that has not started has nothing"
    assert [(item, charged()) for item in generator] == [(0, 10), (1, 20), (2, 30)]
    assert seen == [(10, 0), (10, 10), (10, 20)]


def test_a_denial_in_the_middle_ends_the_stream_and_what_was_used_is_charged(by_ten, guard, behind, charged):
    seen, closed = [], []

    def items():
        try:
            yield from range(20)
        finally:
            closed.append(charged())

    with guard.consumes_entitlement("Pages", MOST - 35):
        pass
    with pytest.raises(EntitlementDenied) as caught:
        seen.extend(behind(by_ten, items))
    assert caught.value.__context__ is None
    assert (closed, charged()) == ([95], 95)


def test_the_consumer_keeps_the_items_before_the_denial(by_ten, guard, charged):
    seen = []

    @by_ten
    def items():
        yield from range(20)

    @by_ten
    async def aitems():
        for item in range(20):
            yield item

    async def drain():
        async for item in aitems():
            seen.append(item)  # noqa: PERF401 - what came before the error counts

    with guard.consumes_entitlement("Pages", MOST - 35):
        pass
    with pytest.raises(EntitlementDenied):
        seen.extend(items())
    assert seen == [0, 1, 2]
    with pytest.raises(EntitlementDenied):
        asyncio.run(drain())
    assert (seen, charged()) == ([0, 1, 2], 95)


def test_what_a_generator_raises_is_not_charged(by_ten, behind, charged):
    def items():
        yield 1
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        list(behind(by_ten, items))
    assert charged() == 10


def test_with_charge_on_error_it_is(guard, behind, charged):
    def items():
        yield 1
        raise ValueError("mine")

    draw = guard.consumes_entitlement("Pages", 10, per_item=True, charge_on_error=True)
    with pytest.raises(ValueError, match=r"^mine$"):
        list(behind(draw, items))
    assert charged() == 20


def test_send_throw_and_the_return_value_pass(by_ten, charged):
    @by_ten
    def echo():
        sent = yield "first"
        try:
            sent = yield sent
        except KeyError as error:
            sent = yield error
        return sent

    generator, thrown = echo(), KeyError("k")
    assert [next(generator), generator.send("a"), generator.throw(thrown)] == ["first", "a", thrown]
    with pytest.raises(StopIteration) as end:
        generator.send("last")
    assert (end.value.value, charged()) == ("last", 30)


def test_asend_and_athrow_pass(by_ten, charged):
    @by_ten
    async def echo():
        sent = yield "first"
        try:
            yield sent
        except KeyError as error:
            yield error

    async def main():
        generator, thrown = echo(), KeyError("k")
        assert [await anext(generator), await generator.asend("a"), await generator.athrow(thrown)] == [
            *("first", "a", thrown)
        ]
        with pytest.raises(StopAsyncIteration):
            await generator.asend("last")

    asyncio.run(main())
    assert charged() == 30


def test_what_is_thrown_in_and_not_caught_comes_back(by_ten, charged):
    generator, thrown = by_ten(lambda: (yield from range(3)))(), KeyError("k")
    next(generator)
    with pytest.raises(KeyError) as caught:
        generator.throw(thrown)
    assert caught.value is thrown
    assert charged() == 10


@pytest.mark.parametrize("leave", ["close", "collect", "break"])
def test_one_that_is_left_early_is_charged_for_what_it_yielded(by_ten, charged, leave):
    closed = []

    @by_ten
    def items():
        with contextlib.ExitStack() as stack:
            stack.callback(closed.append, True)
            yield from range(5)

    generator = items()
    assert [next(generator), next(generator)] == [0, 1]
    if leave == "close":
        generator.close()
    del generator
    gc.collect()
    assert (closed, charged()) == ([True], 20)


def test_an_async_one_that_is_closed_early_is_charged_for_what_it_yielded(by_ten, charged):
    closed = []

    @by_ten
    async def items():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async def main():
        generator = items()
        await anext(generator)
        await generator.aclose()
        return list(closed)  # and not only when the loop closes what was forgotten

    assert (asyncio.run(main()), charged()) == ([True], 10)


@pytest.mark.parametrize(
    "options", [{"fallback": lambda: ["instead"]}, {"default": ["instead"]}], ids=["fallback", "default"]
)
def test_a_fallback_stands_in_for_the_first_item_and_all_others(guard, behind, charged, options):
    draw = guard.consumes_entitlement("Pages", MOST + 1, per_item=True, **options)
    assert list(behind(draw, lambda: (yield from range(3)))) == ["instead"]
    assert charged() == 0


def test_a_fallback_does_not_stand_in_for_what_comes_after_the_first_item(guard, behind, charged):
    draw = guard.consumes_entitlement("Pages", MOST - 1, per_item=True, default=["instead"])
    with pytest.raises(EntitlementDenied):
        list(behind(draw, lambda: (yield from range(3))))
    assert charged() == MOST - 1


def test_several_entitlements_are_charged_by_the_item(guard, behind, charged):
    both = guard.consumes_entitlement("Pages", 2, per_item=True) & guard.consumes_entitlement(
        "Tokens", 3, per_item=True
    )
    list(behind(both, lambda: (yield from range(4))))
    assert [charged("Pages"), charged("Tokens")] == [8, 12]


# -- where it does not go ------------------------------------------------------------------------------


async def coroutine(): ...


@pytest.mark.parametrize("fn", [lambda: 1, coroutine, len, print], ids=["lambda", "coroutine", "len", "print"])
@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_a_function_without_items_is_refused(guard, declare, fn):
    with pytest.raises(ConfigurationError) as caught:
        getattr(guard, declare)("Pages", 1, per_item=True)(fn)
    assert str(caught.value) == (
        "per_item=True charges each item that a generator yields; this function is no generator, so leave it out"
    )


@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_a_with_statement_has_no_items(guard, declare):
    draw = getattr(guard, declare)("Pages", 1, per_item=True)
    said = "^per_item=True charges the items of a decorated generator; a with statement has none: leave it out$"
    with pytest.raises(ConfigurationError, match=said), draw:
        pass

    async def main():
        async with draw:
            pass

    with pytest.raises(ConfigurationError, match=said):
        asyncio.run(main())


@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_there_is_no_one_charge_to_pass(guard, declare):
    with pytest.raises(ConfigurationError) as caught:
        getattr(guard, declare)("Pages", 1, per_item=True, pass_charge="charge")
    assert str(caught.value) == (
        "pass_charge= and per_item=True were both given; each item has a charge of its own, and none is passed: leave "
        "one of them out"
    )


@pytest.mark.parametrize("units", [3, 4])
def test_the_last_units_are_enough_for_the_last_item(lm, make_guard, units):
    licence = lm.add_license("ACME-9", entitlements=[("Pages", units, "Count")])
    draw = make_guard(lm, licence).consumes_entitlement("Pages", 1, per_item=True)
    ended = []

    @draw
    def stream():
        yield from range(3)
        ended.append("sync")

    @draw
    async def astream():
        for item in range(units - 3):
            yield item
        ended.append("async")

    async def collected():
        return [item async for item in astream()]

    assert list(stream()) == [0, 1, 2]
    if units > 3:
        assert asyncio.run(collected()) == [0]
    assert ended == ["sync", "async"][: units - 2]
    assert lm.usage(licence)["Pages"] == units
