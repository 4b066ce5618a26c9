"""The simulated fleet beside real guards, a real process that is killed, a real store and the emulator."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import boto3
import pytest

from benchmarks.fleet import scenes, summary, world
from benchmarks.fleet.loop import BEGIN
from benchmarks.fleet.service import Terms
from benchmarks.fleet.store import size
from meterguard import MeterGuard
from meterguard.core.shared import text
from meterguard.emulator import Emulator
from meterguard.runtime import owners

LIFETIMES = (4.0, 12.0)  # seconds; the second where the machine was too busy for the first
LATE = 0.1  # lifetimes by which a look may come late, and a first call take long
KILLED, LOOKS, CLOSED = 0.5, (0.4, 0.7, 1.5, 2.0), 2.05
"""In lifetimes: two renewals are over by then at the latest, and the third is not due before 2.4."""
OPERATIONS = {
    "CheckoutLicense": "checkout",
    "ExtendLicenseConsumption": "renewal",
    "CheckInLicense": "check-in",
}
CASES = {
    "one process": (1, world.NONE, False),
    "four, each by itself": (4, world.NONE, False),
    "four that share": (4, world.A_FILE, False),
    "four, each by itself, one is killed": (4, world.NONE, True),
    "four that share, one is killed": (4, world.A_FILE, True),
}
VICTIM = """
import sys, time
import boto3
from meterguard import MeterGuard
url, fingerprint, store = sys.argv[1:]
client = boto3.client("license-manager", "us-east-1", endpoint_url=url)
guard = MeterGuard("ACME-1", fingerprint, client=client, store=store)
call = guard.requires_entitlement("Seats", 1, "Count")(lambda: True)
print("ready", flush=True)
sys.stdin.readline()
while True:
    call()
    time.sleep(0.05)
"""


class Real:
    """A case with real guards. Several run at the same time."""

    def __init__(self, stack, lifetime, directory, processes, arrangement, is_killed):
        self.emulator = stack.enter_context(Emulator())
        licence = self.emulator.add_license("ACME-1", entitlements=[("Seats", 9, "Count")], ttl=lifetime)
        directory.mkdir()
        store = f"sqlite:///{directory / 'leases.db'}" if arrangement.kind else "memory://"
        self.victim = None
        if is_killed:
            command = [sys.executable, "-c", VICTIM, self.emulator.url, licence.key_fingerprint, store]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.victim = stack.enter_context(subprocess.Popen(command, **pipes))
            stack.callback(self.victim.kill)
        self.guards = []
        for _ in range(processes - is_killed):
            client = boto3.client("license-manager", "us-east-1", endpoint_url=self.emulator.url)
            guard = MeterGuard("ACME-1", licence.key_fingerprint, client=client, store=store)
            self.guards.append(stack.enter_context(guard))
        self.is_over = threading.Event()
        self.called = []
        self.threads = [threading.Thread(target=self.use, args=(guard,)) for guard in self.guards]
        stack.callback(self.end)

    def use(self, guard):
        call = guard.requires_entitlement("Seats", 1, "Count")(lambda: True)
        call()
        self.called.append(time.monotonic())
        while not self.is_over.wait(0.05):
            call()

    def begin(self):
        for thread in self.threads:
            thread.start()
        if self.victim:
            self.victim.stdin.write(b"go\n")
            self.victim.stdin.flush()

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            if thread.ident:
                thread.join()
        for guard in self.guards:
            guard.close()

    def seats(self):
        return self.emulator.usage("ACME-1")["Seats"]

    def asked(self):
        return Counter(OPERATIONS[request.operation] for request in self.emulator.requests)


def played(lifetime, place):
    """Return per case: seats at the looks, requests in all, seats at the end. And whether all was in time."""
    with ExitStack() as stack:
        cases = {
            name: Real(stack, lifetime, place / f"{lifetime}-{number}", *case)
            for number, (name, case) in enumerate(CASES.items())
        }
        for case in cases.values():
            if case.victim:
                assert case.victim.stdout.readline() == b"ready\n"
        began = time.monotonic()
        for case in cases.values():
            case.begin()
        looks = {name: [] for name in cases}
        latest = 0.0
        for moment in sorted((*LOOKS, KILLED, CLOSED)):
            time.sleep(max(0.0, began + moment * lifetime - time.monotonic()))
            for name, case in cases.items():
                if moment in LOOKS:
                    looks[name].append(case.seats())
                elif moment == KILLED and case.victim:
                    case.victim.kill()
            latest = max(latest, time.monotonic() - began - moment * lifetime)
        for case in cases.values():
            case.end()
        called = [moment - began for case in cases.values() for moment in case.called]
        found = {name: (looks[name], case.asked(), case.seats()) for name, case in cases.items()}
        return found, max(latest, *called) < LATE * lifetime


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """What real guards did, and the lifetime of their leases."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        for lifetime in LIFETIMES:
            found, is_in_time = played(lifetime, tmp_path_factory.mktemp("fleet"))
            if is_in_time:
                break
        return found, lifetime


