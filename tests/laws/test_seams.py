"""Where the parts of the runtime meet: a close beside a flight, a collection in a write, seats that end."""

from __future__ import annotations

import gc
import threading
import types

import boto3
import pytest

from meterguard import ConfigurationError, Entitlement, EntitlementDenied, EntitlementUnavailable
from meterguard.core import lease_state
from meterguard.core.lease_state import VACANT, LeaseState
from meterguard.events import GraceEnded, GraceEntered, LeaseCheckedOut
from meterguard.ports import FaultKind, Moment, ServiceFault
from meterguard.runtime import clock, series
from meterguard.runtime.returns import Owed
from meterguard.stores.memory import MemoryLeaseStore


def test_a_checkout_that_was_held_up_before_a_close_is_not_sent_behind_it(lm, licence, make_guard):
    """Its thread might not live long enough to give back what comes."""
    made, free = threading.Event(), threading.Event()

    class Slow(boto3.Session):
        def client(self, *args, **kwargs):
            made.set()
            free.wait(20)
            return super().client(*args, **kwargs)

    guard = make_guard(lm, licence, session=Slow(), endpoint_url=lm.url)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    outcome = []

    def call():
        with pytest.raises(ConfigurationError) as raised:
            seat()
        outcome.append(raised.value)

    caller = threading.Thread(target=call)
    caller.start()
    assert made.wait(20)
    flights = guard.engine.registry.in_air()
    guard.close()
    free.set()
    for flight in flights:
        flight.result(20)
    caller.join(20)
    assert "closed" in str(outcome[0])
    assert lm.calls("CheckoutLicense") == 0


def test_what_is_collected_in_the_middle_of_a_write_may_write_too(monkeypatch):
    """The garbage collector closes a generator that holds a seat wherever the thread happens to be."""
    store, stamped, written = MemoryLeaseStore(10), LeaseState.stamped, []
    denied = lease_state.denied(VACANT)

    def collecting(state, version):
        if not written:
            written.append("begun")
            written.append(store.replace(b"collected", denied))
        return stamped(state, version)

    monkeypatch.setattr(LeaseState, "stamped", collecting)
    writer = threading.Thread(target=lambda: written.append(store.replace(b"key", denied)), daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive(), "it waits for itself"
    assert [store.get(b"collected"), store.get(b"key")] == written[1:]


def _generator(guard):
    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    def items():
        yield from (1, 2)

    work = items()
    next(work)
    return work


def _result(guard):
    work = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: (one for one in (1, 2)))()
    next(work)
    return work


def _iterator(guard):
    return guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: map(str, (1, 2)))()


def _admission(guard):
    return guard.requires_entitlement("Seats", 1, "Count", hold="call").enter()


def _with(guard):
    def items():
        with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
            yield from (1, 2)

    work = items()
    next(work)
    return work


@pytest.mark.parametrize("make", [_generator, _result, _iterator, _admission, _with])
def test_a_seat_that_is_collected_in_the_middle_of_a_write_waits_for_no_lock(lm, guard, make, monkeypatch):
    """Another thread may have the lock of the seat's record, and wait for the one that this thread has."""
    work, stamped = [make(guard)], LeaseState.stamped
    registry = guard.engine.registry
    [seat] = registry.seats
    taken, free, was_free = threading.Event(), threading.Event(), []

    def hold_all():
        with seat.lock, registry.lock, seat.parent.lock:
            taken.set()
            was_free.append(free.wait(10))

    def collecting(state, version):
        if work:  # once, for it takes long in a process of tests
            work.clear()
            gc.collect()
        return stamped(state, version)

    holding = threading.Thread(target=hold_all)
    holding.start()
    assert taken.wait(20)
    monkeypatch.setattr(LeaseState, "stamped", collecting)
    MemoryLeaseStore(10).replace(b"key", lease_state.denied(VACANT))
    free.set()
    holding.join(20)
    assert was_free == [True], "the collector waited for a lock"
    lm.wait_for_calls("CheckInLicense", 1, done=True)
    assert lm.usage("ACME-1")["Seats"] == 0


@pytest.mark.parametrize("make", [_generator, _result, _with])
def test_a_seat_that_is_collected_elsewhere_is_back_at_once(lm, guard, make):
    """Such as that of a generator which a ``for`` statement left early: the next call may want it."""
    make(guard)
    assert lm.usage("ACME-1")["Seats"] == 0


def test_a_seat_taken_up_again_just_before_it_was_to_go_back_stays_known(lm, guard):
    with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
        registry = guard.engine.registry
        [seat] = registry.seats
        registry.give_back_idle(seat)
        assert registry.seats == {seat}
        guard.close()
        assert lm.usage("ACME-1")["Seats"] == 0


def test_seats_that_are_back_or_were_denied_leave_nothing_in_the_store(lm, guard):
    """Their rows would drive out those of leases that others share, whose last good answer grace depends on."""
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    with seat:
        kept = len(guard.engine.registry.around.store)
    for _ in range(3):
        with seat:
            pass
    with guard.requires_entitlement("Seats", 3, "Count", hold="call"), pytest.raises(EntitlementDenied), seat:
        pass
    store = guard.engine.registry.around.store
    assert kept == 2, "what all these calls have in common, and the seat held"
    assert len(store) == 2, "what the calls of each size have in common"


