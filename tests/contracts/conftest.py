"""The implementations that the contracts are held to. A new store or ledger is one more line here."""

from __future__ import annotations

import pytest

from meterguard.stores.memory import MemoryLeaseStore
from meterguard.stores.memory_ledger import MemoryLedger
from meterguard.stores.sqlite_ledger import SqliteLedger

LEASE_STORES = {"memory": MemoryLeaseStore}


def sqlite_ledger(journal):
    def maker(request):
        path = request.getfixturevalue("tmp_path") / "ledger.db"
        return lambda: SqliteLedger(str(path), journal=journal)

    return maker


LEDGERS = {
    "memory": lambda request: MemoryLedger,
    "sqlite-rollback": sqlite_ledger("truncate"),
    "sqlite-wal": sqlite_ledger("wal"),
}


@pytest.fixture(params=LEASE_STORES)
def make_store(request):
    """``make_store(maxsize)``: an empty lease store, once for each implementation."""
    return LEASE_STORES[request.param]


@pytest.fixture(params=LEDGERS)
def make_ledger(request):
    """``make_ledger()``: a ledger, empty at first; each one made in a test has the same place. Once for each kind."""
    make, made = LEDGERS[request.param](request), []

    def ledger():
        made.append(make())
        return made[-1]

    yield ledger
    for one in made:
        one.close()
