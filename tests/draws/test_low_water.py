"""Low water: 80 %, 95 % and the end of a licence are told, once."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from meterguard.events import EntitlementRefused, LowWater
from meterguard.runtime.low_water import LowWaterWatch
from meterguard.runtime.refills import Refills


@pytest.fixture
def told():
    """The marks that were told, and a way to wait for so many of them."""

    class Told(list):
        changed = threading.Condition()

        def __call__(self, event):
            if isinstance(event, LowWater):
                with self.changed:
                    self.append((event.percent, event.consumed, event.maximum))
                    self.changed.notify_all()

        def wait_for(self, count):
            with self.changed:
                assert self.changed.wait_for(lambda: len(self) >= count, 10)
            return list(self)

    return Told()


@pytest.fixture
def draw(monkeypatch):
    """``draw(guard, units)``: draw units, and wait until the looks at the licence that follow have been noted."""
    look, submit = LowWaterWatch.look, Refills._look_at_the_licence
    counts = Counter()

    def counted(self, *arguments):
        counts["begun"] += 1
        return submit(self, *arguments)

    def noted(self, *arguments):
        try:
            return look(self, *arguments)
        finally:
            counts["noted"] += 1

    monkeypatch.setattr(Refills, "_look_at_the_licence", counted)
    monkeypatch.setattr(LowWaterWatch, "look", noted)

    def drawn(guard, units):
        before = counts["noted"]
        with guard.consumes_entitlement("Pages", units):
            pass
        until = time.monotonic() + 20
        while not before < counts["noted"] == counts["begun"]:
            assert time.monotonic() < until, counts
            time.sleep(0.01)

    return drawn


def test_each_mark_is_told_once(lm, licence, make_guard, tmp_path, told, draw):
    guards = [make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db", denial_ttl=0) for _ in range(2)]
    for guard in guards:
        guard.subscribe(told)
    for turn, (units, marks) in enumerate([(790, 0), (20, 1), (20, 1), (150, 2), (20, 3)]):
        draw(guards[turn % 2], units)
        told.wait_for(marks)
    assert told.wait_for(3) == [(80, 810, 1000), (95, 980, 1000), (100, 1000, 1000)]


def test_a_licence_that_grew_begins_again(lm, licence, make_guard, told, draw):
    guard = make_guard(lm, licence, denial_ttl=0)
    guard.subscribe(told)
    draw(guard, 850)
    told.wait_for(1)
    lm.update_license(licence, entitlements=[("Pages", 5000, "Count"), ("Words", 10, "Count")])
    draw(guard, 10)
    draw(guard, 3200)
    assert told.wait_for(2) == [(80, 850, 1000), (80, 4060, 5000)]


def test_where_iam_forbids_the_question_nothing_is_told(lm, licence, make_guard, told, draw):
    guard = make_guard(lm, licence, denial_ttl=0)
    guard.subscribe(told)
    lm.faults.add("GetLicenseUsage", error="AccessDeniedException", times=None)
    draw(guard, 900)
    guard.close()
    assert told == []


def test_overage_goes_on_and_is_told_once(lm, make_guard, told, draw):
    pages = {"name": "Pages", "max_count": 100, "unit": "Count", "overage": True}
    licence = lm.add_license("ACME-2", entitlements=[pages])
    guard = make_guard(lm, licence, denial_ttl=0)
    guard.subscribe(told)
    for units in (90, 60, 50):
        draw(guard, units)
    guard.consumes_entitlement("Pages", 1000).check()
    assert told.wait_for(3) == [(80, 90, 100), (95, 150, 100), (100, 150, 100)]
    found = guard.ledger.summary()["Pages"]
    assert (found.charged, lm.usage(licence)["Pages"]) == (200, 200)


def test_a_no_to_a_block_that_nobody_waits_for_is_told_to_nobody(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 100, "Count")])
    guard, refused = make_guard(lm, licence, denial_ttl=60), []
    guard.subscribe(lambda event: refused.append(event) if isinstance(event, EntitlementRefused) else None)
    for _ in range(90):
        with guard.consumes_entitlement("Pages", 1, block=100):
            pass
    lm.wait_for_calls("CheckoutLicense", 2, timeout=20, done=True)
    guard.close()
    assert refused == []
