"""Values computed from the call's arguments, and checked there."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from meterguard import ConfigurationError, EntitlementDenied


def test_a_callable_gets_the_arguments_and_says_how_many(guard, checkouts):
    seen = []

    def value(*args, **kwargs):
        seen.append((args, kwargs))
        return len(args[0])

    guarded = guard.requires_entitlement("Seats", value)(lambda names, *, loud: (names, loud))
    assert guarded(["anna", "ben"], loud=True) == (["anna", "ben"], True)
    assert seen == [((["anna", "ben"],), {"loud": True})]
    assert checkouts() == [{"Seats": "2"}]


def test_each_value_is_a_lease_of_its_own(guard, checkouts, used):
    guarded = guard.requires_entitlement("Seats", lambda n: n)(lambda n: n)
    assert [guarded(1), guarded(2), guarded(1)] == [1, 2, 1]
    assert checkouts() == [{"Seats": "1"}, {"Seats": "2"}]
    assert used() == 3


def test_with_a_seat_for_each_call_so_many_are_taken_and_returned(guard, used):
    guarded = guard.requires_entitlement("Seats", lambda n: n, hold="call")(lambda n: used())
    assert [guarded(1), guarded(3), used()] == [1, 3, 0]
    with pytest.raises(EntitlementDenied):
        guarded(4)


@pytest.mark.parametrize("value", [2, Decimal(2), "2"], ids=repr)
def test_a_computed_value_may_be_of_any_kind_that_a_plain_one_may_be(guard, checkouts, value):
    for given in value, lambda: value:
        guard.requires_entitlement("Seats", given, hold="call")(lambda: "ran")()
    assert checkouts() == [{"Seats": "2"}] * 2


def test_a_feature_may_have_a_computed_value(guard, checkouts):
    guarded = guard.requires_entitlement("Tier", lambda tier: tier, "None")(lambda tier: tier)
    with pytest.raises(EntitlementDenied):
        guarded("gold")
    assert checkouts() == [{"Tier": "gold"}]


BAD = [0, -1, 1.5, True, float("nan"), Decimal("NaN"), Decimal("1.5"), "1.5", "", 2**63, 10**400, None, b"1", [1]]


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:20])
def test_a_computed_value_out_of_range_is_a_mistake_at_the_call(guard, checkouts, value):
    ran = []
    guarded = guard.requires_entitlement("Seats", lambda: value, default="instead", on_unknown="allow")(
        lambda: ran.append(True)
    )
    with pytest.raises(ConfigurationError, match=r"^value "):
        guarded()
    assert (ran, checkouts()) == ([], [])


@pytest.mark.parametrize("value", [1, 0, "", ["gold"]], ids=repr)
def test_a_computed_value_that_no_feature_has_is_a_mistake_at_the_call(guard, checkouts, value):
    guarded = guard.requires_entitlement("Tier", lambda: value, "None")(lambda: "never")
    with pytest.raises(ConfigurationError, match="does not go with unit 'None'"):
        guarded()
    assert checkouts() == []


def test_a_computed_value_is_checked_for_every_style(guard):
    gate = guard.requires_entitlement("Seats", lambda: 0)

    @gate
    async def coroutine(): ...

    @gate
    def generator():
        yield

    @gate
    async def async_generator():
        yield

    async def drain():
        return [item async for item in async_generator()]

    for call in lambda: asyncio.run(coroutine()), lambda: list(generator()), lambda: asyncio.run(drain()):
        with pytest.raises(ConfigurationError, match=r"^value must be a positive whole number"):
            call()


def test_an_exception_of_the_callable_passes_unchanged(guard, checkouts):
    error = KeyError("no such plan")

    def value():
        raise error

    with pytest.raises(KeyError) as caught:
        guard.requires_entitlement("Seats", value, default="instead")(lambda: "never")()
    assert caught.value is error
    assert checkouts() == []
