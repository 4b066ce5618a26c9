"""A guarded generator holds its seat from its first item to its end, its close or its collection."""

from __future__ import annotations

import gc
import inspect

import pytest

from meterguard import EntitlementDenied


@pytest.fixture
def counting(per_call):
    """A guarded generator: yields 0, 1, 2 or what was sent instead, and returns what it was sent last."""

    @per_call
    def count():
        sent = None
        for number in range(3):
            sent = yield number if sent is None else sent
        return sent

    return count


def test_the_seat_is_taken_at_the_first_item_and_returned_with_the_last(counting, used):
    generator = counting()
    assert used() == 0
    assert [(item, used()) for item in generator] == [(0, 1), (1, 1), (2, 1)]
    assert used() == 0


def test_one_that_never_starts_asks_for_nothing(counting, checkouts):
    generator = counting()
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED
    generator.close()
    assert checkouts() == []


def test_what_is_sent_arrives_and_the_return_value_comes_back(counting, used):
    generator = counting()
    assert [next(generator), generator.send("a"), generator.send("b")] == [0, "a", "b"]
    with pytest.raises(StopIteration) as end:
        generator.send("last")
    assert end.value.value == "last"
    assert used() == 0


def test_yield_from_passes_items_and_the_return_value_on(counting, used):
    def outer():
        return (yield from counting())

    generator = outer()
    assert [next(generator), generator.send("a"), generator.send("b")] == [0, "a", "b"]
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value is None
    assert used() == 0


def test_what_is_thrown_in_can_be_caught_and_answered(per_call, used):
    @per_call
    def stubborn():
        try:
            yield "first"
        except KeyError as error:
            yield error

    generator = stubborn()
    assert next(generator) == "first"
    thrown = KeyError("k")
    assert generator.throw(thrown) is thrown
    assert used() == 1
    assert list(generator) == []
    assert used() == 0


def test_what_is_thrown_in_and_not_caught_comes_back_unchanged(counting, used):
    generator = counting()
    next(generator)
    thrown = KeyError("k")
    with pytest.raises(KeyError) as caught:
        generator.throw(thrown)
    assert caught.value is thrown
    assert (thrown.__cause__, thrown.__context__) == (None, None)
    assert used() == 0


def test_an_exception_of_its_own_comes_out_unchanged(per_call, used):
    error = ValueError("mine")

    @per_call
    def failing():
        yield 1
        raise error

    generator = failing()
    assert next(generator) == 1
    with pytest.raises(ValueError, match=r"^mine$") as caught:
        next(generator)
    assert caught.value is error
    assert caught.traceback[-1].name == "failing"
    assert (error.__cause__, error.__context__) == (None, None)
    assert used() == 0


def test_a_generator_that_raises_stop_iteration_fails_as_it_would_unguarded(per_call, used):
    @per_call
    def confused():
        yield 1
        raise StopIteration  # noqa: PLR1708 - the mistake this is about

    generator = confused()
    next(generator)
    with pytest.raises(RuntimeError, match=r"generator raised StopIteration"):
        next(generator)
    assert used() == 0


def test_closing_early_returns_the_seat_after_its_cleanup(per_call, used):
    seen = []

    @per_call
    def endless():
        try:
            while True:
                yield used()
        finally:
            seen.append(used())

    generator = endless()
    assert next(generator) == 1
    generator.close()
    assert seen == [1], "the seat was still held during the cleanup"
    assert used() == 0


def test_one_that_refuses_to_close_fails_as_it_would_unguarded_and_still_returns_its_seat(per_call, used):
    @per_call
    def refusing():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    generator = refusing()
    next(generator)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        generator.close()
    del generator
    gc.collect()
    assert used() == 0


def test_one_that_is_dropped_returns_its_seat(counting, used):
    for item in counting():
        assert (item, used()) == (0, 1)
        break
    gc.collect()
    assert used() == 0


def test_one_in_a_reference_cycle_returns_its_seat_when_it_is_collected(counting, used, lm):
    cycle = [counting()]
    cycle.append(cycle)
    next(cycle[0])
    assert used() == 1
    del cycle
    gc.collect()
    lm.wait_for_calls("CheckInLicense", timeout=20, done=True)  # it may go in the background
    assert used() == 0


def test_two_at_once_hold_a_seat_each(counting, used):
    one, other = counting(), counting()
    assert [next(one), next(other), used()] == [0, 0, 2]
    one.close()
    assert [next(other), used()] == [1, 1]
    other.close()
    assert used() == 0


def test_a_fourth_of_three_is_denied_at_its_first_item(counting):
    running = [counting() for _ in range(3)]
    assert [next(generator) for generator in running] == [0, 0, 0]
    fourth = counting()
    with pytest.raises(EntitlementDenied):
        next(fourth)
    assert list(fourth) == [], "it is over, as any generator is that raised"
    running[0].close()
    assert next(counting()) == 0
    for generator in running[1:]:
        generator.close()


def test_a_shared_lease_is_taken_at_the_first_item_and_kept(guard, used, checkouts):
    @guard.requires_entitlement("Seats", 1)
    def pair():
        yield used()
        yield used()

    assert [*pair(), *pair()] == [1, 1, 1, 1]
    assert len(checkouts()) == 1
    assert used() == 1


def test_a_generator_in_the_middle_keeps_its_lease_when_there_is_room_for_one_only(new_guard, used):
    """Work that goes on is use: its lease is not the one that has to go."""
    guard = new_guard(max_leases=1)

    @guard.requires_entitlement("Seats", 1)
    def working():
        yield
        yield

    generator = working()
    next(generator)
    assert guard.has_entitlement("Export")
    next(generator)
    assert used() == 1
    generator.close()


def test_a_fallback_gives_the_items_instead(denied):
    @denied(fallback=lambda limit: range(limit))
    def numbers(limit):
        yield limit

    assert list(numbers(3)) == [0, 1, 2]


def test_a_fallback_generator_is_driven_like_the_guarded_one(denied):
    def fallback():
        sent = yield "instead"
        return sent

    @denied(fallback=fallback)
    def guarded():
        yield "never"

    generator = guarded()
    assert next(generator) == "instead"
    with pytest.raises(StopIteration) as end:
        generator.send("sent")
    assert end.value.value == "sent"


@pytest.mark.parametrize(("default", "items"), [(None, []), ((), []), ([1, 2], [1, 2])])
def test_a_default_gives_the_items_instead(denied, default, items):
    @denied(default=default)
    def guarded():
        yield "never"

    assert list(guarded()) == items


def test_it_is_a_generator_to_whoever_looks(counting):
    assert inspect.isgeneratorfunction(counting)
    assert inspect.isgenerator(counting())
