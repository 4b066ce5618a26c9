"""Draws that find units here wait for nobody, and do right where they save a look."""

from __future__ import annotations

import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import pytest

from meterguard import ConfigurationError

THREADS, EACH = 8, 12
SLICE = 100  # a tenth of a block


def use(draw, times=1):
    for _ in range(times):
        with draw:
            pass


@contextmanager
def locked(path):
    """Keep the file of a ledger locked, as another process does in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def wait_until(look):
    deadline = time.monotonic() + 10
    while not look() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert look()


def is_dealing(guard, name):
    """Tell whether a transaction with the ledger is under way for units of this name."""
    [part] = [one for one in guard.till.draws.slices() if one.name == name]
    is_free = part.dealing.acquire(blocking=False)
    if is_free:
        part.dealing.release()
    return not is_free


def test_they_wait_for_no_transaction_and_no_request(lm, licence, make_guard, together, tmp_path, books):
    path = tmp_path / "ledger.db"
    guard = make_guard(lm, licence, ledger=f"sqlite:///{path}")
    words = guard.consumes_entitlement("Words", 1, block=10 * SLICE)
    use(words, SLICE - THREADS * EACH)  # as many are still here as the threads draw
    held = lm.faults.add("CheckoutLicense", hold=True)
    with ThreadPoolExecutor(2) as pool, ExitStack() as at_the_end:
        at_the_end.callback(held.release)
        asking = pool.submit(use, guard.consumes_entitlement("Pages", 1))
        lm.wait_for_calls("CheckoutLicense", 2)
        with locked(path):
            writing = pool.submit(use, guard.consumes_entitlement("Words", 5 * SLICE))
            wait_until(lambda: is_dealing(guard, "Words"))
            together(THREADS, lambda _: use(words, EACH))
            assert not asking.done()
            assert not writing.done()
            assert is_dealing(guard, "Words")
        writing.result(10)
        held.release()
        asking.result(10)
    assert (books(guard, "Words").charged, books(guard).charged) == (6 * SLICE, 1)
    assert lm.calls("CheckoutLicense") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_charge_that_came_through_a_fork_is_its_parents(lm, licence, make_guard, tmp_path, books):
    guard = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db")
    with guard.consumes_entitlement("Pages", 5, block=100):
        till, child = guard.till, os.fork()
    if not child:
        till.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found = books(guard)
    assert (found.drawn, found.charged, found.left + found.reserved) == (100, 5, 95)


def test_so_it_is_where_the_fork_ran_no_hooks(guard, books):
    """As a server in C forks; there a process knows itself by its number alone."""
    with guard.consumes_entitlement("Pages", 5, block=100):
        till = guard.till
        [part] = till.draws.slices()
        till.pid += 1
        part._pid += 1
    till.close()
    till.pid -= 1
    found = books(guard)
    assert (found.drawn, found.charged, found.left + found.reserved) == (100, 0, 100)


def test_a_closed_guard_draws_nothing_also_where_units_are_here(guard):
    draw = guard.consumes_entitlement("Pages", 1, block=100)
    use(draw)
    guard.close()
    with pytest.raises(ConfigurationError, match="closed"):
        use(draw)
