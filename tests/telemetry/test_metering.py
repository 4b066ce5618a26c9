"""Metering records for AWS Marketplace, in both systems alike: by what became of them."""

from __future__ import annotations

import boto3
import pytest

from meterguard.marketplace import Sink
from meterguard.testing import Clock
from tests.marketplace.conftest import CODE, NOON, use

HOUR = 3600


@pytest.fixture
def clock(lm, monkeypatch):
    """Time for all, which begins ten minutes after noon."""
    from meterguard.runtime.clock import SystemClock

    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", lm.url)
    clock = Clock(lm)
    clock.shift(NOON.timestamp() - SystemClock().wall())
    yield clock
    clock.restore()


@pytest.fixture
def guard(clock, new_guard):
    return new_guard()


@pytest.fixture
def sink(system, guard):
    system.instrument(guard)
    return Sink(guard, {"Pages": "pages"}, product_code=CODE)


def records(outcome, error="", count=1, name="Pages"):
    return {("metering_records", name, outcome, error): count}


def fails(lm, code, times=1):
    lm.faults.add("MeterUsage", error=code, times=times)


def begun(system):
    """What was counted, the zeros too."""
    return {key: number for key, number in system.samples() if key[0] == "metering_records"}


def test_what_is_reported_and_what_never_was_wrong(system, clock, guard, sink):
    for _ in range(2):
        use(guard, 3)
        clock.shift(HOUR)
        sink.flush()
    zeros = records("differs", count=0) | records("rejected", count=0) | records("given_up", count=0)
    assert begun(system) == records("reported", count=2) | zeros


def test_each_attempt_that_fails_is_pending_with_its_code(lm, counts, clock, guard, sink):
    use(guard, 3)
    clock.shift(HOUR)
    fails(lm, "ThrottlingException", times=2)
    for _ in range(3):
        sink.flush()
    assert counts() == records("pending", "ThrottlingException", 2) | records("reported")


def test_another_quantity_at_aws_differs(counts, clock, guard, sink):
    use(guard, 3)
    clock.shift(HOUR)
    other = {"ProductCode": CODE, "Timestamp": NOON, "UsageDimension": "pages", "UsageQuantityAsDecimal": "2"}
    boto3.client("meteringmarketplace").meter_usage(**other)
    sink.flush()
    assert counts() == records("differs")


def test_a_refusal_is_seen_as_an_increase_the_first_time(system, lm, clock, guard, sink):
    use(guard, 3)
    clock.shift(HOUR)
    fails(lm, "InvalidUsageDimensionException")
    sink.flush()
    zeros = records("differs", count=0) | records("given_up", count=0)
    assert begun(system) == records("rejected") | zeros


def test_what_is_given_up(counts, clock, guard, sink):
    use(guard, 3)
    clock.shift(7 * HOUR)
    sink.flush()
    assert counts() == records("given_up")


def test_a_subject_that_nobody_mapped_has_no_code(counts, clock, guard, system):
    system.instrument(guard)
    use(guard, 3, subject="acme")
    use(guard, 4, subject="globex")
    clock.shift(HOUR)
    Sink(guard, {"Pages": "pages"}, customers={}).flush()
    assert counts() == records("pending", "_OTHER", 2)


def test_no_label_says_who_a_customer_is(system, lm, clock, guard):
    system.instrument(guard)
    product = lm.add_product(CODE, ["pages"], ["222222222222"])
    (customer,) = product.customers
    use(guard, 3, subject="acme")
    clock.shift(HOUR)
    Sink(guard, {"Pages": "pages"}, customers={"acme": (customer.account_id, customer.license_arn)}).flush()
    assert lm.bill(customer=customer) == {"pages": 3}
    said = repr(list(system.samples()))
    assert not any(secret in said for secret in ("acme", customer.account_id, customer.license_arn))
