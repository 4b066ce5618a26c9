"""What the tests of integrations share: a licence with three seats and a feature, and a guard for it.

They are those of an application, so they use what applications have to test with: meterguard's own pytest plugin.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def lm(meterguard_emulator):
    return meterguard_emulator


@pytest.fixture
def licence(lm):
    lines = [("Seats", 3, "Count"), ("Pages", 30, "Count"), ("Export", None, "None")]
    return lm.add_license("ACME-1", entitlements=lines, ttl=3600)


@pytest.fixture
def kept(tmp_path, monkeypatch, make_guard, lm, licence):
    """``kept()``: the balance of the pages in a ledger that processes of the test share."""
    monkeypatch.setenv("METERGUARD_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    return lambda: make_guard(lm, licence).ledger.summary()["Pages"]


@pytest.fixture
def guard(lm, licence, make_guard):
    return make_guard(lm, licence, denial_ttl=0)


@pytest.fixture
def settings(lm, licence):
    """Arguments of a guard for the licence."""
    return {
        "product_sku": licence.product_sku,
        "key_fingerprint": licence.key_fingerprint,
        "endpoint_url": lm.url,
        "region_name": lm.region,
    }


@pytest.fixture
def seats(lm):
    """``seats()``: how many are taken."""
    return lambda: lm.usage("ACME-1")["Seats"]
