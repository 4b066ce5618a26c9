"""What goes wrong only when two things happen at once. Barriers at the service and in the runtime, no sleeps."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
import signal
import threading
import time
from datetime import UTC, datetime

import boto3
import pytest
from freezegun import freeze_time

from meterguard import EntitlementDenied, EntitlementUnavailable, Reason
from meterguard.events import CheckInFailed, GraceEnded, GraceEntered, LeaseCheckedOut, LeaseLapsed
from meterguard.runtime.setbacks import Setbacks
from meterguard.runtime.workers import MOST

from .test_fork import in_child


@pytest.fixture
def in_background():
    """``in_background(fn)``: a function that joins the thread running ``fn`` and gives its outcome."""
    threads = []

    def start(fn):
        outcome = []

        def work():
            try:
                outcome.append(fn())
            except Exception as raised:  # noqa: BLE001 - the outcome, whatever it is
                outcome.append(raised)

        thread = threading.Thread(target=work)
        thread.start()
        threads.append(thread)

        def ended():
            thread.join(20)
            return outcome[0]

        return ended

    yield start
    for thread in threads:
        thread.join(20)


def until(condition):
    """Wait for a state inside this process that nobody announces."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def hooked(lm, operation, hook):
    """A session whose client runs ``hook`` before it sends."""
    session = boto3.Session(region_name=lm.region)
    session.events.register(f"before-send.license-manager.{operation}", hook)
    return session


# -- seats at the service --------------------------------------------------------------------------


def test_a_seat_returned_while_its_renewal_is_in_the_air_takes_no_other(lm, make_guard, landed):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 3, "Count")], ttl=2)
    guard = make_guard(lm, licence)
    fault = lm.faults.add("ExtendLicenseConsumption", hold=True)
    with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
        lm.wait_for_calls("ExtendLicenseConsumption")
    fault.release()
    landed(guard)
    assert lm.calls("CheckoutLicense") == 1
    assert lm.usage("ACME-2") == {"Seats": 0}


def test_an_idle_lease_returned_while_its_renewal_is_in_the_air_takes_no_other(lm, make_guard, landed):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 3, "Count")], ttl=2)
    guard = make_guard(lm, licence, linger=1.7)
    fault = lm.faults.add("ExtendLicenseConsumption", hold=True)
    guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    lm.wait_for_calls("ExtendLicenseConsumption")
    lm.wait_for_calls("CheckInLicense", done=True)
    fault.release()
    landed(guard)
    assert lm.calls("CheckoutLicense") == 1
    assert lm.usage("ACME-2") == {"Seats": 0}


def test_a_renewal_that_comes_after_the_seats_end_and_its_calls_is_given_back(lm, make_guard, landed):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 3, "Count")], ttl=2)
    guard = make_guard(lm, licence)
    lapsed = threading.Event()
    guard.subscribe(lambda event: lapsed.set() if isinstance(event, LeaseLapsed) else None)
    fault = lm.faults.add("ExtendLicenseConsumption", hold=True, applied=True)
    with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
        lm.wait_for_calls("ExtendLicenseConsumption")
        assert lapsed.wait(10)
    assert lm.calls("CheckInLicense") == 0
    fault.release()
    lm.wait_for_calls("CheckInLicense", done=True)
    landed(guard)
    assert lm.calls("CheckInLicense") == 1


def test_a_renewal_that_is_due_for_a_lease_returned_meanwhile_is_none(lm, guard, landed):
    """What a thread decided to renew may be gone when the worker comes to it."""
    guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    registry = guard.engine.registry
    (record,) = registry.all_records()
    registry.give_back(record)
    landed(guard)
    registry.renew(record)
    landed(guard)
    assert lm.calls("CheckoutLicense") == 1
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_call_beside_a_check_in_does_not_find_its_own_seat_taken(lm, make_guard, in_background):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")])
    guard = make_guard(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    fault = lm.faults.add("CheckInLicense", hold=True)
    probed = in_background(lambda: guard.has_entitlement("Seats", 1))
    lm.wait_for_calls("CheckInLicense")
    called = in_background(seat)
    until(lambda: guard.engine.registry.flights.in_air())
    fault.release()
    assert called() == "ran"
    assert probed() is True
    _, check_in, checkout = lm.requests
    assert checkout.at >= check_in.moment


def test_a_call_right_after_the_end_does_not_find_its_own_seat_taken(lm, make_guard):
    """A lifetime counts from before the request, so the service ends it a little later."""
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=1)
    guard = make_guard(lm, licence)
    lapsed = threading.Event()
    guard.subscribe(lambda event: lapsed.set() if isinstance(event, LeaseLapsed) else None)
    lm.faults.add("CheckoutLicense", latency=0.5)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat()
    assert lapsed.wait(10)
    assert seat() == "ran"


