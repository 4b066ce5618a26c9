"""Law 2, for who wants a seat of its own: one series of attempts for all who want the same, and a queue in order."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from meterguard import EntitlementDenied, EntitlementUnavailable

LONG = 60


def seconds_of_attempts(seconds):
    """The most requests that one series may make in so many seconds, on the unluckiest draw that a test may meet."""
    return 14 + 3 * seconds


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Users", 100, "Count")], ttl=3600)


class TestOutage:
    @pytest.mark.parametrize("threads", [8, 64])
    @pytest.mark.parametrize("options", [{"error": "ServerInternalException"}, {"drop": "before"}], ids=str)
    def test_calls_with_seats_of_their_own_share_one_series(self, lm, licence, make_warm, together, threads, options):
        guard = make_warm(lm, licence, timeout=1, on_unknown="deny")
        seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
        with lm.down(**options):
            outcomes = together(threads, seat)
        assert [type(outcome) for outcome in outcomes] == [EntitlementUnavailable] * threads
        assert lm.calls("CheckoutLicense") <= seconds_of_attempts(1)

    def test_who_gave_up_takes_no_seat_when_it_is_over(self, lm, licence, make_warm, together, landed):
        guard = make_warm(lm, licence, timeout=1.5, on_unknown="deny")
        seat = guard.requires_entitlement("Users", 1, "Count", hold="call")(lambda: "ran")
        with lm.down(error="ServerInternalException"):
            with pytest.raises(EntitlementUnavailable):
                seat()
            outcomes = together(24, seat)  # in an outage that is known each waits a second
        assert {type(one) for one in outcomes} == {EntitlementUnavailable}
        landed(guard)
        granted = [one for one in lm.requests if one.operation == "CheckoutLicense" and one.error is None]
        assert len(granted) <= 4, "those under way found the service well, and gave their seats back"
        assert lm.usage("ACME-1") == {"Seats": 0, "Users": 0}

    def test_it_is_one_series_also_where_the_outage_begins_under_way(self, lm, licence, make_warm, together, landed):
        guard = make_warm(lm, licence, timeout=2, on_unknown="deny")
        seat = guard.requires_entitlement("Users", 1, "Count", hold="call")(lambda: "ran")
        assert together(16, seat) == ["ran"] * 16
        before = lm.calls("CheckoutLicense")
        with lm.down(error="ServerInternalException"):
            outcomes = [together(16, seat) for _ in range(2)]
        assert {type(one) for each in outcomes for one in each} == {EntitlementUnavailable}
        assert lm.calls("CheckoutLicense") - before <= 16 + seconds_of_attempts(4)
        landed(guard)
        assert together(4, seat) == ["ran"] * 4
        assert lm.usage("ACME-1") == {"Seats": 0, "Users": 0}

    def test_users_of_the_same_entitlement_share_it(self, lm, licence, make_warm):
        guard, users = make_warm(lm, licence, timeout=1, on_unknown="deny"), iter(range(64))

        @guard.requires_entitlement("Users", 1, "Count", per=lambda: next(users))
        async def work():
            return "ran"

        async def main():
            return await asyncio.gather(*(work() for _ in range(64)), return_exceptions=True)

        with lm.down(error="ServerInternalException"):
            outcomes = asyncio.run(main())
        assert {type(one) for one in outcomes} == {EntitlementUnavailable}
        assert lm.calls("CheckoutLicense") <= seconds_of_attempts(1)

    def test_when_it_is_over_all_who_still_wait_get_in(self, lm, guard, together):
        seat = guard.requires_entitlement("Users", 1, "Count", hold="call")(lambda: "ran")
        lm.faults.add("CheckoutLicense", error="ServerInternalException", times=8)
        assert together(24, seat) == ["ran"] * 24
        assert lm.calls("CheckoutLicense") == 24 + 8
        assert lm.usage("ACME-1") == {"Seats": 0, "Users": 0}

    def test_a_hook_that_ends_the_one_that_leads_lets_another_lead(self, lm, licence, make_guard, together):
        import boto3

        session, hooked = boto3.Session(region_name=lm.region), threading.Event()

        def exit_once(**_):
            if lm.calls("CheckoutLicense") >= 4 and not hooked.is_set():
                hooked.set()
                raise SystemExit(3)

        session.events.register("before-send.license-manager.CheckoutLicense", exit_once)
        guard = make_guard(lm, licence, session=session)
        seat = guard.requires_entitlement("Users", 1, "Count", hold="call")(lambda: "ran")
        lm.faults.add("CheckoutLicense", error="ServerInternalException", times=6)
        outcomes = together(16, seat)
        assert hooked.is_set()
        assert outcomes.count("ran") == 15


def test_one_whose_answer_was_lost_hears_its_own_and_not_what_others_are_denied(lm, make_warm, landed):
    licence = lm.add_license("ACME-9", entitlements=[("Seats", 1, "Count")])
    guard = make_warm(lm, licence, timeout=5, on_unknown="deny", denial_ttl=0)
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: "ran")
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            seat("ana")
        landed(guard)
    assert lm.usage("ACME-9") == {"Seats": 1}, "it is hers, and she does not know"
    with pytest.raises(EntitlementDenied):
        seat("ben")
    fault = lm.faults.add("CheckoutLicense", hold=True)
    before = lm.calls("CheckoutLicense")
    with ThreadPoolExecutor(2) as pool:
        ben = pool.submit(seat, "ben")
        lm.wait_for_calls("CheckoutLicense", before + 1)
        ana = pool.submit(seat, "ana")
        while len(guard.engine.registry.flights.in_air()) < 2:
            threading.Event().wait(0.002)
        fault.release()
        assert isinstance(ben.exception(), EntitlementDenied)
        assert ana.result() == "ran"


class TestFullPool:
    @pytest.fixture
    def taken(self, lm, licence, make_guard):
        """All seats, held by somebody else; ``taken.close()`` gives them back."""
        with ExitStack() as held:
            other = make_guard(lm, licence)
            held.enter_context(other.requires_entitlement("Seats", 3, "Count", hold="call"))
            yield held

    @pytest.mark.parametrize("hold", ["shared", "call"])
    def test_waiters_share_one_question(self, lm, guard, taken, together, hold):
        gate = guard.requires_entitlement("Seats", 1, "Count", hold=hold, wait=2)
        before = lm.calls("CheckoutLicense")
        outcomes = together(200, gate(lambda: "ran"))
        assert [type(outcome) for outcome in outcomes] == [EntitlementDenied] * 200
        asked = lm.calls("CheckoutLicense") - before
        assert 4 <= asked <= seconds_of_attempts(2)

    def test_tasks_of_many_users_share_one_question(self, lm, guard, taken):
        users = iter(range(200))

        @guard.requires_entitlement("Seats", 1, "Count", per=lambda: next(users), wait=2)
        async def work():
            return "ran"

        async def main():
            return await asyncio.gather(*(work() for _ in range(200)), return_exceptions=True)

        before = lm.calls("CheckoutLicense")
        outcomes = asyncio.run(main())
        assert {type(one) for one in outcomes} == {EntitlementDenied}
        assert lm.calls("CheckoutLicense") - before <= seconds_of_attempts(2)

    def test_all_get_in_when_the_seats_come_back(self, lm, guard, taken):
        gate = guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=LONG)
        before = lm.calls("CheckoutLicense")
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(gate(lambda: "ran")) for _ in range(40)]
            lm.wait_for_calls("CheckoutLicense", before + 5, done=True)
            assert not any(one.done() for one in waiting)
            taken.close()
            assert [one.result() for one in waiting] == ["ran"] * 40
        assert lm.usage("ACME-1") == {"Seats": 0, "Users": 0}

    def test_one_lease_for_all_is_asked_for_once_when_the_seats_come_back(self, lm, guard, taken):
        gate = guard.requires_entitlement("Seats", 1, "Count", wait=LONG)
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(gate(lambda: "ran")) for _ in range(40)]
            lm.wait_for_calls("CheckoutLicense", 4, done=True)
            taken.close()
            assert [one.result() for one in waiting] == ["ran"] * 40
        granted = [one for one in lm.requests if one.operation == "CheckoutLicense" and one.error is None]
        assert len(granted) == 2, "the one that took all, and one for all who waited"

    def test_they_are_served_in_order(self, lm, licence, guard, make_guard):
        """One seat that goes from hand to hand, by those who came one after the other."""
        wide = guard.requires_entitlement("Seats", 3, "Count", hold="call", wait=LONG)
        order, queues = [], guard.engine.registry.queues

        def work(number):
            with wide:
                order.append(number)

        def stand(count):
            """Wait until so many stand in the queue."""
            deadline = time.monotonic() + 10
            while sum(len(queue.places) for queue in list(queues._queues.values())) < count:
                assert time.monotonic() < deadline
                threading.Event().wait(0.005)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        with make_guard(lm, licence).requires_entitlement("Seats", 3, "Count", hold="call"):
            for number, thread in enumerate(threads):
                thread.start()
                stand(number + 1)
        for thread in threads:
            thread.join()
        assert order == list(range(12))

    def test_who_does_not_wait_does_not_overtake_who_does(self, lm, licence, make_guard, taken):
        guard = make_guard(lm, licence, denial_ttl=0)
        patient = guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=LONG)
        hasty = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
        queues = guard.engine.registry.queues
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(patient(lambda: "ran"))
            while not queues._queues:
                threading.Event().wait(0.005)
            before = {one.client_token for one in lm.requests}
            with pytest.raises(EntitlementDenied):
                hasty()
            taken.close()
            assert waiting.result() == "ran"
        assert hasty() == "ran"
        assert before

    def test_an_outage_ends_the_waiting_of_all(self, lm, licence, make_warm, taken):
        guard = make_warm(lm, licence, timeout=1, on_unknown="deny")
        gate = guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=LONG)
        before = lm.calls("CheckoutLicense")
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(gate(lambda: "ran")) for _ in range(40)]
            lm.wait_for_calls("CheckoutLicense", before + 5, done=True)
            with lm.down(error="ServerInternalException"):
                assert {type(one.exception()) for one in waiting} == {EntitlementUnavailable}

    def test_all_are_refused_when_the_guard_closes(self, lm, guard, taken):
        gate = guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=LONG)
        before = lm.calls("CheckoutLicense")
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(gate(lambda: "ran")) for _ in range(40)]
            lm.wait_for_calls("CheckoutLicense", before + 5, done=True)
            guard.close()
            assert {str(one.exception())[:20] for one in waiting} == {"this guard is closed"}

    def test_who_is_cancelled_leaves_the_queue_to_the_others(self, lm, guard, taken):
        @guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=LONG)
        async def work():
            return "ran"

        async def main():
            before = lm.calls("CheckoutLicense")
            tasks = [asyncio.create_task(work()) for _ in range(20)]
            await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense", before + 5, done=True)
            for task in tasks[:10]:
                task.cancel()
            await asyncio.to_thread(taken.close)
            return await asyncio.gather(*tasks, return_exceptions=True)

        outcomes = asyncio.run(main())
        assert [type(one) for one in outcomes[:10]] == [asyncio.CancelledError] * 10
        assert outcomes[10:] == ["ran"] * 10
        guard.close()
        assert lm.usage("ACME-1") == {"Seats": 0, "Users": 0}
