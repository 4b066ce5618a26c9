"""What is due, what it becomes, and what becomes of it in time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.core.metering_book import Book, Tally
from meterguard.core.metering_records import (
    AGENTCORE,
    HORIZON,
    HOST,
    LARGEST,
    SAAS,
    aged,
    due,
    is_too_old,
    plan,
    watermark,
)
from meterguard.metering_records import Answer, Customer, MeteringRecord, RecordState, Series, Verdict
from meterguard.usage import HOUR, UsageKey, UsageLine

NOON = int(datetime(2026, 11, 11, 12, tzinfo=UTC).timestamp())
TOKENS = count(1)
PAGES = Series("pages")
ACME = Series("pages", Customer("1" * 12, "arn:aws:license-manager::1:license:l-1"))


def line(quantity, hour=0, name="Pages", subject=None):
    return UsageLine(UsageKey("scope", name, "Count", subject, NOON + hour * HOUR, True), Decimal(quantity))


def planned(lines, records=(), hours=1.0, *, series_of=lambda _: PAGES, rules=HOST, fractions=True):
    def new():
        return MeteringRecord("", None, 0, Decimal(0), (), f"token-{next(TOKENS)}")

    return plan(lines, records, series_of, rules, NOON + hours * HOUR, new, fractions=fractions)


def told(found):
    """Return hour after noon, quantity and state of each record."""
    return [((one.moment - NOON) // HOUR, one.quantity, one.state.value) for one in found.records]


class TestTooOld:
    @pytest.mark.parametrize(
        ("hour", "now", "rules", "expected"),
        [
            ("2026-11-11 12:00", "2026-11-11 18:00:00", HOST, False),
            ("2026-11-11 12:00", "2026-11-11 18:00:01", HOST, True),
            ("2026-11-11 12:00", "2026-11-12 12:00:00", SAAS, False),
            ("2026-11-11 12:00", "2026-11-12 12:00:01", SAAS, True),
            ("2026-11-11 12:00", "2026-11-11 18:00:01", AGENTCORE, True),
            ("2026-11-30 23:00", "2026-12-01 05:59:59", SAAS, False),
            ("2026-11-30 23:00", "2026-12-01 06:00:00", SAAS, True),
            ("2026-12-01 00:00", "2026-12-01 06:00:00", SAAS, False),
            ("2026-12-31 23:00", "2027-01-01 06:00:00", SAAS, True),
            ("2026-12-31 23:00", "2027-01-01 04:00:00", HOST, False),
        ],
    )
    def test_windows_and_months(self, hour, now, rules, expected):
        moments = [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (hour, now)]
        assert is_too_old(*moments, rules) is expected


class TestPlans:
    def test_hours_are_apart_and_lines_of_one_are_added_up(self):
        found = planned([line(1), line(2, subject="a"), line(4, hour=1)], hours=2)
        assert told(found) == [(0, 3, "pending"), (1, 4, "pending")]
        assert [len(one.parts) for one in found.records] == [2, 1]

    @pytest.mark.parametrize("hours", [0, 0.99])
    def test_the_open_hour_waits(self, hours):
        assert told(planned([line(1)], hours=hours)) == []

    def test_an_hour_to_come_waits(self):
        assert told(planned([line(1, hour=5)], hours=2)) == []

    def test_what_stands_in_a_record_is_not_due(self):
        first = planned([line(3)]).records
        assert planned([line(3)], first, hours=2) == ((), ())

    def test_late_usage_goes_into_the_first_free_hour_and_joins_what_is_there(self):
        first = planned([line(3)]).records
        found = planned([line(5), line(7, hour=1)], first, hours=3)
        assert told(found) == [(1, 9, "pending")]

    def test_late_usage_waits_while_each_hour_has_a_record(self):
        first = planned([line(3)]).records
        found = planned([line(5)], first, hours=1.5)
        assert (told(found), [one.quantity for one in found.waiting]) == ([], [2])

    def test_late_usage_of_an_old_hour_that_has_a_record_is_not_lost(self):
        first = planned([line(3)]).records
        assert told(planned([line(5)], first, hours=8)) == [(2, 2, "pending")]

    def test_an_old_hour_without_a_record_is_given_up_once(self):
        found = planned([line(3)], hours=7)
        assert told(found) == [(0, 3, "given_up")]
        assert found.records[0].is_late
        assert planned([line(3)], found.records, hours=7) == ((), ())

    def test_more_of_an_old_hour_is_given_up_too(self):
        first = planned([line(3)], hours=7).records
        assert told(planned([line(5)], first, hours=7)) == [(0, 2, "given_up")]

    def test_nobodys_usage_waits_and_is_given_up_in_the_end(self):
        nobody = {"series_of": lambda _: None, "rules": SAAS}
        assert [one.quantity for one in planned([line(3)], **nobody).waiting] == [3]
        (record,) = planned([line(3)], hours=25, **nobody).records
        assert (record.state, record.series) == (RecordState.GIVEN_UP, None)

    def test_more_than_a_record_holds_goes_into_the_next(self):
        lines = [line(LARGEST + 5)]
        first = planned(lines).records
        assert told(planned(lines, first, hours=2)) == [(1, 5, "pending")]

    @pytest.mark.parametrize(
        ("quantities", "expected"),
        [(["0.75"], []), (["0.75", "0.5"], [(1, 1)]), (["1.75", "0.5"], [(0, 1)]), (["0.3", "0.3", "0.3"], [])],
    )
    def test_only_whole_quantities(self, quantities, expected):
        lines = [line(quantity, hour) for hour, quantity in enumerate(quantities)]
        found = planned(lines, hours=len(lines), fractions=False)
        assert [(hour, quantity) for hour, quantity, _ in told(found)] == expected

    def test_what_is_beyond_a_whole_quantity_is_carried(self):
        lines = [line("1.75"), line("0.5", 1)]
        first = planned(lines, hours=2, fractions=False).records
        assert told(planned(lines, first, hours=3, fractions=False)) == [(1, 1, "pending")]

    def test_agentcore_takes_the_open_hour_and_several_records(self):
        first = planned([line(3)], hours=0.5, rules=AGENTCORE).records
        (second,) = planned([line(5)], first, hours=0.75, rules=AGENTCORE).records
        assert (first[0].moment, second.moment) == (NOON + 1800, NOON + 2700)
        assert (first[0].quantity, second.quantity) == (3, 2)
        assert first[0].key != second.key

    def test_agentcore_reports_an_hour_that_is_over_by_its_last_second(self):
        (record,) = planned([line(3)], hours=2.5, rules=AGENTCORE).records
        assert record.moment == NOON + HOUR - 1

    def test_a_record_says_nothing_of_a_customer_in_its_key_or_repr(self):
        (record,) = planned([line(3)], series_of=lambda _: ACME, rules=SAAS).records
        for shown in (record.key, repr(record)):
            assert "arn:" not in shown
            assert "1" * 12 not in shown


usages = st.lists(
    st.builds(
        line,
        st.decimals(Decimal("0.000001"), 10_000, places=6, allow_nan=False, allow_infinity=False),
        st.integers(0, 4),
        st.sampled_from(["Pages", "Prints"]),
        st.sampled_from([None, "a", "b"]),
    ),
    max_size=8,
)


@given(st.lists(st.tuples(usages, st.booleans()), max_size=6), st.booleans())
def test_nothing_is_lost_and_nothing_comes_twice(rounds, fractions):
    """Usage comes in any order, some of it late; what was planned is written down or not."""
    total, book = Counter(), Book()
    for hours, (lines, is_written) in enumerate(rounds, 1):
        for key, quantity in lines:
            total[key] += quantity
        usage = [UsageLine(key, quantity) for key, quantity in total.items()]
        closed = [one for one in usage if one.key.hour < NOON + hours * HOUR]
        found = planned(closed, book.records.values(), hours=hours, fractions=fractions)
        if is_written:
            assert not {one.key for one in found.records} & set(book.records)
            book = book.with_records(found.records)
        for record in book.records.values():
            assert record.quantity == sum(part.quantity for part in record.parts)
            assert record.moment + HOUR <= NOON + hours * HOUR
        taken = sum(one.quantity for one in book.records.values())
        rest = sum(one.quantity for one in due(closed, book.records.values()))
        assert taken + rest == sum(one.quantity for one in closed)


class TestInTime:
    record = MeteringRecord("k", PAGES, NOON, Decimal(3), (line(3),), "token")

    def test_a_pending_record_is_given_up_and_comes_back_where_a_clock_was_wrong(self):
        old = aged(self.record, HOST, NOON + 7 * HOUR)
        assert old.state is RecordState.GIVEN_UP
        assert aged(old, HOST, NOON + 2 * HOUR) == self.record

    @pytest.mark.parametrize("state", [RecordState.DELIVERED, RecordState.REJECTED])
    def test_what_is_final_stays(self, state):
        final = replace(self.record, state=state)
        assert aged(final, HOST, NOON + 99 * HOUR) is final

    def test_what_was_too_old_before_it_was_sent_is_free_again_where_a_clock_was_wrong(self):
        late = replace(self.record, state=RecordState.GIVEN_UP, is_late=True)
        book = Book({"k": late})
        assert book.in_time(lambda _: PAGES, HOST, NOON + 7 * HOUR).records == {"k": late}
        assert book.in_time(lambda _: PAGES, HOST, NOON + 2 * HOUR).records == {}

    def test_what_was_rejected_is_free_again_once_it_is_mapped_otherwise(self):
        book = Book({"k": replace(self.record, state=RecordState.REJECTED)})
        assert book.in_time(lambda _: PAGES, HOST, NOON).records
        assert book.in_time(lambda _: Series("other"), HOST, NOON).records == {}

    def test_records_that_are_long_over_are_summed_up(self):
        old = replace(self.record, state=RecordState.DELIVERED)
        new = replace(old, key="new", moment=NOON + HORIZON + HOUR, quantity=Decimal(5))
        pending = replace(self.record, key="pending")
        book = Book({one.key: one for one in (old, new, pending)}).summed_up(NOON + HORIZON + 3 * HOUR)
        assert set(book.records) == {"new", "pending"}
        assert book.sums == {RecordState.DELIVERED: Tally(1, Decimal(3))}
        assert book.watermark == NOON + HOUR
        assert book.tallies()[RecordState.DELIVERED] == (2, Decimal(8))

    def test_a_clock_that_is_ahead_sums_nothing_up(self):
        delivered = replace(self.record, state=RecordState.DELIVERED)
        assert watermark([delivered], NOON + 99 * HORIZON) == NOON - HORIZON
        assert watermark([self.record], NOON + 99 * HORIZON) is None

    @pytest.mark.parametrize(
        ("verdict", "state"),
        [
            (Verdict.DELIVERED, RecordState.DELIVERED),
            (Verdict.DIFFERS, RecordState.DELIVERED),
            (Verdict.REJECTED, RecordState.REJECTED),
            (Verdict.NOT_ENTITLED, RecordState.PENDING),
            (Verdict.OUT_OF_BOUNDS, RecordState.PENDING),
            (Verdict.INVALID, RecordState.PENDING),
            (Verdict.UNKNOWN, RecordState.PENDING),
        ],
    )
    def test_each_answer_has_an_end(self, verdict, state):
        book = Book({"k": self.record}).answered({"k": Answer(verdict), "unknown": Answer(verdict)})
        assert book.records["k"].state is state

    def test_a_late_answer_to_what_was_given_up_counts(self):
        book = Book({"k": replace(self.record, state=RecordState.GIVEN_UP)})
        assert book.answered({"k": Answer(Verdict.DELIVERED)}).records["k"].state is RecordState.DELIVERED

    def test_what_is_final_is_not_said_otherwise(self):
        book = Book({"k": replace(self.record, state=RecordState.DELIVERED)})
        assert book.answered({"k": Answer(Verdict.REJECTED)}) == book


texts = st.text(max_size=8)
states = st.sampled_from(RecordState)
records = st.builds(
    MeteringRecord,
    st.text(min_size=1, max_size=8).filter("sums".__ne__),
    st.one_of(st.none(), st.builds(Series, texts, st.one_of(st.none(), st.builds(Customer, texts, texts)))),
    st.integers(0, 2**40),
    st.decimals(0, 10**9, places=6, allow_nan=False, allow_infinity=False),
    st.tuples(st.builds(line, st.decimals(0, 10, places=6), st.integers(0, 9), texts, st.one_of(st.none(), texts))),
    texts,
    texts,
    states,
    st.booleans(),
)


@given(
    st.lists(records), st.dictionaries(states, st.just(Tally(3, Decimal("4.5")))), st.one_of(st.none(), st.just(7.0))
)
def test_a_book_is_read_as_it_was_written(found, sums, mark):
    book = Book({one.key: one for one in found}, sums, mark)
    rows = book.since(Book())
    assert Book.read({key: text for key, text in rows.items() if text is not None}) == book
    assert book.since(book) == {}
    assert Book().since(book).keys() >= book.records.keys()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"dimension": 1}', "\x00"])
@pytest.mark.parametrize("key", ["1/record", "sums"])
def test_a_damaged_row_is_a_value_error(key, text):
    with pytest.raises(ValueError, match=r"metering records?|Expecting|column"):
        Book.read({key: text})
