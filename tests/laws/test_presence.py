"""Processes of other machines: who is silent is taken for gone, and who cannot say a word asks the service."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from meterguard import EntitlementDenied, snapshot
from meterguard.events import LeaseRenewed
from meterguard.rows import StoreFault
from meterguard.runtime import owners, presence
from meterguard.runtime.heartbeat import Heartbeat
from meterguard.runtime.sweep import Sweep
from meterguard.stores import memory_rows
from meterguard.stores.memory_rows import MemoryRows


class Fleet(MemoryRows):
    is_fleet = True
    is_away = False
    looked_for = 0  # times that the row of a process was read

    def read(self, key):
        if self.is_away:
            raise StoreFault("the store is away")
        self.looked_for += "/here-" in key
        return super().read(key)

    def replace(self, *arguments):
        if self.is_away:
            raise StoreFault("the store is away")
        return super().replace(*arguments)


@pytest.fixture
def store():
    return Fleet()


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 2, "Count")], ttl=3600)


@pytest.fixture
def elsewhere(monkeypatch):
    """``elsewhere(make)``: what is made there has the name of a process of another machine."""
    numbers = itertools.count(7)

    def run(make):
        with monkeypatch.context() as patch:
            patch.setattr(owners, "new_owner", lambda: f"another-boot/1/{next(numbers)}/42-abc")
            guard = make()
            _ = guard.engine
        return guard

    return run


@pytest.fixture
def tick():
    """``tick(guard)``: what it does from time to time is done now."""
    sweeps = {}

    def run(guard):
        registry = guard.engine.registry
        lessor = registry.exchange.lessor
        Heartbeat(lessor, registry).run()
        sweeps.setdefault(guard, Sweep(lessor, registry, lambda _: None)).run()

    return run


@pytest.fixture
def pass_time(monkeypatch):
    """``pass_time(seconds)``: let the store's clock, by which it forgets, and the stopwatch of presence go on."""
    plain, passed = presence.stopwatch, [0.0]
    monkeypatch.setattr(presence, "stopwatch", lambda: plain() + passed[0])
    monkeypatch.setattr(memory_rows, "time", SimpleNamespace(time=lambda: time.time() + passed[0]))

    def skip(seconds):
        passed[0] += seconds

    return skip


def wait_until(holds):
    return any(holds() or threading.Event().wait(0.05) for _ in range(200))


def test_a_process_elsewhere_that_is_silent_is_taken_for_gone(
    lm, licence, store, make_guard, elsewhere, tick, pass_time
):
    dead = elsewhere(lambda: make_guard(lm, licence, store=store))
    dead.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    tick(dead)
    dead.engine.registry.renewal.agenda.stop()  # it shows no sign of life from here on
    living = make_guard(lm, licence, store=store)
    living.requires_entitlement("Seats", 1, "Count", per="another")(lambda: "ran")()
    assert lm.usage(licence) == {"Seats": 2}
    tick(living)
    for _ in range(2):
        pass_time(31.0)
        tick(living)
        assert lm.usage(licence) == {"Seats": 2}, "it showed itself just now"
    for _ in range(8):
        pass_time(31.0)
        tick(living)
    assert lm.usage(licence) == {"Seats": 1}


def test_a_process_elsewhere_that_shows_itself_keeps_its_seat(
    lm, licence, store, make_guard, elsewhere, tick, pass_time
):
    other = elsewhere(lambda: make_guard(lm, licence, store=store))
    with other.requires_entitlement("Seats", 1, "Count"):
        living = make_guard(lm, licence, store=store)
        living.has_entitlement("Seats", 1)
        for _ in range(20):
            pass_time(31.0)
            tick(other)
            tick(living)
        assert lm.usage(licence) == {"Seats": 1}
    assert lm.calls("CheckInLicense") == 0


