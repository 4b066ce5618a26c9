"""``charge.extend(more)``: work that turns out to take more asks before it goes on, and uses nothing undrawn."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable

MOST = 100  # units of the licence


@pytest.fixture
def draw(guard):
    return guard.consumes_entitlement("Pages", 10)


def extend(charge, *steps):
    for more in steps:
        charge.extend(more)


def aextend(charge, *steps):
    async def main():
        for more in steps:
            await charge.aextend(more)

    asyncio.run(main())


@pytest.mark.parametrize("extending", [extend, aextend])
@pytest.mark.parametrize("steps", [(1,), (5, 5, 5), (MOST - 10,)])
def test_what_was_added_is_charged_as_if_it_had_been_reserved(draw, charged, extending, steps):
    with draw as charge:
        extending(charge, *steps)
        assert charge.reserved == 10 + sum(steps)
    assert charged() == 10 + sum(steps)


@pytest.mark.parametrize("actual", [0, 3, 10, 11, 29, 30, 31, MOST])
def test_settling_counts_from_nothing(draw, charged, actual):
    with draw as charge:
        extend(charge, 15, 5)
        charge.settle(actual)
    assert charged() == actual


def test_all_of_it_goes_back_when_the_body_raises(draw, charged):
    def work():
        with draw as charge:
            charge.extend(20)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert charged() == 0
    with draw as charge:
        charge.extend(MOST - 10)
        charge.cancel()
    assert charged() == 0


@pytest.mark.parametrize("extending", [extend, aextend])
def test_a_no_leaves_what_was_reserved(draw, charged, extending):
    with draw as charge:
        charge.extend(1)
        with pytest.raises(EntitlementDenied) as caught:
            extending(charge, MOST)
        assert [str(one) for one in caught.value.entitlements] == [f"Pages ({MOST} Count)"]
        assert (charge.reserved, charge.is_settled) == (11, False)
        charge.extend(MOST - 11)
    assert charged() == MOST


def test_so_does_no_answer(draw, charged, unreachable):
    with draw as charge:
        with unreachable(), pytest.raises(EntitlementUnavailable):
            charge.extend(1)
        assert charge.reserved == 10
    assert charged() == 10


def test_under_allow_it_goes_on_and_nothing_is_added(guard, charged, unreachable):
    with guard.consumes_entitlement("Pages", 10, on_unknown="allow") as charge, unreachable():
        charge.extend(5)
        assert charge.reserved == 10
    assert charged() == 10


@pytest.mark.parametrize("more", [0, -1, True, 1.5, "1", None, Decimal(1), 2**63], ids=repr)
def test_what_is_no_positive_number_is_refused(draw, charged, more):
    with (
        draw as charge,
        pytest.raises(ConfigurationError, match=r"^extend\(\) takes a whole number of Count, from 1; "),
    ):
        charge.extend(more)
    assert charged() == 10


def test_a_charge_that_is_settled_cannot_be_extended(draw, charged, checkouts):
    with draw as charge:
        charge.settle(4)
        with pytest.raises(ConfigurationError, match="cannot be extended: it was settled as 4"):
            charge.extend(5)
    assert (charged(), checkouts()) == (4, [{"Pages": "10"}])


def test_one_that_is_settled_meanwhile_gives_back_what_it_got(lm, draw, charged):
    outcome = []

    def extending(charge):
        with pytest.raises(ConfigurationError, match="cannot be extended: it was settled as 4") as caught:
            charge.extend(5)
        outcome.append(caught)

    with draw as charge:
        held = lm.faults.add("CheckoutLicense", hold=True)
        thread = threading.Thread(target=extending, args=(charge,))
        thread.start()
        lm.wait_for_calls("CheckoutLicense", 2)
        charge.settle(4)
        held.release()
        thread.join()
    assert len(outcome) == 1
    assert charged() == 4


def test_of_threads_that_extend_at_once_none_is_lost(draw, charged):
    with draw as charge:
        crowd = [threading.Thread(target=extend, args=(charge, 1, 2, 3)) for _ in range(8)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        assert charge.reserved == 10 + 8 * 6
    assert charged() == 10 + 8 * 6


def test_a_joined_draw_extends_each_by_name(guard, charged):
    with guard.consumes_entitlement("Pages", 1) & guard.consumes_entitlement("Tokens", 2) as charges:
        charges["Tokens"].extend(3)
    assert (charged("Pages"), charged("Tokens")) == (1, 5)


def test_parts_of_a_unit_extend_too(guard, charged):
    with guard.consumes_entitlement("Pages", 5, per_unit=10) as charge:
        charge.extend(20)
        assert charge.reserved == 25
        charge.settle(20)
    assert charged() == 2


def test_a_meter_writes_more_down(guard, metered):
    with guard.meters_usage("Requests", 2) as charge:
        charge.extend(Decimal("0.5"))
        aextend(charge, 3)
        assert charge.reserved == Decimal("5.5")
        with pytest.raises(ConfigurationError, match=r"^extend\(\) takes a positive number, an int or a Decimal"):
            charge.extend(0)
    assert metered() == Decimal("5.5")
