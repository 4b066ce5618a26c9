"""``wait=``: seconds to queue for a seat before a no is final."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from meterguard import AuthorizationRefused, ConfigurationError, EntitlementDenied, EntitlementUnavailable

LONG = 30


@pytest.fixture
def taken(guard):
    """Two of the jobs there are, held until ``taken.set()``, by a thread that then comes to its end."""
    gate, holding, free = guard.requires_entitlement("Jobs", 2, hold="call"), threading.Event(), threading.Event()

    def hold():
        with gate:
            holding.set()
            free.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    yield free
    free.set()
    thread.join()


@pytest.fixture
def job(guard):
    return lambda **options: guard.requires_entitlement("Jobs", 1, **options)(lambda: "ran")


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_seat_freed_by_another_thread_is_taken(lm, taken, job, hold):
    guarded = job(hold=hold, wait=LONG)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guarded)
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
        assert not waiting.done()
        taken.set()
        assert waiting.result() == "ran"


def test_a_seat_freed_by_another_guard_is_taken(lm, new_guard, job):
    """Nobody tells us of it; we find out by asking."""
    other = new_guard()
    with other.requires_entitlement("Jobs", 2):
        pass
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job(wait=LONG))
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
        other.close()
        assert waiting.result() == "ran"


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_coroutine_waits_without_blocking_its_loop(lm, guard, taken, hold):
    @guard.requires_entitlement("Jobs", 1, hold=hold, wait=LONG)
    async def guarded():
        return "ran"

    async def main():
        task = asyncio.create_task(guarded())
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense", 2, done=True)
        assert not task.done()
        taken.set()
        return await task

    assert asyncio.run(main()) == "ran"


def test_a_block_waits_too(lm, guard, taken):
    def work():
        with guard.requires_entitlement("Jobs", 1, wait=LONG) as lease:
            return lease.is_live

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(work)
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
        taken.set()
        assert waiting.result() is True


@pytest.mark.parametrize("wait", [0.3, timedelta(seconds=0.3)], ids=str)
def test_when_time_runs_out_it_is_denied(taken, job, wait, checkouts):
    guarded = job(wait=wait)
    began = time.monotonic()
    with pytest.raises(EntitlementDenied) as caught:
        guarded()
    assert 0.3 <= time.monotonic() - began < 3
    assert caught.value.code == "NoEntitlementsAllowedException"
    assert len(checkouts()) > 2, "it asked again meanwhile"


def test_when_time_runs_out_it_degrades(guard, taken):
    assert guard.requires_entitlement("Jobs", 1, wait=0.1, default="instead")(lambda: "ran")() == "instead"


def test_without_it_a_no_is_final_at_once(taken, job, checkouts):
    with pytest.raises(EntitlementDenied):
        job()()
    assert len(checkouts()) == 2


def test_who_waits_asks_the_service_and_not_the_memory(new_guard, checkouts):
    """The no that was just heard is no answer to one who would wait for a better one."""
    guard, other = new_guard(denial_ttl=60), new_guard()
    with other.requires_entitlement("Jobs", 2):
        pass
    hasty = guard.requires_entitlement("Jobs", 1)(lambda: "ran")
    with pytest.raises(EntitlementDenied):
        hasty()
    other.close()
    with pytest.raises(EntitlementDenied):
        hasty()
    assert len(checkouts()) == 2, "the no was remembered"
    patient = guard.requires_entitlement("Jobs", 1, wait=LONG)(lambda: "ran")
    assert patient() == "ran"
    assert hasty() == "ran", "and is no longer"


def test_many_who_wait_all_get_their_turn(guard, used):
    barrier = threading.Barrier(8)
    gate = guard.requires_entitlement("Seats", 1, hold="call", wait=LONG)

    @gate
    def work():
        return used()

    def start(_):
        barrier.wait()
        return work()

    with ThreadPoolExecutor(8) as pool:
        seats = list(pool.map(start, range(8)))
    assert len(seats) == 8
    assert max(seats) <= 3
    assert used() == 0


def test_an_unknown_is_not_waited_for(lm, new_guard):
    """It is no queue for a seat; the time-out of the guard says how long to ask."""
    guarded = new_guard(timeout=0.1).requires_entitlement("Jobs", 1, wait=LONG)(lambda: "ran")
    with lm.down(), pytest.raises(EntitlementUnavailable):
        guarded()


def test_a_refusal_by_iam_is_not_waited_for(lm, job):
    lm.faults.add("CheckoutLicense", error="AccessDeniedException")
    with pytest.raises(AuthorizationRefused):
        job(wait=LONG)()


def test_a_task_cancelled_while_it_waits_takes_no_seat(lm, guard, licence, taken):
    ran = []

    @guard.requires_entitlement("Jobs", 1, hold="call", wait=LONG)
    async def guarded():
        ran.append(True)

    async def main():
        task = asyncio.create_task(guarded())
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense", 2, done=True)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    taken.set()
    lm.wait_for_calls("CheckInLicense", done=True)
    assert (ran, lm.usage(licence)["Jobs"]) == ([], 0)


def test_who_waits_is_refused_when_the_guard_closes(lm, guard, taken, job):
    guarded = job(wait=LONG)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guarded)
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
        guard.close()
        with pytest.raises(ConfigurationError, match=r"^this guard is closed"):
            waiting.result()
