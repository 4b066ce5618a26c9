"""Products in the buyer's account: MeterUsage, one record an hour."""

from __future__ import annotations

import threading
from decimal import Decimal

import boto3
import pytest

from meterguard import ConfigurationError
from meterguard.events import UsageDiffers, UsageGivenUp, UsagePending, UsageRejected, UsageReported
from meterguard.marketplace import Sink
from tests.marketplace.conftest import CODE, NOON, requests, use

HOUR = 3600
PAGES = {"Pages": "pages"}
NONE = {"records": 0, "quantity": 0}


def at(hour):
    """The start of an hour of the day on which tests begin."""
    return NOON.replace(hour=hour, minute=0).timestamp()


@pytest.fixture
def sink(guard):
    return Sink(guard, PAGES, product_code=CODE)


def test_a_closed_hour_is_reported_once(lm, clock, guard, sink):
    use(guard, 3)
    use(guard, Decimal("0.25"), subject="acme")
    assert sink.flush() == {"pending": NONE, "delivered": NONE, "given_up": NONE, "rejected": NONE}
    assert requests(lm) == []
    clock.shift(HOUR)
    one = {"records": 1, "quantity": Decimal("3.25")}
    assert sink.status() == {"pending": one, "delivered": NONE, "given_up": NONE, "rejected": NONE}
    assert requests(lm) == []
    for _ in range(3):
        assert sink.flush() == {"pending": NONE, "delivered": one, "given_up": NONE, "rejected": NONE}
    assert len(requests(lm)) == 1
    assert lm.bill() == {"pages": Decimal("3.25")}


def test_the_record_has_the_start_of_its_hour_and_a_decimal(lm, clock, guard, sink):
    use(guard, 3)
    clock.shift(HOUR)
    sink.flush()
    (record,) = lm.metering_records()
    assert (record.dimension, record.quantity, record.timestamp) == ("pages", 3, at(12))
    (request,) = requests(lm)
    assert request.parameters["UsageQuantityAsDecimal"] == "3"
    assert "UsageQuantity" not in request.parameters


def test_draws_are_reported_as_meters_are_and_other_names_not(lm, clock, guard, sink):
    with guard.consumes_entitlement("Pages", 7):
        pass
    use(guard, 2)
    use(guard, 100, name="Other")
    clock.shift(HOUR)
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 9}
    assert lm.bill() == {"pages": 9}


def test_several_names_make_one_dimension(lm, clock, guard):
    use(guard, 3)
    use(guard, 4, name="Prints")
    use(guard, 5, name="Storage")
    clock.shift(HOUR)
    sink = Sink(guard, {**PAGES, "Prints": "pages", "Storage": "storage"}, product_code=CODE)
    assert sink.flush()["delivered"] == {"records": 2, "quantity": 12}
    assert lm.bill() == {"pages": 7, "storage": 5}


def test_a_charge_belongs_to_the_hour_in_which_it_is_settled(lm, clock, guard, sink):
    with guard.meters_usage("Pages", 5) as charge:
        clock.shift(HOUR)
        charge.settle(2)
    assert sink.flush()["delivered"] == NONE
    clock.shift(HOUR)
    sink.flush()
    assert [one.timestamp for one in lm.metering_records()] == [at(13)]


def test_what_comes_late_goes_into_the_next_hour_that_has_no_record(lm, clock, guard, sink):
    use(guard, 1)
    clock.shift(HOUR)
    sink.flush()
    clock.shift(-HOUR)  # as a process whose clock was set back, or that could not write before
    use(guard, 10)
    clock.shift(HOUR)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 10}
    use(guard, 100)
    clock.shift(HOUR)
    assert sink.flush()["delivered"] == {"records": 2, "quantity": 111}
    assert [(one.timestamp, one.quantity) for one in lm.metering_records()] == [(at(12), 1), (at(13), 110)]


@pytest.mark.parametrize("error", ["ThrottlingException", "InternalServiceErrorException"])
def test_an_outage_raises_nothing_and_is_ridden_out(lm, clock, guard, sink, told, error):
    use(guard, 3)
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", error=error, times=4)
    for hours in range(4):
        assert sink.flush()["pending"] == {"records": 1 + hours, "quantity": 3 + hours}
        use(guard, 1)
        clock.shift(HOUR)
    assert {one.code for one in told(UsagePending)} == {error}
    assert sink.flush()["delivered"] == {"records": 5, "quantity": 7}
    assert lm.bill() == {"pages": 7}