def test_a_dead_holder_is_struck_out_of_a_lease_that_others_ride_on(
    lm, licence, store, make_guard, elsewhere, tick, pass_time
):
    dead = elsewhere(lambda: make_guard(lm, licence, store=store))
    living = make_guard(lm, licence, store=store)
    for guard in (dead, living):
        guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    tick(dead)
    dead.engine.registry.renewal.agenda.stop()
    for _ in range(10):
        tick(living)
        pass_time(31.0)
    living.close()
    assert lm.usage(licence) == {"Seats": 0}, "it knew that it was the last"


def test_many_processes_do_not_look_for_each_other(lm, licence, store, make_guard, elsewhere, tick, pass_time):
    fleet = [elsewhere(lambda: make_guard(lm, licence, store=store)) for _ in range(8)]
    for guard in fleet:
        guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    for _ in range(3):
        for guard in fleet:
            tick(guard)
        pass_time(31.0)
    store.looked_for = 0
    for _ in range(3):
        for guard in fleet:
            tick(guard)
        pass_time(31.0)
    assert store.looked_for == 0, "they were met in a sweep, each with its row"


def test_one_that_only_waits_keeps_its_place(lm, licence, store, make_guard, elsewhere, tick, pass_time):
    """It holds nothing, so it has no row of its own."""
    early, late = elsewhere(lambda: make_guard(lm, licence, store=store)), make_guard(lm, licence, store=store)

    def seat(guard, wait):
        return guard.requires_entitlement("Seats", 2, "Count", hold="call", wait=wait)

    with ThreadPoolExecutor(1) as pool, seat(late, 0):
        waiting = pool.submit(seat(early, 60)(lambda: "served"))
        assert wait_until(lambda: snapshot.read(store).waiting == 1)
        for _ in range(6):
            with pytest.raises(EntitlementDenied) as late_for_it:
                seat(late, 0.2)(lambda: "served")()
            assert late_for_it.value.ahead == 1
            tick(late)
            pass_time(31.0)
    assert waiting.result() == "served"


def test_one_without_threads_shows_nothing_and_keeps_its_seat(
    lm, licence, store, make_guard, elsewhere, tick, pass_time, monkeypatch
):
    """As in AWS Lambda. What it leaves when it dies lapses."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "job")
    still = elsewhere(lambda: make_guard(lm, licence, store=store))
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    living = make_guard(lm, licence, store=store)
    with still.requires_entitlement("Seats", 1, "Count", hold="call") as lease:
        for _ in range(8):
            tick(living)
            pass_time(31.0)
        assert lease.is_live
        assert lm.usage(licence) == {"Seats": 1}
    assert lm.usage(licence) == {"Seats": 0}


def test_who_was_held_up_asks_the_service_also_where_the_store_is_there(
    lm, licence, store, make_guard, tick, pass_time
):
    guard = make_guard(lm, licence, store=store)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        tick(guard)
        guard.engine.registry.exchange.service.check_in(lease.token)  # as a process that took it for gone would
        pass_time(61.0)
        tick(guard)
        assert wait_until(lambda: not lease.is_live)


def test_who_cannot_reach_the_store_asks_the_service(lm, licence, store, make_guard, tick, pass_time):
    guard = make_guard(lm, licence, store=store)
    renewed = threading.Event()
    guard.subscribe(lambda event: renewed.set() if isinstance(event, LeaseRenewed) else None)
    with guard.requires_entitlement("Seats", 1, "Count") as lease:
        tick(guard)
        store.is_away = True
        pass_time(50.0)
        tick(guard)
        assert lm.calls("ExtendLicenseConsumption") == 0
        pass_time(11.0)
        tick(guard)
        assert renewed.wait(10)
        assert lease.is_live
        store.is_away = False
    assert lm.calls("ExtendLicenseConsumption") == 1


def test_a_seat_that_others_gave_back_meanwhile_opens_nothing(lm, licence, store, make_guard, tick, pass_time):
    guard = make_guard(lm, licence, store=store, on_unknown="deny")
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate as lease:
        tick(guard)
        store.is_away = True
        guard.engine.registry.exchange.service.check_in(lease.token)  # as another process would
        pass_time(61.0)
        tick(guard)
        assert wait_until(lambda: not lease.is_live)