def test_a_call_that_was_too_slow_to_begin_takes_no_seat(lm, licence, make_warm, landed):
    guard = make_warm(lm, licence, timeout=0.2, on_unknown="deny")
    release = threading.Event()
    for _ in range(MOST):
        guard.engine.registry.workers.submit(release.wait)
    with pytest.raises(EntitlementUnavailable):
        guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")()
    release.set()
    landed(guard)
    assert lm.calls() == 0


def test_what_an_evicted_lost_answer_took_is_given_back(lm, make_warm, landed):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 9, "Count")])
    guard = make_warm(lm, licence, timeout=0.3, max_leases=1, on_unknown="deny")
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: user)
    with lm.faults.active("CheckoutLicense", drop="after"):
        with pytest.raises(EntitlementUnavailable):
            seat("a")
        landed(guard)
    assert lm.usage("ACME-2") == {"Seats": 1}
    seat("b")
    lm.wait_for_calls("CheckInLicense", done=True)
    assert lm.usage("ACME-2") == {"Seats": 1}


def test_a_slot_is_not_evicted_between_a_calls_look_and_its_flight(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 9, "Count")])
    guard = make_guard(lm, licence, max_leases=1)
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: user)
    denials = guard.engine.denials
    recall = denials.recall

    def interrupted(key):
        denials.recall = recall
        seat("b")
        return recall(key)

    denials.recall = interrupted
    seat("a")
    seat("a")
    assert lm.calls("CheckoutLicense") == 2


def test_an_answer_lost_to_a_hook_is_asked_for_again(lm, licence, make_guard):
    broken = [True]

    def hook(**kwargs):
        if broken and lm.calls("CheckoutLicense") == 1:
            raise ZeroDivisionError

    guard = make_guard(lm, licence, session=hooked(lm, "CheckoutLicense", hook))
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    lm.faults.add("CheckoutLicense", drop="after")
    with pytest.raises(ZeroDivisionError):
        seat()
    assert lm.usage("ACME-1") == {"Seats": 1}
    broken.clear()
    assert seat() == "ran"
    assert lm.usage("ACME-1") == {"Seats": 1}


# -- leaving ---------------------------------------------------------------------------------------


def test_a_check_in_that_a_hook_breaks_leaves_the_others_to_be_given_back(lm, licence, make_guard):
    broken = [True]

    def hook(**kwargs):
        if broken.pop() if broken else False:
            raise ZeroDivisionError

    guard = make_guard(lm, licence, session=hooked(lm, "CheckInLicense", hook))
    events = []
    guard.subscribe(events.append)
    for seats in (1, 2):
        guard.requires_entitlement("Seats", seats, "Count")(lambda: "ran")()
    guard.close()
    assert lm.calls("CheckInLicense") == 1
    assert lm.usage("ACME-1")["Seats"] < 3
    assert [event.code for event in events if isinstance(event, CheckInFailed)] == ["ZeroDivisionError"]


def test_many_leases_are_given_back_by_many_hands(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 100, "Count")])
    guard = make_guard(lm, licence)
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: user)
    for user in range(24):
        seat(user)
    guard.engine.registry.exchange.service._clients.client(parting=True)
    fault = lm.faults.add("CheckInLicense", hold=True, times=3)
    closer = threading.Thread(target=guard.close)
    closer.start()
    try:
        lm.wait_for_calls("CheckInLicense", 3)
    finally:
        fault.release()
        closer.join()
    assert max(request.in_flight for request in lm.requests if request.operation == "CheckInLicense") == 3


def test_leases_that_cannot_be_given_back_in_time_are_told(lm, licence, make_guard):
    guard = make_guard(lm, licence)
    events = []
    guard.subscribe(events.append)
    for requirement in (("Seats", 1), ("Seats", 2), ("Export",)):
        guard.requires_entitlement(*requirement)(lambda: "ran")()
    with lm.faults.active("CheckInLicense", hold=True):
        guard.close()
    assert sum(isinstance(event, CheckInFailed) for event in events) == 3


