"""A guard, a ledger and AWS Marketplace: all of them real, but for the AWS."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meterguard.emulator import Emulator
from meterguard.testing import Clock

CODE = "ProductCode1"
NOON = datetime(2026, 11, 11, 12, 10, tzinfo=UTC)


@pytest.fixture
def lm(environment, monkeypatch):
    with Emulator() as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", emulator.url)
        yield emulator


@pytest.fixture
def clock(lm):
    """Time for all, which begins ten minutes after noon."""
    from meterguard.runtime.clock import SystemClock

    clock = Clock(lm)
    clock.shift(NOON.timestamp() - SystemClock().wall())
    yield clock
    clock.restore()


@pytest.fixture
def guard(lm, clock, make_guard, tmp_path):
    licence = lm.add_license("ACME-1", [("Pages", 1000, "Count")])
    return make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def told(guard):
    """The events of metering records, without those of the hour's success."""
    events = []
    guard.subscribe(events.append)
    return lambda kind: [one for one in events if type(one) is kind]


def requests(lm, operation="MeterUsage"):
    return [one for one in lm.requests if one.operation == operation]


def use(guard, quantity, subject=None, name="Pages"):
    with guard.meters_usage(name, quantity, subject=subject):
        pass
