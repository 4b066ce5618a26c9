"""A round of reports during which an hour ends: that hour is not in it, and does not wait for the next one's end."""

from __future__ import annotations

import time

from meterguard.marketplace import Sink
from meterguard.runtime import report_rounds
from tests.marketplace.conftest import CODE, use

HOUR = 3600
PATIENCE = 30


def test_an_hour_that_ends_during_a_round_is_reported_soon(lm, clock, guard, monkeypatch):
    monkeypatch.setattr(report_rounds, "LOOK", 0.01)
    use(guard, 3)
    clock.shift(HOUR)
    use(guard, 4)
    fault = lm.faults.add("MeterUsage", hold=True)
    Sink(guard, {"Pages": "pages"}, product_code=CODE).start()
    lm.wait_for_calls("MeterUsage")
    clock.shift(HOUR)
    fault.release()
    until = time.monotonic() + PATIENCE
    while len(lm.metering_records()) < 2:
        assert time.monotonic() < until, "it waits for the end of the next hour"
        time.sleep(0.01)
    assert lm.bill() == {"pages": 7}
