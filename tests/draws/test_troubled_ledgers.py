"""Ledgers in trouble, as a call sees them: a clear error or a right answer, and nothing lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from meterguard import ConfigurationError
from meterguard.stores.sqlite_ledger import SqliteLedger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def guard(lm, licence, make_guard, path):
    return make_guard(lm, licence, ledger=f"sqlite:///{path}", denial_ttl=0)


def use(guard, times=1, **options):
    for _ in range(times):
        with guard.consumes_entitlement("Pages", 1, **{"block": 10, **options}):
            pass


def test_a_ledger_that_another_process_holds_up_keeps_no_call_waiting_that_finds_units(guard, path, together):
    with guard.consumes_entitlement("Pages", 1, block=320):
        pass  # a slice is 32 units
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.execute("BEGIN IMMEDIATE")
    try:
        together(31, lambda _: use(guard, block=320))
    finally:
        connection.execute("ROLLBACK")
        connection.close()
    found = guard.ledger.summary()["Pages"]
    assert (found.charged, found.left) == (32, 320 - 32)


def test_a_damaged_ledger_is_refused_with_the_way_out(lm, licence, make_guard, path):
    path.write_bytes(b"not a ledger at all" * 500)
    guard = make_guard(lm, licence, ledger=f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match=str(path)) as caught:
        use(guard)
    assert "copy" in str(caught.value)
    guard.close()
    assert path.read_bytes().startswith(b"not a ledger")
    assert lm.calls("CheckoutLicense") == 0


def test_a_ledger_of_a_newer_version_is_refused(lm, licence, make_guard, path):
    first = make_guard(lm, licence, ledger=f"sqlite:///{path}")
    use(first)
    first.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    second = make_guard(lm, licence, ledger=f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match="newer"):
        use(second)


FULL = """
    import resource, sys, meterguard
    url, region, sku, fingerprint, path = sys.argv[1:]
    guard = meterguard.MeterGuard(sku, fingerprint, endpoint_url=url, region_name=region,
                                  ledger=f"sqlite:///{path}", denial_ttl=0)
    def use(times):
        for _ in range(times):
            with guard.consumes_entitlement("Pages", 1, block=10, subject=str(_)):
                pass
    use(5)
    call = guard.meters_usage("Calls")(lambda: None)
    call()
    guard.ledger.summary()
    full = int(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, full))
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    used = 5
    try:
        for _ in range(50):
            use(1)
            used += 1
        print("never full")
    except meterguard.EntitlementUnavailable as unknown:
        print(unknown.code)
    call()  # a meter refuses nobody: what the ledger does not take now is kept
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
    for part in guard.till.draws.slices():
        part.next_try = 0.0
    use(5)
    used += 5
    found = guard.ledger.summary()["Pages"]
    guard.till.metering.flush()
    [calls] = [one.quantity for one in guard.ledger.records() if one.entitlement == "Calls"]
    print(used, found.charged, found.lost, found.reserved, calls)
    guard.close()
"""


def test_a_full_disk(lm, licence, path):
    arguments = [lm.url, lm.region, licence.product_sku, licence.key_fingerprint, str(path)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.split() == ["LedgerUnavailable", *(done.stdout.split()[1:])], done.stderr
    used, charged, lost, reserved, calls = map(int, done.stdout.split()[1:])
    assert (charged, lost, reserved, calls) == (used, 0, 0, 2)


def test_a_meter_whose_ledger_is_damaged_says_so(lm, licence, make_guard, path):
    path.write_bytes(b"not a ledger at all" * 500)
    guard = make_guard(lm, licence, ledger=f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match=str(path)):
        guard.meters_usage("Calls")(lambda: "done")()
    guard.close()
    guard.close()


def test_close_does_not_wait_for_a_ledger_that_is_held_up(guard, path):
    use(guard)
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.execute("BEGIN IMMEDIATE")
    closing = threading.Thread(target=guard.close)
    try:
        closing.start()
        closing.join(8)  # it takes two seconds, and the ledger would wait for ten
        assert not closing.is_alive()
    finally:
        connection.execute("ROLLBACK")
        connection.close()
    wait_until_posted(path)


def wait_until_posted(path):
    """What was used is written down as soon as the ledger is free again."""
    deadline = time.monotonic() + 10
    ledger = SqliteLedger(str(path))
    while [one.charged for one in ledger.accounts()] != [1]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ledger.close()
