"""The service cannot be asked: what is here is used up, then policy and overdraft decide; nothing is drawn twice."""

from __future__ import annotations

import pytest

from meterguard import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable


@pytest.fixture
def quick(lm, licence, make_guard):
    """``quick(**options)``: a guard that gives up soon."""

    def make(**options):
        guard = make_guard(lm, licence, denial_ttl=0, **options)
        guard.engine.registry.exchange.service.connect()  # takes longer than it will wait from here on
        return make_guard(
            lm,
            licence,
            denial_ttl=0,
            client=guard.engine.registry.exchange.service._clients.client(),
            timeout=1.5,
            **options,
        )

    return make


def use(draw, times=1):
    done = 0
    for _ in range(times):
        with draw:
            done += 1
    return done


def again(guard):
    """Let what is in the air land, and forget the pause after a failure, which is real time."""
    for flight in guard.till.draws.refills.flights.in_air():
        flight.future.result(10)
    for part in guard.till.draws.slices():
        part.next_try = 0.0


def test_units_that_are_here_are_used_in_an_outage(lm, quick, books):
    guard = quick()
    use(guard.consumes_entitlement("Pages", 1, block=10))
    with lm.down():
        assert use(guard.consumes_entitlement("Pages", 1, block=10), 9) == 9
        with pytest.raises(EntitlementUnavailable):
            use(guard.consumes_entitlement("Pages", 1, block=10))
    again(guard)
    use(guard.consumes_entitlement("Pages", 1, block=10))
    assert books(guard).charged == 11


@pytest.mark.parametrize(("policy", "runs"), [("grace", False), ("deny", False), ("allow", True)])
def test_on_unknown_decides_when_there_are_none(lm, quick, policy, runs):
    guard = quick()
    with lm.down():
        draw = guard.consumes_entitlement("Pages", 1, on_unknown=policy)
        if runs:
            with draw as charge:
                assert charge.reserved == 0
                charge.settle(5)
        else:
            with pytest.raises(EntitlementUnavailable), draw:
                pass
    assert lm.usage("ACME-1")["Pages"] == 0


@pytest.mark.parametrize("lost", [{"drop": "after"}, {"status": 503, "applied": True}, {"body": "garbled"}])
def test_a_lost_answer_draws_nothing_twice(lm, quick, books, lost):
    guard = quick()
    lm.faults.add("CheckoutLicense", times=None, **lost)
    with pytest.raises(EntitlementUnavailable):
        use(guard.consumes_entitlement("Pages", 1, block=10))
    assert guard.ledger.summary()["Pages"].pending == 10
    lm.faults.clear()
    again(guard)
    use(guard.consumes_entitlement("Pages", 1, block=10))
    assert len({one.parameters["ClientToken"] for one in lm.requests if one.operation == "CheckoutLicense"}) == 1
    assert lm.usage("ACME-1")["Pages"] == 10
    assert (books(guard).charged, books(guard).pending) == (1, 0)


def test_an_order_that_is_too_old_is_reported_and_not_guessed(lm, quick, books, move):
    guard = quick()
    lm.faults.add("CheckoutLicense", times=None, drop="after")
    with pytest.raises(EntitlementUnavailable):
        use(guard.consumes_entitlement("Pages", 1, block=10))
    lm.faults.clear()
    move(300)
    again(guard)
    use(guard.consumes_entitlement("Pages", 1, block=10))
    found = books(guard)
    assert (found.drawn, found.charged, found.pending, lm.usage("ACME-1")["Pages"]) == (10, 1, 10, 20)


def test_the_clock_set_back_does_not_make_an_old_order_young(lm, quick, books, move):
    guard = quick()
    lm.faults.add("CheckoutLicense", times=None, drop="after")
    with pytest.raises(EntitlementUnavailable):
        use(guard.consumes_entitlement("Pages", 1, block=10))
    lm.faults.clear()
    move(86_400)
    again(guard)
    with pytest.raises(EntitlementDenied):
        use(guard.consumes_entitlement("Pages", 5_000))  # the ledger has seen this day
    move(-86_400)
    again(guard)
    use(guard.consumes_entitlement("Pages", 1, block=10))
    assert (books(guard).drawn, books(guard).pending) == (10, 10)


