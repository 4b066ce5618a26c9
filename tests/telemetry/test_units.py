"""Units, in both systems alike: what was drawn, used, lost and borrowed, and what the ledger says is left of it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import meterguard
from meterguard import EntitlementDenied, EntitlementUnavailable
from meterguard.ports import LedgerFault

GAUGES = ("units_left", "units_reserved", "units_owed")


def units(what, count, name="Pages"):
    return {(what, name, "", ""): count}


def test_units_that_are_drawn_used_and_left(system, guard, counts):
    system.instrument(guard)
    draw = guard.consumes_entitlement("Pages", 2, block=3)  # so small that none is drawn ahead
    for _ in range(3):
        with draw:
            pass
    with draw as charge:
        found = counts()
        told = units("units_drawn", 9) | units("units_charged", 6)
        assert found == told | units("units_reserved", 2) | units("units_left", 1)
        charge.cancel()
    assert counts() == told | units("units_left", 3)
    guard.close()
    assert counts() == told


def test_a_denied_draw_is_a_denied_checkout(system, guard, counts):
    system.instrument(guard)
    with pytest.raises(EntitlementDenied), guard.consumes_entitlement("Pages", 11):
        pass
    assert counts() == {(what, "Pages", "denied", "not_entitled"): 1 for what in ("checkouts", "checkout_duration")}


def test_units_on_credit_are_owed(system, lm, new_guard, counts):
    guard = new_guard(overdraft={"Pages": 5})
    system.instrument(guard)
    with lm.down(error="RedirectException"), guard.consumes_entitlement("Pages", 3):
        pass
    found = counts()
    assert {key: found[key] for key in found if key[0].startswith("units")} == (
        units("units_borrowed", 3) | units("units_charged", 3) | units("units_owed", 3)
    )


def test_a_licence_runs_out_when_its_use_says(system, lm, guard):
    system.instrument(guard)
    with guard.consumes_entitlement("Pages", 2):
        pass
    lm.wait_for_calls("GetLicenseUsage", 1, done=True)
    deadline = time.monotonic() + 10
    while not (found := [one for one in system.samples() if one[0][0] == "units_run_out"]):
        assert time.monotonic() < deadline
    [((_, name, *_), when)] = found
    assert name == "Pages"
    # of ten units eight are left, and a day that has just begun counts as one
    assert 3.9 * 86_400 < when - time.time() < 4.1 * 86_400


LOSER = """
import os, sys, meterguard
from meterguard import consumes_entitlement
with consumes_entitlement("Pages", 3):
    os._exit(9)
"""


def test_units_that_a_killed_process_had_are_lost(system, lm, licence, new_guard, counts, tmp_path, monkeypatch):
    for name, value in {
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
        "METERGUARD_LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}",
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
    }.items():
        monkeypatch.setenv(name, value)
    assert subprocess.run([sys.executable, "-c", LOSER], check=False).returncode == 9
    guard = new_guard(ledger=f"sqlite:///{tmp_path / 'ledger.db'}")
    system.instrument(guard)
    with guard.consumes_entitlement("Pages", 1):
        pass
    assert counts() == units("units_lost", 3) | units("units_drawn", 1) | units("units_charged", 1)


def test_a_ledger_that_cannot_be_had_is_counted_and_says_nothing_of_units(system, new_guard, counts, tmp_path):
    path = tmp_path / "ledger.db"
    guard = new_guard(ledger=f"sqlite:///{path}", timeout=2)
    system.instrument(guard)
    with guard.consumes_entitlement("Pages", 1):
        pass
    guard.ledger.summary()
    before = counts()
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises((EntitlementUnavailable, meterguard.ConfigurationError)):
        guard.ledger.summary()
    after = counts()
    assert {key for key in after if key[0] in GAUGES} == set()
    assert before.items() <= after.items()
    (tmp_path / "elsewhere.db").rename(path)


def test_a_scrape_without_a_draw_reads_no_ledger(system, new_guard, counts, tmp_path):
    guard = new_guard(ledger=f"sqlite:///{tmp_path / 'ledger.db'}")
    system.instrument(guard)
    with guard.requires_entitlement("Seats", 1):
        counts()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_the_ledger_is_counted(system, guard, counts):
    system.instrument(guard)
    guard.till.teller.unavailable(guard.till.draws.slice(meterguard.Entitlement("Pages", 1)), 1, LedgerFault("locked"))
    assert counts() == units("ledger_failures", 1)
