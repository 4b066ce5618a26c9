"""Law 2: one checkout or renewal a key in the air, whoever asks; failures are shared like successes."""

from __future__ import annotations

import asyncio
import threading

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable


def hordes(fn, afn, threads=64, loops=4, tasks=250):
    """Everybody at once: what each thread and each task of each loop got."""
    barrier = threading.Barrier(threads + loops)
    outcomes = []

    def one_thread():
        barrier.wait()
        try:
            outcomes.append(fn())
        except Exception as raised:  # noqa: BLE001 - the outcome, whatever it is
            outcomes.append(raised)

    async def all_tasks():
        outcomes.extend(await asyncio.gather(*(afn() for _ in range(tasks)), return_exceptions=True))

    def one_loop():
        barrier.wait()
        asyncio.run(all_tasks())

    runners = [threading.Thread(target=one_thread) for _ in range(threads)]
    runners += [threading.Thread(target=one_loop) for _ in range(loops)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    return outcomes


@pytest.fixture
def guarded_pair(guard):
    gate = guard.requires_entitlement("Seats", 1, "Count")

    @gate
    def plain():
        return "ran"

    @gate
    async def coroutine():
        return "ran"

    return plain, coroutine


def release_soon(lm, fault, operation="CheckoutLicense"):
    """Let the held request go once it is in the air, and give everybody a while to join it."""

    def work():
        lm.wait_for_calls(operation)
        threading.Event().wait(0.3)
        fault.release()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_64_threads_and_four_loops_of_250_tasks_make_one_checkout(lm, guarded_pair):
    fault = lm.faults.add("CheckoutLicense", hold=True)
    releaser = release_soon(lm, fault)
    assert hordes(*guarded_pair) == ["ran"] * 1064
    releaser.join()
    assert lm.calls("CheckoutLicense") == 1
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_a_refusal_is_shared_by_everybody(lm, guard):
    gate = guard.requires_entitlement("Nope")

    async def coroutine():
        return "ran"

    fault = lm.faults.add("CheckoutLicense", hold=True)
    releaser = release_soon(lm, fault)
    outcomes = hordes(gate(lambda: "ran"), gate(coroutine))
    releaser.join()
    assert [type(outcome) for outcome in outcomes] == [EntitlementDenied] * 1064
    assert lm.calls("CheckoutLicense") == 1
    assert len({id(outcome) for outcome in outcomes}) == 1064, "each caller gets an exception of its own"


def test_a_failing_service_is_asked_by_one_flight(lm, licence, make_warm):
    guard = make_warm(lm, licence, timeout=1.5, on_unknown="deny")
    gate = guard.requires_entitlement("Seats", 1, "Count")

    async def coroutine():
        return "ran"

    with lm.faults.active("CheckoutLicense", error="ServerInternalException"):
        outcomes = hordes(gate(lambda: "ran"), gate(coroutine), threads=32, tasks=50)
    assert [type(outcome) for outcome in outcomes] == [EntitlementUnavailable] * 232
    assert len({request.client_token for request in lm.requests}) == 1
    assert max(request.in_flight for request in lm.requests) == 1


def test_different_requirements_fly_beside_each_other(lm, guard, together):
    fault = lm.faults.add("CheckoutLicense", hold=True, times=2)
    gates = iter([guard.requires_entitlement("Seats", 1, "Count"), guard.requires_entitlement("Export")])
    lock = threading.Lock()

    def call():
        with lock:
            gate = next(gates)
        return gate(lambda: "ran")()

    def release():
        lm.wait_for_calls("CheckoutLicense", 2)
        fault.release()

    releaser = threading.Thread(target=release)
    releaser.start()
    assert together(2, call) == ["ran", "ran"]
    releaser.join()


def test_a_hook_that_asks_for_what_its_own_thread_is_flying_is_an_error(lm, licence, make_guard):
    import boto3

    guard = make_guard(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    session = boto3.Session(region_name=lm.region)
    said = []

    def hook(**kwargs):
        try:
            seat()
        except ConfigurationError as problem:
            said.append(str(problem))

    session.events.register("before-send.license-manager.CheckoutLicense", hook)
    guard._arguments["session"] = session
    assert seat() == "ran"
    assert len(said) == 1
    assert "hook" in said[0]


def test_a_cancelled_task_loses_nothing_for_the_others(lm, guarded_pair):
    _, coroutine = guarded_pair
    fault = lm.faults.add("CheckoutLicense", hold=True)

    async def main():
        leader = asyncio.create_task(coroutine())
        followers = [asyncio.create_task(coroutine()) for _ in range(49)]
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense")
        leader.cancel()
        await asyncio.sleep(0)
        fault.release()
        return await asyncio.gather(leader, *followers, return_exceptions=True)

    first, *rest = asyncio.run(main())
    assert isinstance(first, asyncio.CancelledError)
    assert rest == ["ran"] * 49
    assert lm.calls("CheckoutLicense") == 1


def test_a_loop_that_dies_in_flight_loses_nothing(lm, guard, guarded_pair):
    plain, coroutine = guarded_pair
    fault = lm.faults.add("CheckoutLicense", hold=True)

    async def main():
        asyncio.get_running_loop().create_task(coroutine())
        await asyncio.to_thread(lm.wait_for_calls, "CheckoutLicense")

    asyncio.run(main())
    fault.release()
    assert plain() == "ran"
    assert lm.calls("CheckoutLicense") == 1
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_an_interrupted_leader_loses_nothing(lm, guard, guarded_pair):
    import _thread

    plain, _ = guarded_pair
    fault = lm.faults.add("CheckoutLicense", hold=True)
    follower_got = []

    def interrupt():
        lm.wait_for_calls("CheckoutLicense")
        follower = threading.Thread(target=lambda: follower_got.append(plain()))
        follower.start()
        _thread.interrupt_main()
        fault.release()
        follower.join()

    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        (plain(), threading.Event().wait(5))
    helper.join()
    assert follower_got == ["ran"]
    assert lm.calls("CheckoutLicense") == 1
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}


@pytest.mark.parametrize("when", ["before its start", "after its start"])
def test_a_leader_interrupted_at_the_start_of_its_flight_grounds_nobody(lm, guard, guarded_pair, when):
    plain, _ = guarded_pair
    workers = guard.engine.registry.workers
    submit = workers.submit

    def interrupted(job):
        workers.submit = submit
        if when == "after its start":
            submit(job)
        raise KeyboardInterrupt

    workers.submit = interrupted
    with pytest.raises(KeyboardInterrupt):
        plain()
    assert plain() == "ran"
    assert lm.calls("CheckoutLicense") == 1


def test_a_flight_that_nobody_flies_is_flown_by_who_comes_next(lm, guard, guarded_pair):
    plain, _ = guarded_pair
    registry = guard.engine.registry
    plain()
    record = next(iter(registry.all_records()))
    registry.give_back(record).future.result(5)
    flight, is_leader = registry.flights.join(record.key)  # and here it was interrupted
    assert is_leader
    flight.joined_at -= 2
    assert plain() == "ran"


def test_a_caller_has_a_deadline_of_its_own(lm, licence, make_warm):
    guard = make_warm(lm, licence, timeout=0.3, on_unknown="deny")
    fault = lm.faults.add("CheckoutLicense", hold=True, times=None)
    with pytest.raises(EntitlementUnavailable):
        guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    fault.release()
    lm.faults.clear()
    assert guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")() == "ran"
    assert lm.usage("ACME-1") == {"Seats": 1}
