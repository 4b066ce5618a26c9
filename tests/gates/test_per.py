"""``per=``: what one seat is. One lease for each distinct value."""

from __future__ import annotations

import asyncio
import contextvars
import functools

import pytest

from meterguard import ConfigurationError, EntitlementDenied

user = contextvars.ContextVar("user")
unset = contextvars.ContextVar("tenant")


def as_user(name, fn, *args):
    context = contextvars.copy_context()
    context.run(user.set, name)
    return context.run(fn, *args)


@pytest.fixture
def seat(guard):
    """``seat(per)``: a guarded function that returns its arguments."""

    def make(per, **options):
        @guard.requires_entitlement("Seats", 1, per=per, **options)
        def guarded(*args, **kwargs):
            return args, kwargs

        return guarded

    return make


def test_without_it_all_calls_share_one_seat(seat, used):
    for name in "anna", "ben":
        seat(None)(name)
    assert used() == 1


def test_a_string_names_a_seat(seat, used):
    for name in "web", "batch", "web":
        seat(name)()
    assert used() == 2


def test_a_context_variable_tells_seats_apart(seat, used):
    guarded = seat(user)
    for name in "anna", "ben", "anna":
        as_user(name, guarded)
    assert used() == 2


def test_a_context_variable_tells_tasks_apart(guard, used):
    gate = guard.requires_entitlement("Seats", 1, per=user)

    @gate
    async def guarded():
        async with gate as lease:
            return lease

    async def as_task(name):
        user.set(name)
        return await guarded()

    async def main():
        return await asyncio.gather(*map(as_task, ("anna", "ben", "anna", "ben")))

    leases = asyncio.run(main())
    assert len(set(leases)) == 2
    assert used() == 2


def test_a_callable_gets_the_arguments_and_tells_seats_apart(guard, used):
    seen = []

    def per(name, *, role):
        seen.append((name, role))
        return name

    @guard.requires_entitlement("Seats", 1, per=per)
    def guarded(name, *, role):
        return name, role

    outcomes = [guarded("anna", role="a"), guarded("ben", role="b"), guarded("anna", role="c")]
    assert outcomes == seen == [("anna", "a"), ("ben", "b"), ("anna", "c")]
    assert used() == 2


def test_a_callable_on_a_method_gets_self(guard, used):
    class Account:
        def __init__(self, name):
            self.name = name

        @guard.requires_entitlement("Seats", 1, per=lambda account, *_: account.name)
        def work(self, what):
            return self.name, what

    assert Account("anna").work(1) == ("anna", 1)
    assert Account("ben").work(2) == ("ben", 2)
    assert used() == 2


def test_one_more_value_than_seats_is_denied_and_the_others_go_on(seat):
    guarded = seat(lambda name: name)
    for name in "anna", "ben", "carl":
        guarded(name)
    with pytest.raises(EntitlementDenied):
        guarded("dora")
    assert guarded("anna") == (("anna",), {})


def test_a_value_is_the_same_seat_wherever_it_comes_from(seat, used):
    as_user("anna", seat(user))
    seat("anna")()
    seat(lambda name: name)("anna")
    assert used() == 1


@pytest.mark.parametrize("value", [None, "", 0, (), frozenset()], ids=repr)
def test_any_value_is_a_seat_of_its_own_also_an_empty_one(seat, used, value):
    seat(None)()
    seat(lambda: value)()
    assert used() == 2


def test_equal_gates_with_different_seats_do_not_ride_on_one_another(guard, checkouts):
    """The hot path of one seat opens nothing for another."""
    mine, other = (guard.requires_entitlement("Seats", 1, per=name)(lambda: "ran") for name in ("mine", "other"))
    assert [mine(), mine(), other(), other(), mine()] == ["ran"] * 5
    assert len(checkouts()) == 2


def test_with_a_seat_for_each_call_the_value_changes_nothing(seat, used, checkouts):
    guarded = seat(lambda name: name, hold="call")
    guarded("anna")
    guarded("anna")
    assert (used(), len(checkouts())) == (0, 2)


@pytest.mark.parametrize("degrade", [{}, {"default": "instead"}, {"on_unknown": "allow"}], ids=str)
def test_a_context_variable_that_is_not_set_is_a_mistake_and_never_degraded(seat, checkouts, degrade):
    said = "^per='tenant' is a ContextVar that is not set here: set it before the call$"
    guarded = seat(unset, **degrade)
    with pytest.raises(ConfigurationError, match=said) as caught:
        guarded()
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert checkouts() == []


def test_a_context_variable_that_is_not_set_is_a_mistake_for_coroutines(guard):
    gate = guard.requires_entitlement("Seats", 1, per=unset)

    @gate
    async def guarded(): ...

    async def block():
        async with gate:
            pass

    for work in guarded, block:
        with pytest.raises(ConfigurationError, match="not set here"):
            asyncio.run(work())


def test_the_default_of_a_context_variable_counts(seat, used):
    guarded = seat(contextvars.ContextVar("defaulted", default="nobody"))
    guarded()
    assert used() == 1


def test_a_value_that_has_no_hash_is_a_mistake(seat, checkouts):
    said = r"^per= gave a list, which cannot be told apart from others: give an id$"
    with pytest.raises(ConfigurationError, match=said):
        seat(lambda: ["anna"])()
    assert checkouts() == []


def test_an_exception_of_the_callable_passes_unchanged(seat, checkouts):
    error = KeyError("nobody logged in")

    def per():
        raise error

    with pytest.raises(KeyError) as caught:
        seat(per, default="instead")()
    assert caught.value is error
    assert checkouts() == []


def test_a_callable_may_be_any_callable(seat, used):
    seat(functools.partial(lambda name: name, "anna"))()
    seat(str)("anna")
    assert used() == 1
