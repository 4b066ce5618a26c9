"""Usage that is metered: the published rules of AWS Marketplace, by plain boto3 over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from meterguard.emulator import Behavior, Emulator

NOON = datetime(2026, 11, 12, 12, 30, tzinfo=UTC)
BUYER = "222222222222"


@pytest.fixture(autouse=True)
def noon(lm):
    lm.clock.freeze(NOON)


@pytest.fixture
def metering(connect_to):
    return connect_to("meteringmarketplace")


def meter(metering, quantity, at=NOON, code="pages-1", dimension="pages", **more):
    return metering.meter_usage(
        ProductCode=code, Timestamp=at, UsageDimension=dimension, UsageQuantity=quantity, **more
    )["MeteringRecordId"]


def test_the_first_record_of_an_hour_stands(lm, metering, code):
    first = meter(metering, 5)
    assert meter(metering, 5, NOON - timedelta(minutes=20)) == first
    with code("DuplicateRequestException"):
        meter(metering, 6)
    assert meter(metering, 6, NOON - timedelta(hours=1)) != first
    assert lm.bill() == {"pages": 11}
    assert [one.quantity for one in lm.metering_records()] == [Decimal(5), Decimal(6)]


def test_a_batch(lm, metering):
    product = lm.add_product("pages-1", ["pages", "words"], [BUYER])
    (customer,) = product.customers
    record = {
        "Timestamp": NOON,
        "Dimension": "pages",
        "QuantityAsDecimal": "1.5",
        "CustomerAWSAccountId": BUYER,
        "LicenseArn": customer.license_arn,
    }
    (first,) = metering.batch_meter_usage(UsageRecords=[record])["Results"]
    assert (first["Status"], first["UsageRecord"]) == ("Success", record)
    answer = metering.batch_meter_usage(UsageRecords=[record, {**record, "QuantityAsDecimal": "2"}])
    assert [one["Status"] for one in answer["Results"]] == ["Success", "DuplicateRecord"]
    assert answer["Results"][0]["MeteringRecordId"] == first["MeteringRecordId"]
    assert answer["UnprocessedRecords"] == []
    assert lm.bill(product, customer=customer) == {"pages": Decimal("1.5")}


@pytest.fixture
def serving(connect_to):
    """``serving(metering_ahead=60)``: an emulator with these switches, at noon, and a client of it."""
    started = []

    def start(**switches):
        started.append(Emulator(behavior=Behavior(**switches)).start())
        started[-1].clock.freeze(NOON)
        return started[-1], connect_to("meteringmarketplace", url=started[-1].url)

    yield start
    for one in started:
        one.close()


def test_a_timestamp_ahead_of_the_clock_is_refused(serving, code):
    lm, metering = serving(metering_ahead=60)
    meter(metering, 1, NOON + timedelta(seconds=60))
    with code("TimestampOutOfBoundsException"):
        meter(metering, 1, NOON + timedelta(seconds=61), dimension="words")
    assert lm.bill() == {"pages": 1}


def test_a_client_token_counts_for_its_time(serving, code):
    lm, metering = serving(metering_replay_window=60)
    meter(metering, 1, ClientToken="same")
    with code("IdempotencyConflictException"):
        meter(metering, 2, ClientToken="same", dimension="words")
    lm.clock.advance(60)
    meter(metering, 2, ClientToken="same", dimension="words")
    assert lm.bill() == {"pages": 1, "words": 2}