def test_a_call_beside_close_does_not_leave_its_hot_path_open(guard):
    gate = guard.requires_entitlement("Seats", 1, "Count")
    seat = gate(lambda: "ran")
    seat()
    engine = guard.engine
    (record,) = engine.registry.all_records()

    class Interrupted(list):
        def __iter__(self):
            yield from super().__iter__()
            call = threading.Thread(target=engine._ride, args=(record, gate.window, False))
            call.start()
            call.join(0.2)

    record.windows = Interrupted(record.windows)
    guard.close()
    with pytest.raises(Exception, match="closed"):
        seat()


# -- workers, renewal and waiters -------------------------------------------------------------------


def test_what_a_hook_raises_reaches_the_call_as_it_is(lm, licence, make_guard):
    class Odd(Exception):
        def __init__(self, one, other):
            super().__init__(f"{one} {other}")

    class Client:
        def checkout_license(self, **_):
            raise Odd("not", "to be copied")

    guard = make_guard(lm, licence, client=Client(), endpoint_url=None)
    with pytest.raises(Odd, match="not to be copied") as caught:
        guard.requires_entitlement("Seats", 1)(lambda: "ran")()
    assert caught.traceback[-1].name == "checkout_license"


def test_workers_survive_what_a_hook_raises(lm, make_guard, monkeypatch):
    for room in "returns", "exchange":  # or each of the calls would wait two seconds for its seat to come back
        monkeypatch.setattr(f"meterguard.runtime.{room}.SERIES", 0.05)

    def hook(**kwargs):
        raise SystemExit

    licence = lm.add_license("ACME-2", entitlements=[("Seats", 99, "Count")])
    guard = make_guard(lm, licence, session=hooked(lm, "CheckInLicense", hook))
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    assert [seat() for _ in range(MOST + 1)] == ["ran"] * (MOST + 1)


def test_the_renewal_thread_survives_a_look_that_fails(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=3)
    guard = make_guard(lm, licence)
    clock = guard.engine.registry.renewal.clock
    failed = threading.Event()

    class Broken:
        def now(self):
            if threading.current_thread().name == "meterguard-renewal" and not failed.is_set():
                failed.set()
                raise IndexError("as freezegun does when it is stopped meanwhile")
            return clock.now()

    guard.engine.registry.renewal.clock = Broken()
    with guard.requires_entitlement("Seats", 1, "Count"):
        assert failed.wait(10)
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)


def test_calls_that_linger_do_not_pile_up_looks(guard, lm, licence, make_guard):
    guard = make_guard(lm, licence, linger=60)
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda: "me")(lambda: "ran")
    for _ in range(1000):
        seat()
    assert len(guard.engine.registry.renewal.agenda) < 10


def test_waiters_that_gave_up_leave_nothing_behind(lm, licence, make_guard):
    guard = make_guard(lm, licence)

    @guard.requires_entitlement("Seats", 1, "Count", wait=0.05)
    async def coroutine():
        return "ran"

    def futures():
        gc.collect()
        return sum(type(one).__name__ == "Future" for one in gc.get_objects())

    async def main():
        return await asyncio.gather(*(coroutine() for _ in range(50)), return_exceptions=True)

    lm.faults.add("CheckoutLicense", error="NoEntitlementsAllowedException", times=None)
    asyncio.run(main())
    before = futures()
    assert {type(outcome) for outcome in asyncio.run(main())} == {EntitlementDenied}
    deadline = time.monotonic() + 20  # on a busy machine the last flight may land after its waiters have gone
    while futures() >= before + 25:
        assert time.monotonic() < deadline, "what waiters waited for is still there"
        time.sleep(0.05)
    lm.faults.clear()
    assert asyncio.run(main()) == ["ran"] * 50


def test_a_waiter_wakes_up_when_a_seat_comes_back(lm, make_guard, in_background):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")])
    guard = make_guard(lm, licence)
    taken = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    waiting = guard.requires_entitlement("Seats", 1, "Count", hold="call", wait=10)
    with taken:
        got = in_background(lambda: waiting(lambda: "ran")())
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
    assert got() == "ran"


