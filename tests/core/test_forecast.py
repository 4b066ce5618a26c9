"""Forecasts: how fast, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterguard.core.balances import Book
from meterguard.core.forecast import forecasts
from meterguard.ports import Usage
from meterguard.units import Unit
from meterguard.usage import DAY, HOUR, Balance, UsageKey, UsageLine

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DRAWN = {"drawn": 1000, "charged": 700, "reserved": 50, "left": 250, "lost": 0}


def used(quantity, *, days=0, hours=0, seconds=HOUR, name="Pages", metered=False):
    start = NOW - timedelta(days=days, hours=hours)
    return UsageLine(UsageKey("s", name, "Count", None, int(start.timestamp()), metered, seconds), Decimal(quantity))


def forecast(lines, *licensed, **changes):
    books = {"Pages": Book("Pages", "Count", Balance("Count", **DRAWN | changes))}
    return forecasts(books, lines, licensed, NOW)["Pages"]


def pages(consumed, maximum, unit=Unit.COUNT):
    return Usage("Pages", unit, consumed, maximum)


def test_a_week_of_steady_use_runs_out_when_what_is_left_is_used():
    lines = [used(10, hours=hour) for hour in range(1, 14 * 24)]
    found = forecast(lines, pages(1000, 4060))
    assert found.rate_per_day == 240
    # 3,060 at the licence, and 300 that are drawn and not used
    assert found.runs_out_at == NOW + timedelta(days=14)


def test_of_old_use_only_the_last_week_counts():
    assert forecast([used(7000, days=10), used(70, days=1)]).rate_per_day == 10


@pytest.mark.parametrize(("line", "rate"), [(used(100, hours=2), 100), (used(100, days=2), 50)])
def test_what_is_new_is_measured_over_its_own_life_and_at_least_over_a_day(line, rate):
    assert forecast([line]).rate_per_day == rate


def test_of_a_day_that_began_before_the_week_the_part_inside_counts():
    day = used(48, days=7, hours=12, seconds=DAY)  # half of it lies before
    assert abs(forecast([used(1, days=13), day]).rate_per_day - Decimal(24) / 7) < Decimal("1e-6")


def test_an_hour_that_goes_on_counts_whole():
    begun = UsageLine(used(0)[0]._replace(hour=int(NOW.timestamp()) - HOUR // 2), Decimal(30))
    assert forecast([begun]).rate_per_day == 30


def test_meters_and_other_entitlements_do_not_count():
    assert forecast([used(5, hours=1, metered=True), used(6, hours=1, name="Other")]).rate_per_day == 0


@pytest.mark.parametrize(
    "licensed",
    [(), (pages(1000, None),), (pages(1000, 2000, Unit.SECONDS),), (Usage("Other", Unit.COUNT, 1, 2),)],
)
def test_an_end_that_nobody_knows_is_not_told(licensed):
    assert forecast([used(5, hours=1)], *licensed).runs_out_at is None


def test_what_is_not_used_never_runs_out():
    found = forecast([], pages(1000, 2000))
    assert (found.rate_per_day, found.runs_out_at) == (0, None)


def test_what_lasts_for_ages_never_runs_out():
    assert forecast([used(1, hours=1)], pages(0, 2**63 - 1)).runs_out_at is None


def test_what_is_used_up_has_run_out_now():
    found = forecast([used(5, hours=1)], pages(3000, 2000), left=0, reserved=0, charged=1000, owed=7)
    assert found.runs_out_at == NOW
