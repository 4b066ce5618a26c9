"""Usage records: nothing is lost or added when lines become records, whatever they are told apart by."""

from __future__ import annotations

import decimal
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.core.usage_records import recorded
from meterguard.usage import DAY, HOUR, UsageKey, UsageLine, day_of

EXACT = decimal.Context(prec=1_000)
HOURS = st.integers(0, 2**31 // HOUR).map(lambda number: number * HOUR)
KEYS = st.builds(
    UsageKey,
    st.sampled_from(["one", "other"]),
    st.sampled_from(["Pages", "Seats"]),
    st.sampled_from(["Count", "Seconds"]),
    st.sampled_from([None, "", "acme", "globex"]),
    HOURS | st.sampled_from([hour * HOUR for hour in range(454_000, 454_060)]),
    st.booleans(),
    st.just(HOUR),
)
QUANTITIES = st.decimals(0, 10**30, places=6) | st.integers(0, 10**30).map(Decimal)
LINES = st.lists(st.builds(UsageLine, KEYS | KEYS.map(day_of), QUANTITIES), max_size=12)
BUCKETS = st.sampled_from(["hour", "day", "month"])


def total(pairs):
    sums = defaultdict(Decimal)
    for key, quantity in pairs:
        sums[key] = EXACT.add(sums[key], quantity)
    return dict(sums)


@given(LINES, BUCKETS, st.booleans())
def test_the_sum_of_the_records_is_the_sum_of_the_lines(lines, bucket, by_subject):
    with decimal.localcontext(prec=3):  # what an application sets for its own sums changes none of ours
        records = recorded(lines, bucket, by_subject=by_subject)
    told_apart = [(one.entitlement, one.unit, one.subject, one.start, one.end) for one in records]
    assert len(set(told_apart)) == len(told_apart)
    found = total(((one.entitlement, one.unit, one.subject), one.quantity) for one in records)
    assert found == total(
        ((key.name, key.unit, key.subject if by_subject else None), quantity) for key, quantity in lines
    )


@given(LINES, BUCKETS, st.booleans())
def test_each_span_is_a_whole_one_and_they_are_in_order(lines, bucket, by_subject):
    records = recorded(lines, bucket, by_subject=by_subject)
    order = [(one.start, one.entitlement, one.subject is not None, one.subject or "") for one in records]
    assert order == sorted(order)
    for one in records:
        assert one.start.utcoffset() == timedelta(0)
        if bucket == "month":
            assert (one.start.day, one.start.hour, one.end.day, one.end.hour) == (1, 0, 1, 0)
            assert 28 <= (one.end - one.start).days <= 31
        elif bucket == "day":
            assert (one.start.hour, one.end - one.start) == (0, timedelta(days=1))
        else:
            assert one.end - one.start in {timedelta(hours=1), timedelta(days=1)}
    starts = {key.hour for key, _ in lines}
    assert all(any(one.start.timestamp() <= hour < one.end.timestamp() for one in records) for hour in starts)


def moment(*parts):
    return datetime(*parts, tzinfo=UTC)


def line(at, quantity, seconds=HOUR, **parts):
    return UsageLine(
        UsageKey("s", "Pages", "Count", None, int(at.timestamp()), seconds=seconds)._replace(**parts), Decimal(quantity)
    )


@pytest.mark.parametrize(
    ("bucket", "start", "end"),
    [
        ("hour", moment(2027, 12, 31, 23), moment(2028, 1, 1)),
        ("day", moment(2027, 12, 31), moment(2028, 1, 1)),
        ("month", moment(2027, 12, 1), moment(2028, 1, 1)),
    ],
)
def test_a_bucket_ends_where_the_next_begins(bucket, start, end):
    (record,) = recorded([line(moment(2027, 12, 31, 23), 1)], bucket, by_subject=False)
    assert (record.start, record.end) == (start, end)


def test_a_day_that_was_put_together_stays_a_day_beside_its_first_hour():
    lines = [line(moment(2026, 11, 1), 1), line(moment(2026, 11, 1), 2, DAY)]
    records = recorded(lines, "hour", by_subject=False)
    assert [(one.end - one.start, one.quantity) for one in records] == [
        (timedelta(hours=1), 1),
        (timedelta(days=1), 2),
    ]
    assert [one.quantity for one in recorded(lines, "day", by_subject=False)] == [3]


def test_draws_and_meters_of_one_name_are_one_record():
    at = moment(2026, 11, 1)
    (record,) = recorded([line(at, 1), line(at, "0.000001", is_metered=True)], "hour", by_subject=True)
    assert record.quantity == Decimal("1.000001")