def test_iam_is_a_no_and_never_credit(lm, quick):
    guard = quick(overdraft={"Pages": 100}, on_unknown="allow")
    lm.faults.add("CheckoutLicense", error="AccessDeniedException", times=None)
    with pytest.raises(AuthorizationRefused):
        use(guard.consumes_entitlement("Pages", 1))
    assert guard.ledger.summary()["Pages"].owed == 0


class TestOverdraft:
    def test_so_many_and_no_more(self, lm, quick):
        guard = quick(overdraft={"Pages": 7})
        draw = guard.consumes_entitlement("Pages", 2)
        with lm.down():
            assert use(draw, 3) == 3
            with pytest.raises(EntitlementUnavailable):
                use(draw)
        found = guard.ledger.summary()["Pages"]
        assert (found.drawn, found.charged, found.owed) == (0, 0, 6)

    def test_it_is_settled_first(self, lm, quick, books):
        guard = quick(overdraft={"Pages": 7})
        with lm.down():
            use(guard.consumes_entitlement("Pages", 2), 3)
        again(guard)
        use(guard.consumes_entitlement("Pages", 1, block=10))
        found = books(guard)
        assert (found.charged, found.left, found.owed) == (7, found.drawn - 7, 0)

    def test_what_a_call_does_not_use_of_it_is_free_again(self, lm, quick):
        guard = quick(overdraft={"Pages": 7})
        with lm.down():
            for used in (0, 3, 2):
                with guard.consumes_entitlement("Pages", 5 if used < 2 else used) as charge:
                    charge.settle(used)
            assert guard.ledger.summary()["Pages"].owed == 5
            with pytest.raises(EntitlementUnavailable):
                use(guard.consumes_entitlement("Pages", 3))
            assert use(guard.consumes_entitlement("Pages", 2)) == 1

    def test_a_licence_that_cannot_cover_it_pays_what_it_has(self, lm, make_guard, quick):
        guard = quick(overdraft={"Pages": 7})
        with lm.down():
            use(guard.consumes_entitlement("Pages", 7))
        lm.update_license("ACME-1", entitlements=[("Pages", 3, "Count"), ("Words", 10, "Count")])
        again(guard)
        with pytest.raises(EntitlementDenied):
            use(guard.consumes_entitlement("Pages", 1))
        found = guard.ledger.summary()["Pages"]
        assert (found.drawn, found.charged, found.owed, lm.usage("ACME-1")["Pages"]) == (3, 3, 4, 3)

    def test_usage_is_recorded_when_it_is_used(self, lm, quick):
        guard = quick(overdraft={"Pages": 7})
        with lm.down():
            use(guard.consumes_entitlement("Pages", 4))
        assert [one.quantity for one in guard.ledger.records()] == [4]


def test_a_licence_whose_units_are_reset_takes_nothing_from_the_books(lm, make_guard, move):
    """``RenewType`` may start the service's count anew; what was drawn before stays drawn."""
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 30, "Count")], renew_type="Weekly")
    guard = make_guard(lm, licence, denial_ttl=0)
    use(guard.consumes_entitlement("Pages", 30), 1)
    with pytest.raises(EntitlementDenied):
        use(guard.consumes_entitlement("Pages", 1))
    move(8 * 86_400)
    use(guard.consumes_entitlement("Pages", 20), 1)
    found = guard.ledger.summary()["Pages"]
    assert (found.drawn, found.charged, lm.usage(licence)["Pages"]) == (50, 50, 20)
    assert sum(one.quantity for one in guard.ledger.records()) == 50


def test_an_overdraft_is_one_for_all_processes_of_a_ledger(lm, licence, make_guard, together, tmp_path):
    options = {"ledger": f"sqlite:///{tmp_path}/ledger.db", "overdraft": {"Pages": 7}, "denial_ttl": 0}
    guards = [make_guard(lm, licence, **options) for _ in range(3)]
    with lm.down(error="RedirectException"):  # an unknown that no attempt is worth

        def one(index):
            return use(guards[index % 3].consumes_entitlement("Pages", 1))

        outcomes = together(12, one)
        assert outcomes.count(1) == 7
        assert {type(one) for one in outcomes if one != 1} == {EntitlementUnavailable}
        assert guards[0].ledger.summary()["Pages"].owed == 7
    for guard in guards:
        again(guard)
    use(guards[1].consumes_entitlement("Pages", 1, block=10))
    *_, found = (guard.ledger.summary()["Pages"] for guard in (*guards, guards[1]))  # each writes down its own first
    assert (found.owed, found.charged, found.drawn) == (0, 8, found.charged + found.reserved + found.left)
