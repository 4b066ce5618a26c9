"""Renewals and check-ins are background work: many at once are spread, and checkouts never wait for them."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import pytest

from meterguard import EntitlementDenied, MeterGuard
from meterguard.core.rate import BURST, LEAST, USUAL, later
from meterguard.runtime import shutdown
from meterguard.testing import Clock
from tests.laws.many_seats import Refused, Service, landed

USERS = 200
LINGER = 600
THROTTLED = Refused("RateLimitExceededException")


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def make(service):
    """``make(**options)``: a guard whose budget has a clock of the test's, at which time stands still."""
    guards = []

    def made(**options):
        guard = MeterGuard("ACME-1", "aws:1:Acme:fingerprint", client=service, **options)
        guards.append(guard)
        budget = guard.engine.registry.exchange.budget
        began = budget.now()
        guard.seconds = 0.0
        budget.now = lambda: began + guard.seconds
        budget.rate = replace(budget.rate, at=began)
        guard.seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: user)
        return guard

    yield made
    for guard in guards:
        guard.close()


@pytest.fixture
def move(service):
    """``move(guard, seconds)``: let time pass for leases, and have them looked at; the budget's stands still."""
    clock = Clock()

    def past(guard, seconds):
        service.moved += seconds
        clock.shift(seconds)
        for record in guard.engine.registry.all_records():
            guard.engine.registry.renewal.watch(record)
        landed(guard)

    yield past
    clock.restore()


def waiting(guard):
    return len(guard.engine.registry.renewal.deferrals)


def let_pass(guard, seconds):
    """Let time pass for the budget, and have done what it lets be done."""
    guard.seconds += seconds
    guard.engine.registry.renewal.deferrals.go_on()
    landed(guard)


def crowd(guard, users=USERS):
    for user in range(users):
        guard.seat(user)


@pytest.fixture
def in_use(move):
    """``in_use(guard, users)``: all have a seat and use it, the second half ``pause`` seconds after the first."""

    def use(guard, users, *, pause=0.0):
        crowd(guard, users // 2)
        move(guard, pause)
        crowd(guard, users)
        move(guard, 5)  # use that comes with a checkout is no reason to renew
        crowd(guard, users)

    return use


@pytest.fixture
def lapsed(make, move):
    """A guard whose users have all gone at the same time."""
    guard = make(linger=LINGER)
    crowd(guard)
    move(guard, LINGER + 1)
    return guard


class TestCheckIns:
    def test_many_lapsed_seats_do_not_go_back_in_one_burst(self, lapsed, service):
        assert service.count("CheckInLicense") == BURST
        assert waiting(lapsed) == USERS - BURST
        for second in range(1, 4):
            let_pass(lapsed, 1)
            assert service.count("CheckInLicense") == BURST + second * USUAL
        for _ in range(20):
            let_pass(lapsed, 1)
        assert (service.held, waiting(lapsed)) == ({}, 0)

    def test_who_comes_back_meanwhile_has_the_seat_still(self, lapsed, service):
        last = USERS - 1
        before = len(service.requests)
        lapsed.seat(last)
        assert len(service.requests) == before
        for _ in range(20):
            let_pass(lapsed, 1)
        assert len(service.held) == 1
        lapsed.seat(last)
        assert service.count("CheckoutLicense") == USERS

    def test_who_needs_a_seat_gets_one_that_waits(self, lapsed, service):
        service.units = len(service.held)
        budget = lapsed.engine.registry.exchange.budget
        budget.rate = replace(budget.rate, left=-9.0)  # each checkout makes room for a check-in, which may come at once
        lapsed.seat("new")
        assert service.count("CheckInLicense") == BURST + 1, "no more than it takes"
        assert service.most == USERS
        assert len(service.held) == service.units

    def test_those_that_are_in_use_are_taken_from_nobody(self, lapsed, service):
        for _ in range(20):
            let_pass(lapsed, 1)
        crowd(lapsed, 3)
        service.units = 3
        with pytest.raises(EntitlementDenied):
            lapsed.seat("new")
        assert len(service.held) == 3

    def test_closing_waits_for_no_budget(self, lapsed, service, monkeypatch):
        monkeypatch.setattr(shutdown, "CLOSING_TIME", 30.0)  # what a busy machine takes is not what this is about
        lapsed.close()
        assert service.held == {}
        assert service.count("CheckInLicense") == USERS

    def test_one_who_has_more_users_than_seats_gives_back_as_fast_as_it_takes(self, make, service):
        guard = make(max_leases=20)
        crowd(guard)
        landed(guard)
        assert waiting(guard) == 0
        assert len(service.held) == 20

    def test_so_does_who_takes_a_seat_for_each_call(self, make, service):
        guard = make()
        seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: len(service.held))
        assert {seat() for _ in range(USERS)} == {1}
        assert service.held == {}

    def test_one_who_was_evicted_and_comes_back_has_no_two_seats(self, make, service):
        guard = make(max_leases=2)
        crowd(guard, 2)
        service.failures = {"CheckInLicense": THROTTLED}
        guard.seat("third")
        landed(guard)
        service.failures = {}
        guard.seat("fourth")
        assert waiting(guard) == 1, "the rate is lowered"
        most = service.most
        guard.seat(1)
        assert service.most == most, "it went back before another was checked out"
        assert waiting(guard) == 1, "that of somebody else"


