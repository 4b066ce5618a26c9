"""Processes of ``multiprocessing`` and of executors: one seat for all in a shared store, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.house.source import ROOT
from tests.laws.servers import environment, next_start

COUNT = 2


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@contextmanager
def told(lm, licence, store, *arguments):
    """Yield a function that lets the program go on, and returns what it says next."""
    program = "import sys; from tests.laws.pooling import main; main(*sys.argv[1:])"
    command = [sys.executable, "-c", program, *arguments, str(COUNT)]
    settings, pipe = os.environ | environment(lm, licence, store) | {"PYTHONPATH": str(ROOT)}, subprocess.PIPE
    with subprocess.Popen(command, env=settings, stdin=pipe, stdout=pipe, text=True) as process:

        def go_on():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            assert process.stdout.readline().strip() == "served"
            yield go_on
            process.communicate("\n", timeout=30)
            assert process.returncode == 0
        finally:
            process.kill()


def lead(lm, licence, store, *arguments):
    """Return the seats that are taken while the processes serve, and once they have ended."""
    with told(lm, licence, store, *arguments) as go_on:
        taken = lm.usage("ACME-1")["Seats"]
        assert taken == lm.calls("CheckoutLicense")
        assert go_on() == "ended"
        return taken, lm.usage("ACME-1")["Seats"]


ENDING = [("processes", "fork"), ("processes", "spawn"), ("processes", "forkserver"), ("joined", "fork")]


@pytest.mark.parametrize(("way", "method"), [*ENDING, ("executor", "spawn")])
def test_processes_that_end_by_themselves_leave_no_seat(lm, licence, store, way, method):
    assert lead(lm, licence, store, method, way) == (1, 0)


def test_without_a_shared_store_each_process_takes_a_seat(lm, licence):
    assert lead(lm, licence, None, "fork", "joined") == (COUNT, 0)


def test_a_pool_that_is_left_by_its_with_block_leaves_its_seat_to_the_next_start(lm, licence, store, make_guard):
    """Its workers are ended by SIGTERM, on which Python runs no exit hooks."""
    assert lead(lm, licence, store, "fork", "with_block") == (1, 1)
    next_start(lm, make_guard(lm, licence, store=store))
