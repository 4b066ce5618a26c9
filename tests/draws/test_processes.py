"""Processes that share a ledger: exact totals, and what a kill costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import redis_server
from tests.draws import kills
from tests.extras import is_installed

BLOCK = kills.BLOCK


@pytest.fixture
def spawn(lm, licence, tmp_path):
    """``spawn(ledger, threads, calls)``: a process that draws, which says ``ready`` when it begins."""
    started = []

    def start(ledger, threads=1, calls=0):
        used = tmp_path / f"used-{len(started)}"
        arguments = [
            lm.url,
            lm.region,
            licence.product_sku,
            licence.key_fingerprint,
            ledger,
            BLOCK,
            threads,
            used,
            calls,
        ]
        process = subprocess.Popen(
            [sys.executable, kills.WORKER, *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        process.used = used
        started.append(process)
        return process

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


def used(process):
    return process.used.stat().st_size if process.used.exists() else 0


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


def test_eight_processes_on_one_ledger(lm, licence, make_guard, spawn, sqlite, books):
    processes = [spawn(sqlite, threads=2, calls=100) for _ in range(8)]
    assert [one.wait(50) for one in processes] == [0] * 8
    guard = make_guard(lm, licence, ledger=sqlite)
    found = books(guard, "Words")
    assert (found.charged, found.reserved, found.lost) == (1600, 0, 0)
    assert [(one.subject, one.quantity) for one in guard.ledger.records(by=("entitlement", "subject"))] == [
        ("worker", 1600)
    ]
    assert lm.calls("CheckoutLicense") <= 1600 / BLOCK + 3
    assert [used(one) for one in processes] == [200] * 8


KINDS = ["sqlite-truncate", "sqlite-wal", *(redis_server.carried() if is_installed("redis") else ())]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_costs_a_slice_at_most(environment, a_server, kind):
    """``python -m tests.draws.kills`` does so a hundred times."""
    lost = 0
    for used, found in kills.lives(kind, runs=2):
        assert found.drawn == found.charged + found.reserved + found.left + found.lost
        assert found.reserved == 0
        assert found.charged <= used <= found.charged + found.lost
        assert found.lost - lost <= kills.SLICE
        lost = found.lost


def test_two_guards_of_one_process_on_one_ledger(lm, licence, make_guard, sqlite, books):
    guards = [make_guard(lm, licence, ledger=sqlite) for _ in range(2)]
    for turn in range(20):
        with guards[turn % 2].consumes_entitlement("Words", 1, block=10):
            pass
    for guard in guards:
        guard.close()
    found = books(make_guard(lm, licence, ledger=sqlite), "Words")
    assert (found.charged, found.reserved, found.lost) == (20, 0, 0)


def test_a_process_never_holds_more_than_a_slice(lm, licence, make_guard, sqlite):
    guard = make_guard(lm, licence, ledger=sqlite)
    draw = guard.consumes_entitlement("Words", 3, block=BLOCK)  # does not divide a slice
    held = []
    for _ in range(4 * kills.SLICE):
        with draw:
            held += [account.held for account in guard.till.teller.ledger.accounts()]
    assert max(held) == kills.SLICE