class TestRenewals:
    def test_many_that_are_due_at_once_do_not_go_in_one_burst(self, make, move, in_use, service):
        guard = make()
        in_use(guard, USERS)
        move(guard, 3400)
        assert service.count("CheckoutLicense") == USERS
        assert service.count("ExtendLicenseConsumption") == BURST
        assert waiting(guard) == USERS - BURST
        let_pass(guard, 1)
        assert service.count("ExtendLicenseConsumption") == BURST + USUAL
        for _ in range(20):
            let_pass(guard, 1)
        assert service.count("ExtendLicenseConsumption") == USERS
        assert len(guard.leases()) == USERS
        assert service.count("CheckInLicense") == 0

    def test_those_that_end_first_come_first_and_all_come_in_time(self, make, move, in_use, service):
        """Leases of a minute, and more of them than the usual rate renews in time."""
        service.ttl = 60
        guard = make(refresh_ahead=0.5)
        in_use(guard, 2 * USERS, pause=2)
        order = list(service.held)
        budget = guard.engine.registry.exchange.budget
        budget.rate = replace(budget.rate, left=0.0)
        move(guard, 60 - 2 - 5 - 8)
        assert (service.count("ExtendLicenseConsumption"), waiting(guard)) == (0, 2 * USERS)
        sent = [0]
        while sent[-1] < 2 * USERS:
            let_pass(guard, 0.1)
            sent.append(service.count("ExtendLicenseConsumption"))
        assert guard.seconds <= 6, "of the 8 that the first have left"
        assert max(after - before for before, after in itertools.pairwise(sent)) <= USERS / 4
        extended = [token for operation, token in service.requests if operation == "ExtendLicenseConsumption"]
        early = set(extended[:USERS]) - set(order[:USERS])
        assert len(early) <= USERS / 10, "those that threads sent at one moment may arrive in any order"

    def test_one_that_ends_soon_does_not_wait(self, make, move, service):
        guard = make()
        with guard.requires_entitlement("Seats", 1, "Count") as lease:
            budget = guard.engine.registry.exchange.budget
            budget.rate = replace(budget.rate, left=0.0)
            move(guard, 3500)
            assert waiting(guard) == 1
            assert lease.is_live
            let_pass(guard, 1)
            assert waiting(guard) == 0
            assert lease.expires_in > 3500

    def test_a_renewal_that_is_throttled_is_asked_once_and_waits(self, make, move, service):
        guard = make()
        service.failures = {"ExtendLicenseConsumption": THROTTLED}
        with guard.requires_entitlement("Seats", 1, "Count") as lease:
            move(guard, 3500)
            assert service.count("ExtendLicenseConsumption") == 1
            service.failures = {}
            done = threading.Event()
            guard.subscribe(lambda _: done.set())
            guard.seconds += 1
            assert done.wait(30)
            assert lease.expires_in > 3500


class TestThrottling:
    def test_it_lowers_the_rate_for_a_while(self, lapsed, service):
        budget = lapsed.engine.registry.exchange.budget
        service.failures = {"CheckInLicense": THROTTLED}
        let_pass(lapsed, 1)
        assert budget.rate.limit == USUAL / 2
        asked = service.count("CheckInLicense")
        let_pass(lapsed, 2)
        assert service.count("CheckInLicense") - asked <= USUAL
        service.failures = {}
        for _ in range(60):
            let_pass(lapsed, 1)
            lapsed.engine.registry.exchange.returns.collect()
        assert not later(budget.rate, budget.now()).is_lowered
        assert service.held == {}

    def test_checkouts_do_not_wait_for_it(self, make, service):
        guard = make()
        budget = guard.engine.registry.exchange.budget
        for _ in range(10):
            guard.seconds += 1
            budget.throttled(0.0)
        assert LEAST <= budget.rate.limit <= 2 * LEAST
        crowd(guard, 30)
        assert service.count("CheckoutLicense") == 30

    @pytest.mark.parametrize("code", ["RateLimitExceededException", "ThrottlingException", "SomethingLimitExceeded"])
    def test_it_is_told_from_other_trouble(self, make, service, code):
        guard = make(timeout=0.2, on_unknown="deny")
        budget = guard.engine.registry.exchange.budget
        for trouble, limit in ((Refused("ServerInternalException", 500), USUAL), (Refused(code), USUAL / 2)):
            service.failures = {"CheckoutLicense": trouble}
            assert not guard.has_entitlement("Seats", 1)
            assert budget.rate.limit == limit


def test_where_there_are_no_threads_nothing_waits(monkeypatch, make, service):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "export")
    guard = make(max_leases=2)
    guard.engine.registry.exchange.budget.throttled(30.0)
    crowd(guard, 60)
    assert waiting(guard) == 0
    assert len(service.held) == 2
