"""``per_unit=``: an author counts in parts of a unit; whole units are charged, each before its first part is used."""

from __future__ import annotations

import asyncio
import threading
from math import ceil

import pytest

from meterguard import ConfigurationError, EntitlementDenied

MOST = 100  # units of the licence


@pytest.fixture
def by_thousand(guard):
    """``by_thousand(parts)``: a draw of so many thousandths of a page."""
    return lambda parts, **options: guard.consumes_entitlement("Pages", parts, per_unit=1000, **options)


@pytest.mark.parametrize("parts", [1, 999, 1000, 1001, 2500, 100_000])
def test_parts_are_charged_in_whole_units(by_thousand, charged, parts):
    with by_thousand(parts) as charge:
        assert charge.reserved == parts
    assert charged() == ceil(parts / 1000)


def test_a_thousand_calls_of_one_part_charge_one_unit(by_thousand, balance, charged, checkouts):
    work = by_thousand(1)(lambda: balance().charged)
    assert work() == 0, "charged when it succeeds, held before"
    assert [work() for _ in range(999)] == [1] * 999
    assert (charged(), checkouts()) == (1, [{"Pages": "1"}])
    work()
    assert (charged(), checkouts()) == (2, [{"Pages": "1"}, {"Pages": "1"}])


def test_a_unit_is_held_before_its_first_part_is_used(by_thousand, balance):
    with by_thousand(1500):
        assert (balance().reserved, balance().charged) == (2, 0)
        with by_thousand(500):
            assert balance().reserved == 2
        with by_thousand(501):
            assert balance().reserved + balance().charged == 3
    assert (balance().reserved, balance().charged) == (0, 3)


@pytest.mark.parametrize(("actual", "units"), [(0, 0), (1, 1), (1000, 1), (1500, 2), (2500, 3), (90_001, 91)])
def test_parts_are_settled(by_thousand, charged, actual, units):
    with by_thousand(1500) as charge:
        charge.settle(actual)
    assert charged() == units


def test_cancelled_parts_cost_nothing(by_thousand, charged):
    with by_thousand(1500) as charge:
        charge.cancel()
    with pytest.raises(KeyError), by_thousand(1500):
        raise KeyError
    assert charged() == 0


def test_a_unit_that_another_call_began_stays_charged_when_the_first_is_cancelled(by_thousand, charged):
    with by_thousand(600) as first:
        with by_thousand(300):
            pass
        first.cancel()
    assert charged() == 1
    with by_thousand(700):
        pass
    assert charged() == 1


def test_more_parts_than_there_are_charge_what_was_reserved(by_thousand, charged):
    with pytest.raises(EntitlementDenied) as caught, by_thousand(1500) as charge:
        charge.settle(MOST * 1000 + 1)
    assert [str(one) for one in caught.value.entitlements] == ["Pages (99 Count)"], "in units, as the licence counts"
    assert charged() == 2
    with by_thousand(98_500):
        pass
    assert charged() == MOST
    with pytest.raises(EntitlementDenied) as caught, by_thousand(1):
        pass
    assert [str(one) for one in caught.value.entitlements] == ["Pages (1 Count)"]


def test_different_parts_of_one_entitlement_share_its_units(guard, charged):
    with guard.consumes_entitlement("Pages", 1, per_unit=3), guard.consumes_entitlement("Pages", 1, per_unit=2):
        pass
    with guard.consumes_entitlement("Pages", 1, per_unit=6):
        pass
    assert charged() == 1
    with guard.consumes_entitlement("Pages", 1), guard.consumes_entitlement("Pages", 1, per_unit=6):
        pass
    assert charged() == 3


