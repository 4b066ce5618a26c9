"""The implementations that the contracts are held to. A new store is one more line here."""

from __future__ import annotations

import pytest

from meterguard.stores.memory import MemoryLeaseStore

LEASE_STORES = {"memory": MemoryLeaseStore}


@pytest.fixture(params=LEASE_STORES)
def make_store(request):
    """``make_store(maxsize)``: an empty lease store, once for each implementation."""
    return LEASE_STORES[request.param]
