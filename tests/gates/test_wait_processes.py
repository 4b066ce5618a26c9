"""``wait=`` across processes: 200 calls in eight of them for three seats, over a store in SQLite."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from meterguard.core.shared import line as change
from meterguard.stores.sqlite_rows import SqliteRows

SEATS = 3
NEAR = 8  # ranks by which calls that came within a few milliseconds may be served in another order


class Waiters:
    """Processes whose calls wait, and what they wrote down."""

    def __init__(self, lm, licence, path):
        self.lm, self.licence, self.path = lm, licence, path
        self.store = f"sqlite:///{path}/leases.db"
        self.processes = []

    def start(self, count, work=0.01):
        where = (self.lm.url, self.lm.region, self.licence.product_sku, self.licence.key_fingerprint, self.store)
        program = Path(__file__).with_name("waiter.py")
        for _ in range(count):
            arguments = map(str, (*where, self.path / "journal", work))
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self.processes.append(subprocess.Popen([sys.executable, program, *arguments], **pipes))
        for one in self.processes:
            assert one.stdout.readline() == "ready\n"

    def call(self, process, number):
        self.processes[process].stdin.write(f"{number}\n")
        self.processes[process].stdin.flush()
        assert self.processes[process].stdout.readline() == f"{number}\n"

    def said(self):
        """Return the moments that the journal tells of, by what happened and the number of the call."""
        moments = defaultdict(dict)
        for line in (self.path / "journal").read_text().splitlines():
            what, number, moment = line.split()
            moments[what][int(number)] = float(moment)
        return moments

    def until(self, is_so):
        """Wait until something is so of what was said."""
        until = time.monotonic() + 100
        while not is_so(self.said()):
            assert time.monotonic() < until, {what: len(calls) for what, calls in self.said().items()}
            time.sleep(0.02)

    def in_line(self):
        """Return the line."""
        rows = SqliteRows(f"{self.path}/leases.db")
        found = [row for key, row in rows.rows("") if key.endswith("/line")]
        rows.close()
        return change.from_text(found[0].body) if found else change.Line()

    def until_listed(self, count):
        until = time.monotonic() + 30
        while len(self.in_line().entries) < count:
            assert time.monotonic() < until
            time.sleep(0.02)

    def join(self):
        for one in self.processes:
            one.stdin.close()
        return [one.wait(150) for one in self.processes]

    def end(self):
        for one in self.processes:
            one.kill()
            one.wait()
            one.stdin.close()
            one.stdout.close()


@pytest.fixture
def waiters(lm, licence, tmp_path):
    one = Waiters(lm, licence, tmp_path)
    yield one
    one.end()


@pytest.fixture
def holder(make_guard, lm, licence, waiters):
    """A guard over the same store."""
    return make_guard(lm, licence, store=waiters.store)


def most_at_once(said):
    """Return how many calls had a seat at once, at most."""
    changes = sorted([(moment, 1) for moment in said["seated"].values()] + [(m, -1) for m in said["over"].values()])
    running, most = 0, 0
    for _, change_by in changes:
        running += change_by
        most = max(most, running)
    return most


@pytest.mark.timeout(200)
def test_200_waiters_for_3_seats_in_8_processes(lm, licence, holder, waiters):
    waiters.start(8)
    with holder.requires_entitlement("Seats", SEATS, hold="call"):
        for number in range(200):
            waiters.call(number % 8, number)
        waiters.until(lambda said: len(said["came"]) == 200)
        waiters.until_listed(8)
    assert waiters.join() == [0] * 8
    said = waiters.said()
    assert len(said["over"]) == 200
    assert most_at_once(said) <= SEATS
    came, seated = (sorted(said[what], key=said[what].get) for what in ("came", "seated"))
    moved = [abs(came.index(number) - rank) for rank, number in enumerate(seated)]
    assert max(moved) <= NEAR, moved
    assert lm.usage(licence)["Seats"] == 0
    assert waiters.in_line() == change.Line()


@pytest.mark.timeout(200)
def test_a_process_that_is_killed_blocks_nobody(lm, licence, holder, waiters):
    waiters.start(4)
    with holder.requires_entitlement("Seats", SEATS, hold="call"):
        for number in range(40):
            waiters.call(number % 4, number)
        waiters.until_listed(4)
    waiters.until(lambda said: len(said["over"]) > 8)
    waiters.processes[1].kill()
    waiters.processes[1].wait()
    served = {number for number in range(40) if number % 4 != 1}
    waiters.until(lambda said: served <= said["over"].keys())
    assert [code for code in waiters.join() if code != -9] == [0] * 3
    assert most_at_once(waiters.said()) <= SEATS
    assert waiters.in_line() == change.Line()


@pytest.mark.timeout(120)
def test_a_process_that_is_stopped_is_passed_by(holder, waiters):
    waiters.start(2)
    with holder.requires_entitlement("Seats", SEATS, hold="call"):
        waiters.call(0, 0)
        waiters.until_listed(1)
        waiters.call(1, 1)
        waiters.until_listed(2)
        with contextlib.closing(sqlite3.connect(f"{waiters.path}/leases.db", timeout=30)) as held:
            held.execute("BEGIN EXCLUSIVE")  # one that is stopped amid a write would stop the others too
            waiters.processes[0].send_signal(signal.SIGSTOP)
    waiters.until(lambda said: 1 in said["seated"])
    assert 0 not in waiters.said()["seated"]
    waiters.processes[0].send_signal(signal.SIGCONT)
    assert waiters.join() == [0] * 2
    assert sorted(waiters.said()["over"]) == [0, 1]
