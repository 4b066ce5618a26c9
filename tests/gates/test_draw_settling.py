"""``charge.settle(actual)``: what was used in fact is charged, once, whoever says it and when."""

from __future__ import annotations

import asyncio
import gc
import threading
from decimal import Decimal

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable

MOST = 100  # units of the licence


@pytest.fixture
def draw(guard):
    return guard.consumes_entitlement("Pages", 10)


@pytest.mark.parametrize("actual", [0, 1, 9, 10, 11, 60, MOST])
def test_what_was_used_is_charged(draw, charged, actual):
    with draw as charge:
        assert charge.reserved == 10
        charge.settle(actual)
        assert charge.is_settled
    assert charged() == actual


@pytest.mark.parametrize("actual", [0, 1, 10, 11, MOST])
def test_so_it_is_without_blocking_the_loop(draw, charged, actual):
    async def main():
        async with draw as charge:
            await charge.asettle(actual)

    asyncio.run(main())
    assert charged() == actual


def test_what_goes_back_is_used_by_the_next_call(draw, charged, checkouts):
    with draw as charge:
        charge.settle(4)
    with draw as charge:
        charge.settle(5)
    assert charged() == 9
    assert checkouts() == [{"Pages": "10"}, {"Pages": "4"}]


def test_a_function_gets_its_charge(guard, charged):
    @guard.consumes_entitlement("Pages", 10, pass_charge="charge")
    def work(used, *, charge):
        charge.settle(used)
        return charge.entitlement.name, charge.reserved

    assert work(3) == ("Pages", 10)
    assert charged() == 3


def test_so_do_coroutines_and_generators(guard, charged):
    draw = guard.consumes_entitlement("Pages", 10, pass_charge="charge")

    @draw
    async def coroutine(charge):
        await charge.asettle(1)

    @draw
    def generator(charge):
        yield charge.reserved
        charge.settle(2)

    @draw
    async def async_generator(charge):
        yield charge.reserved
        await charge.asettle(3)

    async def main():
        await coroutine()
        return [item async for item in async_generator()]

    assert [asyncio.run(main()), list(generator())] == [[10], [10]]
    assert charged() == 6


@pytest.mark.parametrize("charge_on_error", [False, True])
@pytest.mark.parametrize("actual", [0, 3, 15])
def test_what_was_settled_stays_when_the_body_raises(guard, charged, charge_on_error, actual):
    def work():
        with guard.consumes_entitlement("Pages", 10, charge_on_error=charge_on_error) as charge:
            charge.settle(actual)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert charged() == actual


# -- once ----------------------------------------------------------------------------------------------


def refused(call):
    with pytest.raises(ConfigurationError) as caught:
        call()
    return str(caught.value)


ONCE = ". A charge is settled once, before its call is over."


def test_a_second_time_is_refused(draw, charged):
    with draw as charge:
        charge.settle(3)
        told = refused(lambda: charge.settle(4))
        assert told == f"this charge for Pages cannot be settled: it was settled as 3{ONCE}"
        assert refused(lambda: asyncio.run(charge.asettle(3))) == told
        assert refused(charge.cancel) == f"this charge for Pages cannot be cancelled: it was settled as 3{ONCE}"
    assert charged() == 3


def test_after_the_end_is_refused(draw, charged):
    with draw as charge:
        pass
    told = refused(lambda: charge.settle(4))
    assert told == f"this charge for Pages cannot be settled: it was charged as reserved, for its call is over{ONCE}"
    with pytest.raises(KeyError), draw as charge:
        raise KeyError
    told = refused(lambda: charge.settle(4))
    assert told == f"this charge for Pages cannot be settled: it was cancelled, for its call raised{ONCE}"
    assert charged() == 10


def test_what_was_cancelled_is_not_charged_and_may_be_cancelled_again(draw, charged):
    with draw as charge:
        charge.cancel()
        charge.cancel()
        told = refused(lambda: charge.settle(4))
        assert told == f"this charge for Pages cannot be settled: it was cancelled{ONCE}"
    charge.cancel()
    assert charged() == 0


def test_another_thread_may_settle_it(draw, charged):
    with draw as charge:
        thread = threading.Thread(target=charge.settle, args=(7,))
        thread.start()
        thread.join()
        assert charge.is_settled
    assert charged() == 7


@pytest.mark.parametrize("entitlement", ["draw", "meter"])
def test_of_threads_that_settle_at_once_one_wins(guard, charged, metered, entitlement):
    threads, rounds = 4, 10
    won = []
    for _ in range(rounds):
        barrier = threading.Barrier(threads)
        declared = (
            guard.consumes_entitlement("Pages", 4) if entitlement == "draw" else guard.meters_usage("Requests", 4)
        )

        def settle(actual, charge, barrier=barrier):
            barrier.wait()
            try:
                charge.settle(actual)
            except ConfigurationError:
                return
            won.append(actual)

        with declared as charge:
            crowd = [threading.Thread(target=settle, args=(number + 1, charge)) for number in range(threads)]
            for one in crowd:
                one.start()
            for one in crowd:
                one.join()
    assert len(won) == rounds
    assert (charged() if entitlement == "draw" else metered()) == sum(won)


