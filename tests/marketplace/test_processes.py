"""Four processes on one ledger, for three days, some of which are killed: one bill."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from meterguard.ledger import open_report
from meterguard.runtime.clock import SystemClock
from tests.marketplace.conftest import CODE, NOON, requests

ROOT = Path(__file__).parents[2]
HOUR, HOURS, WORKERS = 3600, 72, 4


class Worker:
    """A process, and how far its clock is ahead of this machine's."""

    def __init__(self, arguments):
        command = [sys.executable, "-m", "tests.marketplace.reporting_worker", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.moved = 0.0

    def tell(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def ask(self, command):
        self.tell(command)
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def set_clock(self, ahead):
        self.ask(f"move {ahead - self.moved}")
        self.moved = ahead

    def kill(self):
        self.process.kill()
        self.end()

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(30)
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


class Machine:
    """Four workers with their clocks, and the emulator with its own."""

    def __init__(self, lm, arguments, seed):
        self.lm, self.arguments, self.random = lm, arguments, random.Random(seed)
        self.ahead = NOON.timestamp() - SystemClock().wall()
        lm.clock.advance(self.ahead)
        self.workers = [Worker(arguments) for _ in range(WORKERS)]
        self.pass_time(0)

    def pass_time(self, seconds):
        self.ahead += seconds
        self.lm.clock.advance(seconds)
        for worker in self.workers:
            worker.set_clock(self.ahead)

    def hour(self, number):
        chance = self.random.random
        if number % 3 == 0:  # an outage of six hours would leave what is too old
            self.lm.faults.clear()
            self.workers[0].ask("flush")
        for worker in self.workers:
            if chance() < 0.1:
                worker.set_clock(self.ahead - self.random.choice((600, HOUR)))
            if chance() < 0.6:
                quantity = Decimal(self.random.randint(1, 10**6)).scaleb(-self.random.choice((0, 3)))
                worker.ask(f"use {self.random.choice(('Pages', 'Storage'))} {quantity}")
            if chance() < 0.1:
                self.lm.faults.add("MeterUsage", **self.random.choice(FAULTS))
            if chance() < 0.5:
                worker.ask("flush")
        if chance() < 0.12:
            self.kill(self.random.randrange(WORKERS))

    def kill(self, number):
        """End a process with SIGKILL, while its request is in the air if it has one to send."""
        worker, before = self.workers[number], len(requests(self.lm))
        self.lm.faults.clear()
        fault = self.lm.faults.add("MeterUsage", hold=True, applied=self.random.random() < 0.5)
        worker.set_clock(self.ahead)
        worker.ask("use Pages 1")
        self.pass_time(HOUR)
        worker.tell("flush")
        deadline = time.monotonic() + 30
        while len(requests(self.lm)) == before and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(requests(self.lm)) > before
        worker.kill()
        self.lm.faults.remove(fault)
        self.workers[number] = Worker(self.arguments)
        self.workers[number].set_clock(self.ahead)

    def settle(self):
        self.lm.faults.clear()
        self.pass_time(2 * HOUR)
        for _ in range(2):
            for worker in self.workers:
                worker.ask("flush")
            self.pass_time(HOUR)
        return self.workers[0].ask("flush")


FAULTS = (
    {"error": "ThrottlingException", "times": 2},
    {"error": "InternalServiceErrorException", "times": 1},
    {"drop": "after", "times": 1},
    {"drop": "before", "times": 1},
    {"body": "garbled", "applied": True, "times": 1},
)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(2))
def test_four_processes_for_three_days_make_one_bill(lm, tmp_path, seed):
    licence = lm.add_license("ACME-1", [("Pages", 1000, "Count")])
    lm.add_product(CODE, ["pages", "storage"])
    url = f"sqlite:///{tmp_path}/ledger.db"
    machine = Machine(lm, [lm.url, licence.product_sku, licence.key_fingerprint, url, CODE], seed)
    try:
        for number in range(HOURS):
            machine.hour(number)
            machine.pass_time(HOUR)
        status = machine.settle()
    finally:
        for worker in machine.workers:
            worker.end()
    used = Counter()
    for record in open_report(url).records():
        used[record.entitlement.lower()] += record.quantity
    assert status["pending"]["records"] == status["given_up"]["records"] == 0
    assert lm.bill() == used
    assert Decimal(status["delivered"]["quantity"]) == sum(used.values())
    assert status["delivered"]["records"] == len(lm.metering_records())
    hours = Counter((one.dimension, one.timestamp) for one in lm.metering_records())
    assert set(hours.values()) == {1}
    sent = requests(lm)
    assert all(one.parameters["Timestamp"] + HOUR <= one.at for one in sent)
    quantities = {}
    for one in sent:
        said = one.parameters
        key = said["UsageDimension"], said["Timestamp"]
        assert quantities.setdefault(key, said["UsageQuantityAsDecimal"]) == said["UsageQuantityAsDecimal"]