def test_an_answer_in_the_last_moment_is_no_outage(lm, make_warm, in_background):
    """The lease came, and a subscriber keeps everybody waiting: neither a refusal nor grace may follow."""
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 1, "Count")], ttl=2)
    guard = make_warm(lm, licence, timeout=1)
    told, release = threading.Event(), threading.Event()

    def slow(event):
        if isinstance(event, LeaseCheckedOut):
            told.set()
            release.wait(10)

    guard.subscribe(slow)
    called = in_background(guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran"))
    assert told.wait(10)
    assert called() == "ran"
    release.set()
    until(lambda: not guard.leases() and not lm.usage("ACME-2")["Seats"])
    assert guard.decide("Seats", 1).reason is Reason.CHECKED_OUT


def test_a_denial_that_expires_while_denials_are_forgotten_breaks_nothing():
    from meterguard.stores.memory import MemoryDenials

    with freeze_time(datetime.now(UTC)) as frozen:
        denials = MemoryDenials(10, 5)
        denials.remember("key", EntitlementDenied("no"))
        denials.forget(lambda key: frozen.tick(6) or True)
        assert denials.recall("key") is None


# -- events, once each -----------------------------------------------------------------------------


def test_an_end_that_a_call_notices_is_told_once(lm, guard):
    events = []
    guard.subscribe(events.append)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with freeze_time(datetime.now(UTC)) as frozen:
        seat()
        frozen.tick(3601)
        lm.clock.advance(3601)
        seat()
    assert [type(event).__name__ for event in events[:3]] == ["LeaseCheckedOut", "LeaseLapsed", "LeaseCheckedOut"]


def test_grace_that_ends_in_a_no_is_told(lm, make_warm):
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 3, "Count")], ttl=60)
    guard = make_warm(lm, licence, timeout=0.3, denial_ttl=0)
    events = []
    guard.subscribe(events.append)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    with freeze_time(datetime.now(UTC)) as frozen:
        seat()
        frozen.tick(61)
        lm.clock.advance(61)
        with lm.down():
            assert seat() == "ran"
        lm.faults.add("CheckoutLicense", error="NoEntitlementsAllowedException", times=None)
        until(lambda: isinstance(_outcome(seat), EntitlementDenied))
    entered, ended = [event for event in events if isinstance(event, GraceEntered | GraceEnded)]
    assert isinstance(entered, GraceEntered)
    assert ended.recovered, "the service answered"


def _outcome(fn):
    try:
        return fn()
    except EntitlementDenied as raised:
        return raised


# -- fork ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_with_block_left_in_a_child_needs_no_lock_of_the_parents(lm, licence, make_guard):
    guard = make_guard(lm, licence, linger=60)
    shared = guard.requires_entitlement("Seats", 1, "Count")
    single = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    taken, release = threading.Event(), threading.Event()
    registry = guard.engine.registry
    agenda, store = registry.renewal.agenda, registry.around.store

    def hold():
        with registry.lock, agenda._changed, store._lock, contextlib.ExitStack() as stack:
            for lock in (*registry.around.locks, *(one.seats._lock for one in registry.index.values() if one.seats)):
                stack.enter_context(lock)
            taken.set()
            release.wait()

    def child():
        from meterguard.runtime import shutdown

        signal.alarm(5)  # ends a child that waits for a lock nobody holds any more
        single.__exit__(None, None, None)
        shared.__exit__(None, None, None)
        shutdown.close(registry)
        return "left"

    shared.__enter__()
    single.__enter__()
    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    try:
        assert in_child(child) == "'left'"
    finally:
        release.set()
        holder.join()
        single.__exit__(None, None, None)
        shared.__exit__(None, None, None)


def test_grace_is_entered_once_by_many_threads(guard, together):
    """The check and the mark are one step."""
    guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    (record,) = guard.engine.registry.all_records()
    told = []

    class Slow(Setbacks):
        @property
        def is_grace_told(self):
            was = self.__dict__["told"]
            threading.Event().wait(0.01)
            return was

        @is_grace_told.setter
        def is_grace_told(self, now):
            self.__dict__["told"] = now

    class Listener:
        tell = told.append

    record.setbacks, record.around = Slow(), dataclasses.replace(record.around, publisher=Listener)
    together(4, lambda: record.enter_grace(guard.engine.clock.now(), 10))
    assert len(told) == 1
