"""What is over is gone at once: evicted seats from memory, threads with their guard."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref

import boto3
import pytest

from meterguard import EntitlementUnavailable
from meterguard.runtime.agenda import TIDY_FROM
from meterguard.runtime.clock import stopwatch
from meterguard.runtime.usage import UsageSurvey
from meterguard.runtime.workers import MOST as MOST_THREADS
from meterguard.runtime.workers import Workers

USERS, MOST = 3_200, 80


@pytest.fixture
def threads():
    """``threads()``: those of ours that were started since."""
    before = set(threading.enumerate())
    return lambda: [one for one in set(threading.enumerate()) - before if one.name.startswith("meterguard")]


@pytest.fixture
def client(lm):
    """One that needs no socket: there are many checkouts to make."""
    client = boto3.client("license-manager", region_name=lm.region)
    lm.attach(client)
    return client


def test_evicted_seats_leave_memory_at_once(lm, make_guard, client, landed):
    """Forty times as many users as leases: 20,000 and 500 in small, which would take 40 seconds and not 8.

    Each user costs a checkout and a check-in through boto3.
    """
    licence = lm.add_license("ACME-2", entitlements=[("Seats", USERS, "Count")])
    guard = make_guard(lm, licence, client=client, endpoint_url=None, region_name=None, max_leases=MOST)
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: user)
    seat("first")
    registry = guard.engine.registry
    (first,) = [weakref.ref(record) for record in registry.all_records()]
    gc.disable()  # they must not need it
    try:
        for user in range(USERS):
            seat(user)
        landed(guard)
        assert first() is None
        assert len(registry.all_records()) <= MOST + 1
        assert len(registry.renewal.agenda) <= TIDY_FROM + 2 * MOST
    finally:
        gc.enable()
    assert lm.usage("ACME-2") == {"Seats": MOST}
    assert len(guard.leases()) == MOST


def test_seats_of_single_calls_leave_memory_at_once(lm, make_guard, client, landed):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")])
    guard = make_guard(lm, licence, client=client, endpoint_url=None, region_name=None)
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    gc.disable()
    try:
        for _ in range(100):
            seat()
        landed(guard)
        assert len(guard.engine.registry.all_records()) == 1
    finally:
        gc.enable()


def use(guard):
    seats = [guard.requires_entitlement("Seats", 1, "Count", hold=hold)(lambda: "ran") for hold in ("shared", "call")]
    assert [seat() for seat in seats] == ["ran", "ran"]
    guard.has_entitlement("Export")


def test_a_closed_guard_leaves_no_thread(lm, licence, make_guard, threads):
    for _ in range(3):
        guard = make_guard(lm, licence)
        use(guard)
        assert threads()
        guard.close()
        assert threads() == []


def test_nor_one_that_a_loop_closed(lm, licence, make_guard, threads):
    async def main():
        async with make_guard(lm, licence) as guard, guard.requires_entitlement("Seats", 1, "Count"):
            assert threads()

    asyncio.run(main())
    assert threads() == []


def test_nor_one_that_was_closed_in_an_outage(lm, licence, make_warm, threads):
    guard = make_warm(lm, licence, timeout=0.4, on_unknown="deny")
    use(guard)
    with lm.down():
        with pytest.raises(EntitlementUnavailable):
            guard.requires_entitlement("Seats", 2, "Count").__enter__()
        guard.close()
        assert threads() == []


def test_what_is_asked_after_the_threads_have_ended_is_carried_out(lm, licence, make_guard, threads):
    guard = make_guard(lm, licence)
    use(guard)
    workers, done = guard.engine.registry.workers, threading.Event()
    guard.close()
    workers.submit(done.set)
    assert done.wait(10)


def test_a_guard_may_be_closed_by_one_of_its_own_threads(lm, licence, make_guard, together):
    guard = make_guard(lm, licence)
    closed = threading.Event()

    def close(event):
        guard.close()
        closed.set()

    guard.subscribe(close)
    together(1, lambda: guard.decide("Seats", 1))
    assert closed.wait(30)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_idle_workers_all_end_when_one_takes_what_was_to_wake_another(monkeypatch):
    workers, together = Workers(), threading.Barrier(3)
    for _ in range(2):
        workers.submit(together.wait)
    threads = set(workers._threads)
    together.wait(timeout=20)
    while workers._idle < 2:
        time.sleep(0.001)
    put, stolen = workers._jobs.put, []

    class Jobs:
        get, get_nowait = workers._jobs.get, workers._jobs.get_nowait

        def put(self, job):
            put(job) if stolen else stolen.append(job)

    monkeypatch.setattr(workers, "_jobs", Jobs())
    workers.stop(time.monotonic() + 5)
    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)


def test_a_thread_that_is_only_being_started_is_not_waited_for():
    class Starting(threading.Thread):
        ident = 1  # which it has a moment before it counts as started

    workers, ended = Workers(), threading.Event()
    workers._threads.add(Starting(target=workers._work))
    workers.submit(ended.set)
    assert ended.wait(20)
    workers.stop(stopwatch() + 20)


def test_an_answer_that_is_kept_keeps_nobody_who_waited_for_it():
    """A future never lets go of its callbacks, and theirs hold event loops."""
    workers, free = Workers(), threading.Event()

    def ask():
        free.wait(20)
        return ()

    class Waiter:
        def __call__(self, _):
            pass

    survey, waiter = UsageSurvey(ask, workers, keep=60), Waiter()
    asked = survey.wait().future
    asked.add_done_callback(waiter)
    there = weakref.ref(waiter)
    free.set()
    assert asked.result(20) == ()
    workers.stop(stopwatch() + 20)
    del asked, waiter
    assert there() is None
    assert survey.wait().future.result(0) == ()


def test_threads_that_were_killed_at_their_start_leave_room_for_others(monkeypatch):
    """A signal handler that raises while ``threading`` starts a thread kills it."""
    workers, done = Workers(), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_work", lambda: None)
        for _ in range(MOST_THREADS):
            workers.submit(time.monotonic)
    for thread in list(workers._threads):
        thread.join(20)
    workers.submit(done.set)
    assert done.wait(20)
    workers.stop(stopwatch() + 20)
