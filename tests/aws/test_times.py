"""The service's times, in all the ways in which it writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import freezegun
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from meterguard.aws.times import parse_http_date, parse_time

TEN = datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:05",
        "2026-03-01T10:00:05Z",
        "2026-03-01t10:00:05z",
        "2026-03-01T10:00:05+00:00",
        "2026-03-01T10:00:05.000",
        "2026-03-01T10:00:05.000Z",
        "2026-03-01T10:00:05,0Z",
        "2026-03-01T10:00:05.000000000Z",
        "2026-03-01T12:00:05+02:00",
        "2026-03-01T05:00:05-0500",
        " 2026-03-01T10:00:05 ",
        "2026-03-01T10: 00:05Z",
        "2026-03-01 T10:00:05",
        "2026-03-01 10:00:05",
        "1772359205",
        "1772359205.0",
        1772359205,
        1772359205.0,
        TEN.replace(tzinfo=None),
        datetime(2026, 3, 1, 12, 0, 5, tzinfo=timezone(timedelta(hours=2))),
    ],
    ids=repr,
)
def test_a_time_is_read(text):
    moment = parse_time(text)
    assert moment == TEN
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "nonsense",
    [
        *(None, "", "  ", "soon", "2026", "2026-13-01T00:00:00", "2026-03-01T25:00:00Z", "T", "-1"),
        *(
            "2026-03-01T10:00:05Zulu",
            "9" * 12,
            "1" * 5000,
            "٢٠٢٦-03-01T10:00:05",
            "0001-01-01T00:00:00+23:00",
        ),
        *(True, 10**30, float("nan"), float("inf"), 1e300, [], {}, b"2026-03-01T10:00:05"),
    ],
    ids=lambda nonsense: repr(nonsense)[:40],
)
def test_nonsense_is_no_time(nonsense):
    assert parse_time(nonsense) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_in_iso_form_is_read_back(moment):
    assert parse_time(moment.isoformat()) == moment
    assert parse_time(moment.replace(tzinfo=None).isoformat()) == moment


def test_a_frozen_clock_changes_nothing():
    with freezegun.freeze_time("2001-01-01"):
        assert parse_time("2026-03-01T10:00:05").timestamp() == TEN.timestamp()
    with time_machine.travel(0):
        assert parse_time("2026-03-01T10:00:05") == TEN


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 01 Mar 2026 10:00:05 GMT", TEN),
        ("Sun, 31 Feb 2026 10:00:05 GMT", None),
        ("Sun, 01 Foo 2026 10:00:05 GMT", None),
        ("2026-03-01T10:00:05Z", None),
        ("", None),
        (None, None),
        (5, None),
    ],
    ids=repr,
)
def test_a_date_header_is_read(text, moment):
    assert parse_http_date(text) == moment
