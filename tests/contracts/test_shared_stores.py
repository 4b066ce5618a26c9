"""What every shared store holds to, whatever it keeps its rows in."""

from __future__ import annotations

import pytest

from meterguard.testing.stores import SharedStoreContract


class TestSharedStores(SharedStoreContract):
    @pytest.fixture(autouse=True)
    def _made(self, make_shared_store):
        self.make = make_shared_store
