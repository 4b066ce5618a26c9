"""Blocks: many small uses are few checkouts, and the last unit of a licence can be used."""

from __future__ import annotations

import pytest

from meterguard import EntitlementDenied


def use(draw, times):
    @draw
    def work():
        return None

    for _ in range(times):
        work()


def test_a_hundred_thousand_calls_are_a_hundred_checkouts(guard, books, checkouts):
    use(guard.consumes_entitlement("Words", 1, block=1000), 100_000)
    found = books(guard, "Words")
    assert found.charged == 100_000
    assert checkouts() <= 100 + 3
    assert found.left <= 2 * 1000


def test_a_block_is_drawn_ahead_of_need_by_nobodys_call(lm, guard, checkouts):
    use(guard.consumes_entitlement("Words", 1, block=100), 1)
    held = lm.faults.add("CheckoutLicense", hold=True)
    use(guard.consumes_entitlement("Words", 1, block=100), 99)  # none of them waits for the next block
    lm.wait_for_calls("CheckoutLicense", 2)
    assert guard.ledger.summary()["Words"].charged == 100
    held.release()
    use(guard.consumes_entitlement("Words", 1, block=100), 1)
    assert guard.ledger.summary()["Words"].drawn == 200


def test_one_call_draws_what_it_needs(guard, books):
    use(guard.consumes_entitlement("Pages", 3), 1)
    assert (books(guard).drawn, books(guard).charged) == (3, 3)


def test_calls_that_come_fast_draw_more_at_once(guard, books, checkouts):
    use(guard.consumes_entitlement("Words", 1), 5_000)
    assert books(guard, "Words").charged == 5_000
    assert checkouts() < 100


def test_a_call_that_needs_more_than_a_block_gets_it(guard, books, checkouts):
    use(guard.consumes_entitlement("Pages", 250, block=100), 1)
    assert (books(guard).charged, checkouts()) == (250, 1)


@pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 333])
def test_the_last_unit_can_be_used(lm, make_guard, size):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", size, "Count")])
    guard = make_guard(lm, licence, denial_ttl=0)
    use(guard.consumes_entitlement("Pages", 1, block=100), size)
    with pytest.raises(EntitlementDenied) as caught:
        use(guard.consumes_entitlement("Pages", 1, block=100), 1)
    assert caught.value.is_exhausted
    assert guard.ledger.summary()["Pages"].charged == lm.usage(licence)["Pages"] == size


def test_what_is_too_much_is_denied_and_what_is_left_is_not(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 10, "Count")])
    guard = make_guard(lm, licence, denial_ttl=60)
    with pytest.raises(EntitlementDenied):
        use(guard.consumes_entitlement("Pages", 11), 1)
    use(guard.consumes_entitlement("Pages", 10), 1)
    assert guard.ledger.summary()["Pages"].charged == 10


def test_two_callers_never_both_get_the_last_unit(lm, make_guard, together):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 25, "Count")])
    guard = make_guard(lm, licence)

    @guard.consumes_entitlement("Pages", 1, block=10)
    def work(_):
        return "done"

    outcomes = together(40, work)
    assert outcomes.count("done") == 25
    assert {type(one) for one in outcomes if one != "done"} == {EntitlementDenied}
    assert guard.ledger.summary()["Pages"].charged == lm.usage(licence)["Pages"] == 25


def test_many_threads_draw_one_block(guard, books, checkouts, together):
    @guard.consumes_entitlement("Words", 1, block=10_000)
    def work(_):
        return "done"

    assert together(32, lambda index: [work(index) for _ in range(50)][-1]) == ["done"] * 32
    assert (books(guard, "Words").charged, checkouts()) == (1600, 1)


def test_a_denial_is_remembered_for_a_while(lm, make_guard, checkouts):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 5, "Count")])
    guard = make_guard(lm, licence, denial_ttl=60)
    for _ in range(20):
        with pytest.raises(EntitlementDenied):
            use(guard.consumes_entitlement("Pages", 6), 1)
    assert checkouts() == 1


def test_a_denial_is_proven_by_usage_of_after_the_last_block(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 20, "Count")])
    guard = make_guard(lm, licence, denial_ttl=60)
    use(guard.consumes_entitlement("Pages", 10, block=10), 1)
    lm.wait_for_calls("GetLicenseUsage", done=True)  # which says that ten are left, and is remembered
    use(guard.consumes_entitlement("Pages", 10, block=10), 1)
    for _ in range(3):
        with pytest.raises(EntitlementDenied) as denied:
            use(guard.consumes_entitlement("Pages", 1), 1)
        assert denied.value.is_exhausted is True
    assert lm.calls("GetLicenseUsage") == 2


def test_a_thousand_subjects_are_counted_apart(guard, books):
    @guard.consumes_entitlement(
        "Words", lambda customer: customer % 7 + 1, block=10_000, subject=lambda customer: customer
    )
    def work(customer):
        return None

    for customer in range(1000):
        work(customer)
        work(customer)
    found = {one.subject: one.quantity for one in guard.ledger.records(by=("entitlement", "subject"))}
    assert found == {str(customer): 2 * (customer % 7 + 1) for customer in range(1000)}
    assert books(guard, "Words").charged == sum(found.values())


def test_an_answer_that_gives_less_is_kept(lm, guard, licence, books):
    lm.faults.add("CheckoutLicense", partial={"Pages": 4})
    use(guard.consumes_entitlement("Pages", 1, block=10), 4)
    assert books(guard).charged == 4
    assert books(guard).drawn in (4, 14)  # where the next block was drawn ahead


def test_the_tail_of_a_licence_costs_few_requests(lm, make_guard, checkouts):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 150, "Count")])
    guard = make_guard(lm, licence, denial_ttl=0)
    use(guard.consumes_entitlement("Pages", 1, block=10_000), 150)
    assert guard.ledger.summary()["Pages"].charged == lm.usage(licence)["Pages"] == 150
    assert checkouts() <= 40
