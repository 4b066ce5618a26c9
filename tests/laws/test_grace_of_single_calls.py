"""With ``hold="call"`` no more calls run at once on grace than had seats at once before it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterguard import EntitlementDenied, EntitlementUnavailable
from meterguard.runtime import engine


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count")], ttl=4)


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    """Who could be on grace, or comes in an outage that is known, waits less."""
    monkeypatch.setattr(engine, "SHORT_WAIT", 0.3)


class Body:
    """What calls do inside: wait for each other, and remember how many were there at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.free = threading.Event()

    def __call__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.free.wait(30)
        with self.lock:
            self.now -= 1
        return "ran"


@pytest.fixture
def guard(lm, licence, make_warm):
    return make_warm(lm, licence, timeout=2)


@pytest.fixture
def gate(guard):
    return guard.requires_entitlement("Seats", 1, "Count", hold="call")


def had(gate, count):
    """Let so many calls have a seat at once."""
    barrier = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(lambda _: gate(barrier.wait)() is not None, range(count))) == [True] * count


def storm(gate, threads=50):
    """What becomes of so many calls at once, and how many of them ran at once."""
    body, barrier, outcomes = Body(), threading.Barrier(threads), []
    decided = threading.Semaphore(0)

    def call():
        barrier.wait()
        try:
            outcomes.append(gate(entered)())
        except (EntitlementUnavailable, EntitlementDenied) as refused:
            outcomes.append(refused)
            decided.release()

    def entered():
        decided.release()
        return body()

    runners = [threading.Thread(target=call) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for _ in runners:
        assert decided.acquire(timeout=30)
    body.free.set()
    for runner in runners:
        runner.join()
    return body.most, outcomes


@pytest.mark.parametrize("seats", [1, 3])
@pytest.mark.parametrize("outage", [{"error": "ServerInternalException"}, {"drop": "before"}], ids=str)
def test_fifty_calls_at_once_run_on_as_many_seats_as_there_were(lm, gate, seats, outage):
    had(gate, seats)
    with lm.down(**outage):
        most, outcomes = storm(gate)
        assert most == seats
        assert outcomes.count("ran") == seats
        refused = [one for one in outcomes if one != "ran"]
        assert {type(one) for one in refused} == {EntitlementUnavailable}
        assert all(one.retry_after for one in refused)
        again, _ = storm(gate, 10)
        assert again == seats, "what was over made room"


def test_tasks_are_counted_like_threads(lm, guard, gate):
    had(gate, 2)

    async def main():
        now, free, decided = [], asyncio.Event(), asyncio.Semaphore(0)

        @gate
        async def work():
            now.append(True)
            decided.release()
            await free.wait()
            return "ran"

        async def call():
            try:
                return await work()
            except EntitlementUnavailable as refused:
                decided.release()
                return refused

        tasks = [asyncio.create_task(call()) for _ in range(50)]
        for _ in tasks:
            await decided.acquire()
        free.set()
        return len(now), await asyncio.gather(*tasks)

    with lm.down(error="ServerInternalException"):
        ran, outcomes = asyncio.run(main())
    assert ran == outcomes.count("ran") == 2


def test_a_call_that_still_has_its_seat_counts(lm, gate):
    with gate, lm.down(error="ServerInternalException"):
        most, outcomes = storm(gate, 8)
    assert most == outcomes.count("ran") == 0


def test_generators_that_are_not_over_count(lm, gate):
    had(gate, 1)

    @gate
    def items():
        yield 1
        yield 2

    with lm.down(error="ServerInternalException"):
        first = items()
        assert next(first) == 1
        with pytest.raises(EntitlementUnavailable):
            next(items())
        first.close()
        assert list(items()) == [1, 2]


def test_a_no_leaves_the_seats_that_are_taken(lm, licence, make_warm):
    guard = make_warm(lm, licence, timeout=2, denial_ttl=0)
    gate = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    had(gate, 3)
    lm.update_license(licence, entitlements=[("Seats", 1, "Count")])
    with gate, pytest.raises(EntitlementDenied):
        gate(lambda: "ran")()
    assert gate(lambda: "ran")() == "ran"
    with lm.down(error="ServerInternalException"):
        most, _ = storm(gate, 8)
    assert most == 1


def test_a_slow_answer_is_waited_for_and_no_call_runs_without_its_seat(lm, guard, gate, monkeypatch):
    had(gate, 1)
    monkeypatch.setattr(engine, "SHORT_WAIT", 0.02)
    lm.faults.add("CheckoutLicense", latency=0.3, times=None)

    def work():
        return lm.usage("ACME-1")["Seats"]

    async def coroutine():
        return work()

    assert [gate(work)() for _ in range(3)] == [1, 1, 1]
    assert asyncio.run(gate(coroutine)()) == 1
    assert len({one.client_token for one in lm.requests if one.operation == "CheckoutLicense"}) == 5


def test_an_answer_that_never_comes_is_an_unknown_once_an_attempt_has_failed(lm, gate):
    had(gate, 1)
    with lm.down(hold=True), gate as lease:
        assert not lease.is_live
        assert lm.calls("CheckoutLicense") >= 2


def test_allow_lets_all_through_as_declared(lm, guard):
    gate = guard.requires_entitlement("Seats", 1, "Count", hold="call", on_unknown="allow")
    with lm.down(error="ServerInternalException"):
        most, outcomes = storm(gate, 8)
    assert most == outcomes.count("ran") == 8


def test_a_shared_lease_carries_all_calls_on_grace(lm, guard):
    gate = guard.requires_entitlement("Seats", 1, "Count")
    gate(lambda: "ran")()
    with lm.down(error="ServerInternalException"):
        most, _ = storm(gate, 8)
    assert most == 8