def simulated(lifetime, processes, arrangement, is_killed):
    fleet = world.World(arrangement, processes, terms=Terms(lifetime=lifetime, latency=0.01, rate=1e6, burst=1e6))
    for slot in fleet.slots:
        fleet.start(slot)
    if is_killed:
        fleet.loop.after(KILLED * lifetime, lambda: fleet.kill(fleet.slots[0], again=False))
    looks = []
    for moment in LOOKS:
        fleet.loop.run(BEGIN + moment * lifetime)
        looks.append(fleet.measures.seats.now)
    fleet.loop.run(BEGIN + CLOSED * lifetime)
    for slot in fleet.slots[is_killed:]:
        fleet.loop.spawn(fleet.stopped(slot))
    fleet.loop.run(BEGIN + (CLOSED + 0.1) * lifetime)
    return looks, fleet.measures.operations, fleet.measures.seats.now


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", CASES)
def test_requests_and_seats_are_those_of_real_guards(name, real):
    found, lifetime = real
    assert simulated(lifetime, *CASES[name]) == found[name]


def test_the_page_shows_what_the_simulation_found():
    page = summary.PAGE.read_text("utf-8")
    assert page == summary.with_tables(page, summary.read()), "run: python -m benchmarks.fleet --write"


def test_a_seed_makes_a_run_repeatable():
    first, again, other = (scenes.play(world.FLEETS[0], 5, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_bytes_of_a_row_are_about_those_of_its_text():
    fleet = world.World(world.FLEETS[0], 200)
    for slot in fleet.slots:
        fleet.start(slot)
    fleet.loop.run(BEGIN + 60)
    row = fleet.stores[0].kept.row
    name, host = owners.new_owner(), "ip-10-0-12-34.eu-west-1.compute.internal"
    real = replace(row, holders=tuple(replace(one, owner=name, host=host) for one in row.holders))
    assert size(row) == pytest.approx(len(text.to_text(real, str)), rel=0.2)


def test_a_fleet_that_is_denied_says_so():
    fleet = world.World(world.NONE, 4, terms=Terms(seats=3))
    for slot in fleet.slots:
        fleet.start(slot)
    fleet.loop.run(BEGIN + 60)
    assert fleet.measures.seats.now == 3
    assert fleet.measures.denied.mean(BEGIN, BEGIN + 60) > 0


def test_what_dead_processes_left_goes_back_at_the_next_start():
    fleet = world.World(world.A_FILE, 8)
    for slot in fleet.slots:
        fleet.start(slot)
    fleet.loop.run(BEGIN + 60)
    for slot in fleet.slots:
        fleet.kill(slot, again=slot.number == 0)
    fleet.loop.run(BEGIN + 120)
    fleet.loop.spawn(fleet.stopped(fleet.slots[0]))
    fleet.loop.run(BEGIN + 180)
    assert (fleet.measures.seats.now, fleet.needed()) == (0, 0)