def test_a_thread_that_settles_as_the_call_ends_charges_once(draw, charged):
    charges = []

    def settle(charge, barrier):
        barrier.wait()
        try:
            charge.settle(1)
        except ConfigurationError:
            charges.append(10)
        else:
            charges.append(1)

    for _ in range(5):
        barrier = threading.Barrier(2)
        with draw as charge:
            thread = threading.Thread(target=settle, args=(charge, barrier))
            thread.start()
            barrier.wait()
        thread.join()
    assert charged() == sum(charges)


# -- more than there is --------------------------------------------------------------------------------


def test_more_than_the_licence_has_charges_what_was_reserved_and_raises(draw, charged, balance):
    with pytest.raises(EntitlementDenied) as caught, draw as charge:
        charge.settle(MOST + 1)
    assert [str(one) for one in caught.value.entitlements] == [f"Pages ({MOST - 9} Count)"]
    assert charge.is_settled
    assert charged() == 10
    assert balance().lost == 0


def test_a_body_that_takes_the_no_goes_on(draw, charged):
    with draw as charge:
        with pytest.raises(EntitlementDenied):
            charge.settle(MOST + 1)
        assert "settled as 101" in refused(lambda: charge.settle(5))
    assert charged() == 10


def test_so_it_is_without_an_answer(draw, charged, unreachable):
    with pytest.raises(EntitlementUnavailable), draw as charge, unreachable():
        charge.settle(11)
    assert charged() == 10


def test_under_allow_more_is_let_through_and_not_counted(guard, charged, unreachable):
    with guard.consumes_entitlement("Pages", 10, on_unknown="allow") as charge, unreachable():
        charge.settle(11)
    assert charged() == 10


def test_a_call_that_was_let_through_without_units_has_none_to_settle(guard, charged, unreachable):
    with unreachable(), guard.consumes_entitlement("Pages", 10, on_unknown="allow") as charge:
        assert charge.reserved == 0
        charge.settle(3)
    assert charged() == 0


# -- wrong values --------------------------------------------------------------------------------------

WRONG = [-1, 1.0, 0.5, True, "1", None, Decimal(1), Decimal("0.5"), 2**63, float("nan"), [1]]


@pytest.mark.parametrize("actual", WRONG, ids=repr)
def test_what_is_no_whole_number_is_refused_and_settles_nothing(draw, charged, actual):
    with draw as charge:
        told = refused(lambda: charge.settle(actual))
        assert told.startswith("settle() takes a whole number of Count, from 0; got ")
        assert refused(lambda: asyncio.run(charge.asettle(actual))) == told
        assert not charge.is_settled
        charge.settle(2)
    assert charged() == 2


METERED_WRONG = [-1, 1.0, True, "1", None, Decimal("-0.5"), Decimal("0.0000001"), Decimal("NaN"), Decimal("Infinity")]


@pytest.mark.parametrize("actual", METERED_WRONG, ids=repr)
def test_a_meter_refuses_what_it_cannot_write_down(guard, metered, actual):
    with guard.meters_usage("Requests", 5) as charge:
        told = refused(lambda: charge.settle(actual))
        assert told.startswith("settle() takes no negative number, an int or a Decimal of at most 6 places; got ")
        assert refused(lambda: asyncio.run(charge.asettle(actual))) == told
        charge.settle(2)
    assert metered() == 2


# -- thrown away ---------------------------------------------------------------------------------------


def test_a_call_that_is_thrown_away_without_an_end_is_charged_as_reserved(draw, charged):
    entered = draw.enter()
    assert entered.passed.reserved == 10
    del entered
    gc.collect()
    assert charged() == 10


def test_one_that_ended_is_not_charged_again(draw, charged):
    for end in ("release", "fail", "cancel", "finish", "drop"):
        entered = draw.enter()
        getattr(entered, end)()
        entered.release()
        entered.fail()
        del entered
        gc.collect()
    assert charged() == 20, "release and finish"


def test_a_charge_says_what_became_of_it(draw):
    with draw as charge:
        assert repr(charge) == "<Charge of Pages (10 Count)>"
        charge.settle(3)
    assert repr(charge) == "<Charge of Pages (10 Count), settled as 3>"


def test_a_task_that_is_cancelled_while_it_draws_more_is_charged_what_it_had(draw, lm, charged, balance):
    """What the request brings stays in the account, for the next call."""

    held = []

    async def work():
        async with draw as charge:
            held.append(lm.faults.add("CheckoutLicense", hold=True, times=1))
            await charge.asettle(30)

    async def main():
        task = asyncio.create_task(work())
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense", 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert charged() == 10
    held[0].release()
    with draw as charge:
        charge.settle(20)
    assert charged() == 30
    assert balance().drawn == 30, "and nothing was drawn twice"
