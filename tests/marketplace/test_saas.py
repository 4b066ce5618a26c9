"""SaaS: BatchMeterUsage, by customer and licence."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from meterguard.events import UsageDiffers, UsageGivenUp, UsagePending, UsageRejected
from meterguard.marketplace import Sink
from tests.marketplace.conftest import CODE, requests, use

HOUR = 3600
PAGES = {"Pages": "pages"}
NONE = {"records": 0, "quantity": 0}


@pytest.fixture
def product(lm):
    return lm.add_product(CODE, ["pages", "storage"], [f"{n:012d}" for n in range(1, 31)])


@pytest.fixture
def buyers(product):
    """The customers by the names that the application has for them."""
    return {f"tenant-{n}": (one.account_id, one.license_arn) for n, one in enumerate(product.customers, 1)}


def batches(lm):
    return [one.parameters["UsageRecords"] for one in requests(lm, "BatchMeterUsage")]


def test_each_customer_is_billed_for_its_own(lm, clock, guard, product, buyers):
    use(guard, 3, "tenant-1")
    use(guard, 1, "tenant-1")
    use(guard, 5, "tenant-2")
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, customers=buyers)
    assert sink.flush()["delivered"] == {"records": 2, "quantity": 9}
    assert [lm.bill(customer=one) for one in product.customers[:3]] == [{"pages": 4}, {"pages": 5}, {}]
    (records,) = batches(lm)
    assert all(set(one) == RECORD for one in records)
    (request,) = requests(lm, "BatchMeterUsage")
    assert "ProductCode" not in request.parameters


RECORD = {"CustomerAWSAccountId", "LicenseArn", "Dimension", "Timestamp", "QuantityAsDecimal"}


def test_two_names_of_a_customer_make_one_record(lm, clock, guard, product, buyers):
    use(guard, 3, "tenant-1")
    use(guard, 4, "tenant-one")
    clock.shift(HOUR)
    Sink(guard, PAGES, customers={**buyers, "tenant-one": buyers["tenant-1"]}).flush()
    assert [(one.account, one.quantity) for one in lm.metering_records()] == [(product.customers[0].account_id, 7)]


def test_25_records_make_a_request(lm, clock, guard, buyers):
    for name in buyers:
        use(guard, 1, name)
    clock.shift(HOUR)
    assert Sink(guard, PAGES, customers=buyers).flush()["delivered"] == {"records": 30, "quantity": 30}
    assert [len(records) for records in batches(lm)] == [25, 5]


def test_a_subject_that_nobody_knows_waits_and_holds_nobody_up(lm, clock, guard, buyers, told):
    known = dict(buyers)
    late = known.pop("tenant-2")
    sink = Sink(guard, PAGES, customers=known)
    use(guard, 3, "tenant-1")
    use(guard, 5, "tenant-2")
    use(guard, 7)  # for nobody
    clock.shift(HOUR)
    status = sink.flush()
    assert status["delivered"] == {"records": 1, "quantity": 3}
    assert status["pending"] == {"records": 2, "quantity": 12}
    assert "2 subjects" in told(UsagePending)[0].problem
    known["tenant-2"] = late
    assert sink.flush()["delivered"] == {"records": 2, "quantity": 8}
    clock.shift(24 * HOUR)
    assert sink.flush()["given_up"] == {"records": 1, "quantity": 7}
    assert told(UsageGivenUp)[0].dimension is None
    assert lm.bill() == {"pages": 8}


def test_a_new_licence_of_a_customer_is_not_billed_for_what_the_old_one_was(lm, clock, guard, product, buyers):
    sink = Sink(guard, PAGES, customers=buyers)
    use(guard, 3, "tenant-1")
    clock.shift(HOUR)
    sink.flush()
    renewed = product.add_customer(product.customers[0].account_id)
    buyers["tenant-1"] = (renewed.account_id, renewed.license_arn)
    use(guard, 5, "tenant-1")
    clock.shift(HOUR)
    sink.flush()
    assert lm.bill(customer=product.customers[0].license_arn) == {"pages": 3}
    assert lm.bill(customer=renewed.license_arn) == {"pages": 5}


def test_a_callable_is_asked_once_for_a_subject_and_may_fail(lm, clock, guard, buyers, caplog):
    asked = []

    def customers(subject):
        asked.append(subject)
        if subject == "tenant-2":
            raise LookupError("secret words of a database")
        return buyers.get(subject)

    for _ in range(3):
        use(guard, 1, "tenant-1")
        use(guard, 1, "tenant-2")
        clock.shift(HOUR)
    sink = Sink(guard, PAGES, customers=customers)
    with caplog.at_level(logging.DEBUG):
        status = sink.flush()
    assert status["delivered"] == {"records": 3, "quantity": 3}
    assert status["pending"] == {"records": 3, "quantity": 3}
    assert asked.count("tenant-1") == 1
    assert "LookupError" in caplog.text
    assert "secret words" not in caplog.text


@pytest.mark.parametrize("wrong", ["123", ("12", "arn:aws:x"), ("1" * 12, "no arn"), (1, 2), ("1" * 12,), 5])
def test_what_is_no_customer_holds_nobody_up(lm, clock, guard, buyers, wrong, caplog):
    use(guard, 3, "tenant-1")
    use(guard, 5, "tenant-2")
    clock.shift(HOUR)
    status = Sink(guard, PAGES, customers={**buyers, "tenant-2": wrong}).flush()
    assert status["delivered"] == {"records": 1, "quantity": 3}
    assert status["pending"] == {"records": 1, "quantity": 5}
    assert "CustomerAWSAccountId" in caplog.text


class TestAnswers:
    def test_a_poisoned_batch_is_halved(self, lm, clock, guard, buyers, told):
        for name in buyers:
            use(guard, 1, name)
        use(guard, 2, "tenant-7", name="Other")
        clock.shift(HOUR)
        sink = Sink(guard, {**PAGES, "Other": "no-such-dimension"}, customers=buyers)
        status = sink.flush()
        assert status["delivered"] == {"records": 30, "quantity": 30}
        assert status["rejected"] == {"records": 1, "quantity": 2}
        assert told(UsageRejected)[0].code == "InvalidUsageDimensionException"
        sizes = [len(records) for records in batches(lm)]
        assert max(sizes) == 25
        assert len(sizes) <= 2 + 2 * 5
        assert lm.bill() == {"pages": 30}

    def test_a_customer_that_left_is_rejected_alone(self, lm, clock, guard, product, buyers, told):
        product.customers[0].unsubscribe()
        clock.shift(2 * HOUR)
        use(guard, 3, "tenant-1")
        use(guard, 5, "tenant-2")
        clock.shift(HOUR)
        status = Sink(guard, PAGES, customers=buyers).flush()
        assert status["rejected"] == {"records": 1, "quantity": 3}
        assert status["delivered"] == {"records": 1, "quantity": 5}
        assert told(UsageRejected)[0].code == "CustomerNotSubscribed"

    def test_two_products_in_a_request_are_told_apart(self, lm, clock, guard, buyers):
        other = lm.add_product("Other", ["pages"], ["9" * 12])
        (buyer,) = other.customers
        use(guard, 3, "tenant-1")
        use(guard, 5, "tenant-2")
        use(guard, 7, "theirs")
        clock.shift(HOUR)
        customers = {**buyers, "theirs": (buyer.account_id, buyer.license_arn)}
        assert Sink(guard, PAGES, customers=customers).flush()["delivered"] == {"records": 3, "quantity": 15}
        assert lm.bill(other) == {"pages": 7}

    def test_another_quantity_is_told(self, lm, clock, guard, buyers, told):
        import boto3

        use(guard, 3, "tenant-1")
        clock.shift(HOUR)
        account_id, license_arn = buyers["tenant-1"]
        record = {"CustomerAWSAccountId": account_id, "LicenseArn": license_arn, "Dimension": "pages", "Quantity": 2}
        hour = lm.clock.now() // HOUR * HOUR - HOUR
        boto3.Session().client("meteringmarketplace").batch_meter_usage(UsageRecords=[{**record, "Timestamp": hour}])
        assert Sink(guard, PAGES, customers=buyers).flush()["delivered"] == {"records": 1, "quantity": 3}
        assert told(UsageDiffers)[0].code == "DuplicateRecord"
        assert lm.bill() == {"pages": 2}

    def test_a_lost_answer_is_no_second_charge(self, lm, clock, guard, buyers):
        use(guard, 3, "tenant-1")
        use(guard, Decimal("0.5"), "tenant-2")
        clock.shift(HOUR)
        lm.faults.add("BatchMeterUsage", drop="after", times=1)
        sink = Sink(guard, PAGES, customers=buyers)
        assert sink.flush()["pending"] == {"records": 2, "quantity": Decimal("3.5")}
        assert sink.flush()["delivered"] == {"records": 2, "quantity": Decimal("3.5")}
        assert lm.bill() == {"pages": Decimal("3.5")}

    def test_what_was_not_processed_is_sent_again(self, lm, clock, guard, buyers, told):
        use(guard, 3, "tenant-1")
        use(guard, 5, "tenant-2")
        clock.shift(HOUR)
        lm.faults.add("BatchMeterUsage", partial={"pages": 1}, times=1)
        sink = Sink(guard, PAGES, customers=buyers)
        assert sink.flush()["pending"]["records"] == 1
        assert told(UsagePending)[0].code == "UnprocessedRecords"
        assert sink.flush()["delivered"] == {"records": 2, "quantity": 8}
        assert [len(records) for records in batches(lm)] == [2, 1]

    def test_24_hours_are_the_limit(self, lm, clock, guard, buyers):
        use(guard, 3, "tenant-1")
        clock.shift(HOUR)
        use(guard, 5, "tenant-1")
        clock.shift(23 * HOUR)
        status = Sink(guard, PAGES, customers=buyers).flush()
        assert status["given_up"] == {"records": 1, "quantity": 3}
        assert status["delivered"] == {"records": 1, "quantity": 5}

    def test_who_may_not_meter_is_told_which_action_is_missing(self, lm, clock, guard, buyers, told):
        use(guard, 3, "tenant-1")
        clock.shift(HOUR)
        lm.faults.add("BatchMeterUsage", error="AccessDeniedException", times=1)
        assert Sink(guard, PAGES, customers=buyers).flush()["pending"] == {"records": 1, "quantity": 3}
        assert "aws-marketplace:BatchMeterUsage" in told(UsagePending)[0].problem


def test_no_arn_and_no_account_reaches_a_log_an_event_or_a_repr(lm, clock, guard, buyers, caplog):
    events = []
    guard.subscribe(events.append)
    for name in list(buyers)[:3]:
        use(guard, 1, name)
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, customers=buyers)
    lm.faults.add("BatchMeterUsage", error="AccessDeniedException", times=1)
    with caplog.at_level(logging.DEBUG, "meterguard"):
        statuses = [sink.flush(), sink.flush()]
    shown = " ".join([caplog.text, repr(events), repr(sink), repr(statuses), *map(str, events)])
    for account_id, license_arn in list(buyers.values())[:3]:
        assert license_arn not in shown
        assert account_id not in shown