def test_a_lost_answer_is_no_second_charge(lm, clock, guard, sink):
    use(guard, 3)
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", drop="after", times=1)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 3}
    use(guard, 50)
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}
    assert lm.bill() == {"pages": 3}
    first, second = requests(lm)
    assert first.parameters == second.parameters


def test_what_is_too_old_is_given_up_counted_and_told(lm, clock, guard, sink, told):
    use(guard, 3)
    clock.shift(HOUR)
    use(guard, 5)
    clock.shift(5 * HOUR)  # 18:10
    status = sink.flush()
    assert status["given_up"] == {"records": 1, "quantity": 3}
    assert status["delivered"] == {"records": 1, "quantity": 5}
    (event,) = told(UsageGivenUp)
    assert (event.dimension, event.quantity, event.start.hour, event.was_never_sent) == ("pages", 3, 12, True)
    assert sink.flush() == status
    assert lm.bill() == {"pages": 5}


def test_a_record_that_was_sent_in_vain_is_given_up_too(lm, clock, guard, sink, told):
    use(guard, 3)
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", error="InternalServiceErrorException", times=2)
    sink.flush()
    clock.shift(6 * HOUR)
    assert sink.flush()["given_up"] == {"records": 1, "quantity": 3}
    (event,) = told(UsageGivenUp)
    assert not event.was_never_sent


def test_the_last_month_is_closed_at_six_in_the_morning(lm, clock, guard, sink):
    clock.shift(19 * 24 * HOUR + 11 * HOUR)  # 30 November, 23:10
    use(guard, 3)
    clock.shift(6.9 * HOUR)  # 1 December, 06:04: not six hours old yet would be 05:00
    assert sink.flush()["given_up"] == {"records": 1, "quantity": 3}


def test_a_young_record_that_is_called_out_of_bounds_stays(lm, clock, guard, sink, told):
    use(guard, 3)
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", error="TimestampOutOfBoundsException", times=1)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 3}
    assert "clock" in told(UsagePending)[0].problem
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}


def test_a_buyer_without_a_subscription_goes_on_working(lm, clock, guard, sink, told):
    use(guard, 3)
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", error="CustomerNotEntitledException", times=1)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 3}
    assert told(UsagePending)[0].code == "CustomerNotEntitledException"
    use(guard, 4)
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}


def test_another_quantity_of_the_hour_is_told_and_not_billed_again(lm, clock, guard, sink, told):
    use(guard, 3)
    clock.shift(HOUR)
    boto3.Session().client("meteringmarketplace").meter_usage(
        ProductCode=CODE, Timestamp=at(12), UsageDimension="pages", UsageQuantityAsDecimal="2"
    )
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}
    (event,) = told(UsageDiffers)
    assert (event.quantity, event.code) == (3, "DuplicateRequestException")
    assert lm.bill() == {"pages": 2}
    assert told(UsageReported) == []


def test_a_wrong_dimension_is_rejected_alone_and_free_once_the_mapping_is_mended(lm, clock, guard, told):
    lm.add_product(CODE, ["pages", "storage"])
    use(guard, 3)
    use(guard, 5, name="Storage")
    clock.shift(HOUR)
    wrong = Sink(guard, {"Pages": "pagse", "Storage": "storage"}, product_code=CODE)
    status = wrong.flush()
    assert status["rejected"] == {"records": 1, "quantity": 3}
    assert status["delivered"] == {"records": 1, "quantity": 5}
    assert told(UsageRejected)[0].code == "InvalidUsageDimensionException"
    assert len(requests(lm)) == 2
    wrong.flush()
    assert len(requests(lm)) == 2  # it is not tried again and again
    right = Sink(guard, {"Pages": "pages", "Storage": "storage"}, product_code=CODE)
    assert right.flush()["delivered"] == {"records": 2, "quantity": 8}
    assert right.status()["rejected"] == NONE
    assert lm.bill() == {"pages": 3, "storage": 5}


def test_a_wrong_product_code_keeps_everything(lm, clock, guard, told):
    lm.add_product(CODE, ["pages"])
    use(guard, 3)
    clock.shift(HOUR)
    assert Sink(guard, PAGES, product_code="Other").flush()["pending"] == {"records": 1, "quantity": 3}
    assert "product code" in told(UsagePending)[0].problem


def test_an_old_botocore_sends_the_whole_part_and_carries_the_rest(lm, clock, guard, tmp_path):
    client = without_decimals(lm)
    sink = Sink(guard, PAGES, product_code=CODE, client=client)
    for quantity in ("0.75", "0.75", "0.5"):
        use(guard, Decimal(quantity))
        clock.shift(HOUR)
        sink.flush()
    assert [one.quantity for one in lm.metering_records()] == [1, 1]
    assert [one.parameters["UsageQuantity"] for one in requests(lm)] == [1, 1]
    assert all("UsageQuantityAsDecimal" not in one.parameters for one in requests(lm))


