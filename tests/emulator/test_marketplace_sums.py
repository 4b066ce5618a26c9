"""Whatever is sent, in whatever order and by however many at once: the bill is the sum of the first records."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from meterguard.emulator import Emulator

NOW = 1_800_000_000  # 08:00 of a day
BUYERS = ["222222222222", "333333333333"]
RECORDS = st.tuples(
    st.integers(0, 2),  # which licence
    st.sampled_from(["pages", "words"]),
    st.sampled_from([0, 1, 3599, 3600, 3601, 86_399]),  # seconds ago
    st.sampled_from(["0", "1", "1.0", "1.5", "1.50", "2"]),
)
STEPS = st.lists(st.tuples(st.lists(RECORDS, max_size=4), st.sampled_from([None, "before", "after"])), max_size=6)


def send(lm, records):
    """One batch through the dispatcher; its statuses, or None if there is no answer."""
    headers = [(b"x-amz-target", b"AWSMPMeteringService.BatchMeterUsage")]
    request = lm._dispatcher.arrive(headers, json.dumps({"UsageRecords": records}).encode())
    reply = lm._dispatcher.answer(request)
    if reply.is_nothing:
        return None
    assert reply.status == 200, reply.body
    return [one["Status"] for one in json.loads(reply.body)["Results"]]


@given(steps=STEPS)
def test_the_bill_is_the_sum_of_the_first_records(steps):
    lm = Emulator()
    lm.clock.freeze(NOW)
    customers = lm.add_product("prod-1", ["pages", "words"], [*BUYERS, BUYERS[0]]).customers
    first = {}
    for records, lost in steps:
        if lost is not None:
            lm.faults.add("BatchMeterUsage", drop=lost)
        sent, told = [], []
        for which, dimension, ago, quantity in records:
            of = {"CustomerAWSAccountId": customers[which].account_id, "LicenseArn": customers[which].license_arn}
            at = NOW - ago
            sent.append({**of, "Dimension": dimension, "Timestamp": at, "QuantityAsDecimal": quantity})
            if lost != "before":
                stands = first.setdefault((which, dimension, at // 3600), Decimal(quantity))
                told.append("Success" if stands == Decimal(quantity) else "DuplicateRecord")
        assert send(lm, sent) == (None if lost is not None else told)
    sums = {}
    for (_, dimension, _), quantity in first.items():
        sums[dimension] = sums.get(dimension, 0) + quantity
    assert lm.bill() == {dimension: quantity for dimension, quantity in sums.items() if quantity}


def test_of_many_at_once_one_is_the_first(lm, connect_to):
    lm.clock.freeze(NOW)
    (customer,) = lm.add_product("prod-1", ["pages"], BUYERS[:1]).customers
    metering = connect_to("meteringmarketplace")
    barrier, told = threading.Barrier(8), []

    def work(quantity):
        record = {"CustomerAWSAccountId": customer.account_id, "LicenseArn": customer.license_arn}
        record |= {"Dimension": "pages", "Timestamp": NOW, "Quantity": quantity}
        barrier.wait()
        (result,) = metering.batch_meter_usage(UsageRecords=[record])["Results"]
        told.append((result["Status"], quantity))

    threads = [threading.Thread(target=work, args=(quantity,)) for quantity in range(1, 9)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    ((_, stands),) = [one for one in told if one[0] == "Success"]
    assert [status for status, _ in told].count("DuplicateRecord") == 7
    assert lm.bill() == {"pages": stands}
