"""A process that forks while its threads use a guard: ``python forker.py URL REGION SKU FINGERPRINT STORE FORKS``.

Each child uses the guard and ends, in one of four ways. Afterwards what they left is swept up once, and the process
says what it holds itself. It ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import warnings

import meterguard
from meterguard.runtime import sweep as sweeping

AT_ONCE = 4  # children
HANGS_AFTER = 40  # seconds
ENDS = ("exit at once", "exit", "killed", "exit at once, in a call")


class Load:
    """Threads that do all that a guard does, until they are told to stop."""

    def __init__(self, guard):
        self.guard = guard
        self.is_over = threading.Event()
        self.failures = []
        self.seat = guard.requires_entitlement("Seats", 1, "Count")
        self.own = guard.requires_entitlement("Seats", 1, "Count", hold="call")
        self.export = self.seat(lambda: None)
        jobs = (self.ride, self.ride, self.call, self.check_out, self.renew, self.sweep)
        self.threads = [threading.Thread(target=self.repeat, args=[job], daemon=True) for job in jobs]

    def ride(self):
        self.export()
        self.is_over.wait(0.001)

    def call(self):
        with self.own:
            pass

    def check_out(self):
        assert self.guard.has_entitlement("Words", 1, "Count")

    def renew(self):
        registry = self.guard.engine.registry
        for record in registry.all_records():
            if record.term is not None:
                registry.confirm(record)
        self.is_over.wait(0.01)

    def sweep(self):
        assert sweeping.sweep(self.guard.engine.registry.exchange.lessor).failed == 0
        self.is_over.wait(0.01)

    def repeat(self, job):
        while not self.is_over.is_set():
            try:
                job()
            except Exception as failure:  # noqa: BLE001 - told at the end
                self.failures.append(failure)
                return

    def stop(self):
        self.is_over.set()
        for one in self.threads:
            one.join()


def fork(load, number):
    """Return the id of a child, which ends as its number says."""
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(HANGS_AFTER)
    end = ENDS[number % len(ENDS)]
    load.export()
    if end == "exit":
        sys.exit()
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    with load.own if end == "exit at once, in a call" else contextlib.nullcontext():
        os._exit(0)


def fork_all(load, count):
    """Fork so often, a few children at a time."""
    living = {}
    for number in range(count):
        signal.alarm(HANGS_AFTER)
        living[fork(load, number)] = number
        while len(living) >= AT_ONCE or (living and number == count - 1):
            pid, status = os.wait()
            ended = living.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            assert code == (-signal.SIGKILL if ENDS[ended % len(ENDS)] == "killed" else 0), (ENDS[ended % 4], code)


def main(url, region, sku, fingerprint, store, count):
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and newer warn of forks in a process with threads
    faulthandler.register(signal.SIGALRM, chain=True)  # who hangs says where, and ends
    sweeping.EVERY = 600.0  # the one sweep at the end has no other beside it that would do its work
    options = {"endpoint_url": url, "region_name": region, "store": store, "denial_ttl": 0, "timeout": 30}
    guard = meterguard.MeterGuard(sku, fingerprint, **options)
    load = Load(guard)
    load.export()
    for one in load.threads:
        one.start()
    fork_all(load, int(count))
    load.stop()
    assert not load.failures, load.failures
    swept = sweeping.sweep(guard.engine.registry.exchange.lessor)
    sys.stdout.write(f"{swept.released} {swept.failed} {len(guard.leases())}\n")
    sys.stdout.flush()
    sys.stdin.read()
    guard.close()
    signal.alarm(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