def test_a_fraction_that_a_newer_botocore_wrote_down_waits_for_it(lm, clock, guard, told):
    use(guard, Decimal("1.5"))
    clock.shift(HOUR)
    lm.faults.add("MeterUsage", error="ThrottlingException", times=1)
    newer = Sink(guard, PAGES, product_code=CODE)
    newer.flush()
    assert Sink(guard, PAGES, product_code=CODE, client=without_decimals(lm)).flush()["pending"]["records"] == 1
    assert "upgrade boto3" in told(UsagePending)[-1].problem
    assert newer.flush()["delivered"] == {"records": 1, "quantity": Decimal("1.5")}
    assert lm.bill() == {"pages": Decimal("1.5")}


def without_decimals(lm):
    """A client of a botocore before 1.44.1."""
    client = boto3.Session().client("meteringmarketplace", endpoint_url=lm.url)
    shape = client.meta.service_model.shape_for("MeterUsageRequest")
    for name in ("UsageQuantityAsDecimal", "ClientToken"):
        shape.members.pop(name)
    plain = client.meta.service_model.shape_for
    client.meta.service_model.shape_for = lambda name: shape if name == "MeterUsageRequest" else plain(name)
    return client


def test_many_flushes_at_once_report_an_hour_once(lm, clock, guard, sink):
    use(guard, 3)
    clock.shift(HOUR)
    sinks = [sink, *(Sink(guard, PAGES, product_code=CODE) for _ in range(7))]
    barrier = threading.Barrier(len(sinks))

    def flush(one):
        barrier.wait()
        one.flush()

    threads = [threading.Thread(target=flush, args=(one,)) for one in sinks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lm.bill() == {"pages": 3}
    assert len(lm.metering_records()) == 1
    assert sink.status()["delivered"] == {"records": 1, "quantity": 3}


def test_in_agentcore_the_open_hour_is_reported_too_and_each_token_once(lm, clock, guard):
    lm.add_product(CODE, ["pages"], agentcore=True)
    sink = Sink(guard, PAGES, product_code=CODE, mode="agentcore")
    use(guard, 3)
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}
    use(guard, 4)
    lm.faults.add("MeterUsage", drop="after", times=1)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 4}
    use(guard, 5)
    assert sink.flush()["delivered"] == {"records": 3, "quantity": 12}
    assert lm.bill() == {"pages": 12}
    tokens = [one.parameters["ClientToken"] for one in requests(lm)]
    assert len(tokens) == 4
    assert len(set(tokens)) == 3


def test_a_ledger_in_memory_will_do(lm, clock, make_guard):
    guard = make_guard(lm, lm.add_license("ACME-2", [("Pages", 10, "Count")]))
    sink = Sink(guard, PAGES, product_code=CODE)
    use(guard, 3)
    clock.shift(HOUR)
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}


class TestArguments:
    @pytest.mark.parametrize(
        ("how", "names"),
        [
            ({}, "product_code"),
            ({"product_code": CODE, "customers": {}}, "product_code"),
            ({"product_code": " "}, "product_code"),
            ({"product_code": 5}, "product_code"),
            ({"customers": "all"}, "customers"),
            ({"product_code": CODE, "mode": "lambda"}, "mode"),
            ({"customers": {}, "mode": "agentcore"}, "product_code"),
        ],
    )
    def test_a_wrong_one_is_named(self, guard, how, names):
        with pytest.raises(ConfigurationError, match=names):
            Sink(guard, PAGES, **how)

    @pytest.mark.parametrize("dimensions", [{}, {"Pages": ""}, {"": "pages"}, {"Pages": 1}, "pages", None])
    def test_dimensions_are_names(self, guard, dimensions):
        with pytest.raises(ConfigurationError, match="dimensions must be a mapping"):
            Sink(guard, dimensions, product_code=CODE)

    def test_a_guard_is_needed(self):
        with pytest.raises(ConfigurationError, match="guard must be a MeterGuard"):
            Sink(None, PAGES, product_code=CODE)

    def test_a_closed_guard_is_said(self, guard, sink):
        guard.close()
        with pytest.raises(ConfigurationError, match="closed"):
            sink.flush()

    def test_the_repr_names_no_code(self, sink):
        assert repr(sink) == "<Sink of pages (AMI or container)>"