def test_attempts_end_at_a_close_also_where_their_series_was_forgotten(lm, licence, make_warm, monkeypatch):
    monkeypatch.setattr(series, "MOST_KEPT", 0)
    guard = make_warm(lm, licence, on_unknown="deny")
    registry = guard.engine.registry
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")

    def call():
        with pytest.raises((ConfigurationError, EntitlementUnavailable)):
            seat()

    with lm.down():
        caller = threading.Thread(target=call)
        caller.start()
        lm.wait_for_calls("CheckoutLicense", 2)
        registry.exchange.series.of(registry.all_records()[0].requirement)
        flights = registry.in_air()
        guard.close()
        before = lm.calls("CheckoutLicense")
        for flight in flights:
            flight.result(20)
        caller.join(20)
        assert lm.calls("CheckoutLicense") <= before + 1, "one attempt may have been under way"


def test_a_gate_that_denies_ends_no_grace_of_another(lm, make_guard, monkeypatch):
    monkeypatch.setattr(clock, "_ahead", 0.0)  # undone when the test ends
    licence = lm.add_license("ACME-2", entitlements=[("Seats", 3, "Count")], ttl=60)
    guard = make_guard(lm, licence)
    events = []
    guard.subscribe(events.append)
    lenient = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    strict = guard.requires_entitlement("Seats", 1, "Count", on_unknown="deny")(lambda: "ran")
    lenient()
    with lm.down():
        clock.move(61)
        guard.empty_windows()
        assert lenient() == "ran"
        with pytest.raises(EntitlementUnavailable):
            strict()
        assert lenient() == "ran"
    told = [type(event) for event in events if isinstance(event, GraceEntered | GraceEnded)]
    assert told == [GraceEntered]


def test_a_seat_in_doubt_that_cannot_be_renewed_is_not_kept_for_a_call_that_was_turned_away(lm, guard, monkeypatch):
    now, moved = clock.SystemClock.now, []
    monkeypatch.setattr(
        clock.SystemClock, "now", lambda self: Moment(now(self).wall - 3600 * len(moved), now(self).mono)
    )
    guard.subscribe(lambda event: moved.append(event) if isinstance(event, LeaseCheckedOut) else None)
    lm.faults.add("ExtendLicenseConsumption", error="AccessDeniedException", times=None)
    with pytest.raises(EntitlementDenied), guard.requires_entitlement("Seats", 1, "Count", hold="call"):
        pass
    assert moved, "it had come, and then the clock was set back"
    assert guard.engine.registry.seats == set()
    lm.wait_for_calls("CheckInLicense", done=True)
    assert lm.usage("ACME-1")["Seats"] == 0


def test_a_token_that_comes_back_while_a_call_looks_at_it_is_no_error(lm, guard, monkeypatch):
    class ComingBack(Owed):
        """Its fault is gone at the second look, since an attempt on another thread has cleared it."""

        looks = iter(())

        @property
        def fault(self):
            return next(self.looks, None)

        @fault.setter
        def fault(self, value):
            """Nothing is kept."""

    owed = ComingBack((Entitlement("Seats", 1, "Count"),), "token", 0.0, lambda _: None, b"key")
    for question in ("is_worth_waiting", "is_unanswered"):
        owed.looks = iter([ServiceFault(FaultKind.UNKNOWN, "no answer")])
        assert getattr(owed, question)

    def recover(_requirement, key, _soon, _until):
        owed.bars, owed.looks = key, iter([ServiceFault(FaultKind.UNKNOWN, "no answer")])
        return owed

    exchange = guard.engine.registry.exchange
    monkeypatch.setattr(exchange.returns, "recover", recover)
    with (
        pytest.raises(EntitlementUnavailable, match="has not arrived"),
        guard.requires_entitlement("Seats", 1, "Count"),
    ):
        pass


def _tracebacks():
    """All that lead to frames of the runtime, and so to all that these refer to."""
    gc.collect()
    # its type, since a lazy object of some framework may do anything when it is asked for its class
    kept = [one for one in gc.get_objects() if type(one) is types.TracebackType]
    return [one for one in kept if str(one.tb_frame.f_globals.get("__name__")).startswith("meterguard.")]


@pytest.mark.parametrize("trouble", ["a no", "an outage"])
@pytest.mark.parametrize("hold", ["shared", "call"])
def test_what_is_remembered_of_a_failure_keeps_no_call_alive(lm, licence, make_guard, hold, trouble):
    guard = make_guard(lm, licence, timeout=1)
    seat = guard.requires_entitlement("Seats", 1, "Count", hold=hold)(lambda: "ran")

    def refused():
        with pytest.raises((EntitlementDenied, EntitlementUnavailable)):
            seat()

    error = "NoEntitlementsAllowedException" if trouble == "a no" else "InternalServerException"
    before = _tracebacks()
    lm.faults.add("CheckoutLicense", error=error, times=None)
    callers = [threading.Thread(target=refused) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    for flight in guard.engine.registry.in_air():
        flight.result(20)
    del callers
    assert [one for one in _tracebacks() if one not in before] == []
    lm.faults.clear()