def test_bytes_of_a_gigabyte_and_never_of_a_gigabit(lm, request, client, make_guard):
    licence = lm.add_license(request.node.nodeid, [("Scanned", 10, "Gigabytes")])
    guard = make_guard(lm, licence, endpoint_url=None, region_name=None, client=client)
    scan = guard.consumes_entitlement("Scanned", len, "Gigabytes", per_unit=10**9)(lambda data: None)
    for _ in range(5):
        scan(bytes(1_000_000))
    assert guard.ledger.summary()["Scanned"].charged == 1
    with guard.consumes_entitlement("Scanned", 9_000_000_000, "Gigabytes", per_unit=10**9):
        pass
    assert guard.ledger.summary()["Scanned"].charged == 10
    with pytest.raises(EntitlementDenied), guard.consumes_entitlement("Scanned", 1, "Gigabits", per_unit=10**9):
        pass


def test_what_is_left_of_a_unit_is_kept_in_the_ledger(new_guard, lm, licence, tmp_path):
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    for calls in range(1, 13):
        guard = new_guard(ledger=ledger)
        guard.consumes_entitlement("Pages", 300, per_unit=1000)(lambda: None)()
        assert guard.ledger.summary()["Pages"].charged == ceil(calls * 0.3)
        guard.close()
        one = new_guard(ledger=ledger).ledger.summary()["Pages"]
        assert (one.charged, one.reserved, one.lost) == (ceil(calls * 0.3), 0, 0)
    assert lm.usage(licence)["Pages"] == 4


def test_on_credit(new_guard, unreachable):
    guard = new_guard(overdraft={"Pages": 2})
    work = guard.consumes_entitlement("Pages", 500, per_unit=1000)(lambda: "ran")
    with unreachable():
        assert [work() for _ in range(4)] == ["ran"] * 4
        assert guard.ledger.summary()["Pages"].owed == 2
    one = guard.ledger.summary()["Pages"]
    assert (one.charged, one.drawn, one.owed) == (0, 0, 2)
    for part in guard.till.draws.slices():
        part.next_try = 0.0  # the pause before the service is asked again is over
    with guard.consumes_entitlement("Pages", 1):
        pass
    one = guard.ledger.summary()["Pages"]
    assert (one.charged, one.drawn, one.owed) == (3, 3, 0)


def test_items_streams_and_coroutines(by_thousand, charged):
    @by_thousand(400, per_item=True)
    def items():
        yield from range(5)

    @by_thousand(400)
    async def work(): ...

    assert (list(items()), charged()) == ([0, 1, 2, 3, 4], 2)
    asyncio.run(work())
    assert charged() == 3


def test_threads_use_each_part_once(by_thousand, charged):
    threads, calls = 8, 125
    barrier = threading.Barrier(threads)
    work = by_thousand(7)(lambda: None)

    def use():
        barrier.wait()
        for _ in range(calls):
            work()

    crowd = [threading.Thread(target=use) for _ in range(threads)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert charged() == threads * calls * 7 // 1000


def test_what_is_used_is_recorded_in_units_for_whom_each_was_begun(by_thousand, guard):
    for subject, parts in (("anna", 600), ("bob", 300), ("bob", 200)):
        by_thousand(parts, subject=subject)(lambda: None)()
    records = guard.ledger.records(by=("entitlement", "subject"))
    assert {one.subject: one.quantity for one in records} == {"anna": 1, "bob": 1}


def test_what_is_no_whole_number_of_parts_is_refused(by_thousand):
    with by_thousand(1) as charge, pytest.raises(ConfigurationError) as caught:
        charge.settle(0.5)
    assert str(caught.value) == (
        "settle() takes a whole number of parts, of which 1000 make one Count, from 0; got 0.5"
    )


def test_a_draw_says_how_it_counts(by_thousand):
    draw = by_thousand(2500)
    assert repr(draw) == "<Draw of Pages (2500 Count), of which 1000 make one>"
    with draw as charge:
        assert repr(charge) == "<Charge of Pages (3 Count)>"


def test_checking_draws_nothing(by_thousand, charged):
    by_thousand(100_000).check()
    with pytest.raises(EntitlementDenied):
        by_thousand(100_001).check()
    assert charged() == 0
