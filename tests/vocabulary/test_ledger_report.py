"""``LedgerReport``: a ledger as people read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meterguard import ConfigurationError, EntitlementUnavailable
from meterguard.account import Account, Holding, Order, Unresolved
from meterguard.ledger import LedgerReport
from meterguard.ports import LedgerFault, Posting, Usage
from meterguard.stores.memory_ledger import MemoryLedger
from meterguard.units import Unit
from meterguard.usage import UsageKey, UsageLine

PAGES = Account(
    "scope",
    "Pages",
    "Count",
    drawn=100,
    charged=40,
    left=25,
    lost=5,
    owed=3,
    owed_lost=2,
    holdings=(Holding("me", 20, credit=1), Holding("other", 10)),
    orders=(Order("token", 7, 1.0, None),),
    unresolved=(Unresolved(11, 1.0),),
)
START = datetime(2026, 11, 29, 10, tzinfo=UTC)


def put(ledger, *accounts):
    for account in accounts:
        ledger.transact(account.key, lambda *_, account=account: Posting(account))


def line(quantity, *, scope="scope", name="Pages", subject=None, start=START, metered=False):
    return UsageLine(UsageKey(scope, name, "Count", subject, int(start.timestamp()), metered), Decimal(quantity))


@pytest.fixture
def ledger():
    made = MemoryLedger()
    put(made, PAGES)
    return made


def numbers(balance):
    assert balance.drawn == balance.charged + balance.reserved + balance.left + balance.lost
    return balance.drawn, balance.charged, balance.reserved, balance.left, balance.lost, balance.owed, balance.pending


class TestSummary:
    def test_it_says_where_the_units_are(self, ledger):
        summary = LedgerReport(ledger).summary()
        assert list(summary) == ["Pages"]
        assert summary["Pages"].unit == "Count"
        assert numbers(summary["Pages"]) == (100, 40, 30, 25, 5, 6, 18)

    @pytest.mark.parametrize(("free", "reserved", "left"), [(12, 18, 37), (30, 0, 55), (99, 0, 55), (-1, 30, 25)])
    def test_what_is_free_in_this_process_is_left(self, ledger, free, reserved, left):
        report = LedgerReport(ledger, "scope", lambda: {PAGES.key: free, "another": 3})
        assert numbers(report.summary()["Pages"]) == (100, 40, reserved, left, 5, 6, 18)

    def test_this_process_writes_down_first(self, ledger):
        def settle():
            put(ledger, replace(PAGES, charged=50, holdings=(Holding("other", 20),)))
            return {}

        assert numbers(LedgerReport(ledger, settle=settle).summary()["Pages"])[:3] == (100, 50, 20)

    def test_licences_are_added_up_or_told_apart(self, ledger):
        put(ledger, replace(PAGES, scope="second", orders=()))
        assert numbers(LedgerReport(ledger).summary()["Pages"]) == (200, 80, 60, 50, 10, 12, 29)
        assert numbers(LedgerReport(ledger, "second").summary()["Pages"]) == (100, 40, 30, 25, 5, 6, 11)
        assert LedgerReport(ledger, "third").summary() == {}
        assert LedgerReport(ledger).scopes() == ["scope", "second"]

    def test_units_are_not_added_up(self, ledger):
        put(ledger, Account("scope", "Pages", "Seconds", drawn=1, left=1))
        put(ledger, Account("other", "Pages (Seconds)", "Count", drawn=2, left=2))
        summary = LedgerReport(ledger).summary()
        assert {name: (one.unit, one.drawn) for name, one in summary.items()} == {
            "Pages": ("Count", 100),
            "Pages (Seconds)": ("Count", 2),
            "Pages (Seconds) (Seconds)": ("Seconds", 1),
        }


class TestRecords:
    def test_meters_are_in_records_only(self, ledger):
        ledger.post([line("0.5", name="Tokens", metered=True), line(1, scope="other", name="Tokens", metered=True)])
        report = LedgerReport(ledger, "scope")
        assert [(one.entitlement, one.quantity) for one in report.records()] == [("Tokens", Decimal("0.5"))]
        assert list(report.summary()) == ["Pages"]

    def test_this_process_writes_down_first(self, ledger):
        assert LedgerReport(ledger, settle=lambda: ledger.post([line(3)]) or {}).records()[0].quantity == 3

    @pytest.mark.parametrize(
        ("since", "until", "expected"),
        [
            (None, None, [1, 2, 4]),
            (START, None, [2, 4]),
            (None, START, [1]),
            (START, START.replace(hour=11), [2]),
            (START.replace(second=1), None, [4]),
        ],
    )
    def test_a_time_is_chosen_by_where_its_hour_starts(self, ledger, since, until, expected):
        ledger.post([line(2**at, start=START.replace(hour=9 + at)) for at in range(3)])
        assert [one.quantity for one in LedgerReport(ledger).records(since, until)] == expected

    @pytest.mark.parametrize(
        ("by", "expected"),
        [
            ((), [(None, 7)]),
            (("entitlement",), [(None, 7)]),
            (["subject"], [(None, 1), ("", 4), ("acme", 2)]),
            ({"entitlement", "subject"}, [(None, 1), ("", 4), ("acme", 2)]),
        ],
    )
    def test_subjects_are_told_apart_where_that_was_asked(self, ledger, by, expected):
        ledger.post([line(1), line(2, subject="acme"), line(4, subject="")])
        assert [(one.subject, one.quantity) for one in LedgerReport(ledger).records(by=by)] == expected

    @pytest.mark.parametrize(
        ("argument", "value", "allowed"),
        [
            ("since", datetime(2026, 11, 29), "aware datetime"),  # noqa: DTZ001
            ("since", 12, "aware datetime"),
            ("until", "2026-11-29", "aware datetime"),
            ("by", "entitlement", '("entitlement", "subject")'),
            ("by", ("customer",), '("entitlement", "subject")'),
            ("by", ([],), '("entitlement", "subject")'),
            ("by", None, '("entitlement", "subject")'),
            ("bucket", "week", "'hour', 'day' or 'month'"),
            ("bucket", [], "'hour', 'day' or 'month'"),
        ],
    )
    def test_a_wrong_argument_is_named_with_what_is_allowed(self, ledger, argument, value, allowed):
        with pytest.raises(ConfigurationError) as caught:
            LedgerReport(ledger).records(**{argument: value})
        assert str(caught.value).startswith(f"{argument} must be ")
        assert allowed in str(caught.value)


class TestBesideTheLicence:
    @pytest.mark.parametrize(
        ("licensed", "difference"),
        [
            ([Usage("Pages", Unit.COUNT, 100, 500), Usage("Seats", Unit.COUNT, 2, 3)], 0),
            ([Usage("Pages", Unit.COUNT, 0, 500)], -100),
            ([Usage("Pages", Unit.COUNT, 130, None)], 30),
            ([Usage("Pages", Unit.SECONDS, 100, 500)], None),
            ([], None),
        ],
    )
    def test_what_was_drawn_is_compared_with_what_is_consumed(self, ledger, licensed, difference):
        (one,) = LedgerReport(ledger).reconcile(licensed)
        assert (one.entitlement, one.drawn, one.pending) == ("Pages", 100, 18)
        assert (one.difference, one.agrees) == (difference, difference == 0)

    def test_a_forecast_reads_the_last_days(self, ledger):
        ledger.post([line(5), line(7000, start=START.replace(month=1))])
        found = LedgerReport(ledger).forecast(START.replace(hour=12), [Usage("Pages", Unit.COUNT, 100, 100)])
        assert found["Pages"].rate_per_day == 5
        assert found["Pages"].runs_out_at > START

    @pytest.mark.parametrize("now", [None, 12, datetime(2026, 11, 29)])  # noqa: DTZ001
    def test_a_forecast_needs_a_moment(self, ledger, now):
        with pytest.raises(ConfigurationError, match=r"^now must be an aware datetime"):
            LedgerReport(ledger).forecast(now)


class Gone(MemoryLedger):
    def accounts(self):
        raise LedgerFault("the disk is busy")

    def usage(self, since=None, until=None):
        raise LedgerFault("the disk is busy")


@pytest.mark.parametrize("read", ["summary", "records", "scopes"])
def test_a_ledger_that_cannot_be_had_is_unavailable(read):
    with pytest.raises(EntitlementUnavailable, match="the disk is busy"):
        getattr(LedgerReport(Gone()), read)()


def test_a_report_shows_nothing_of_the_ledger(ledger):
    assert repr(LedgerReport(ledger, "scope")) == "<LedgerReport of one licence>"
    assert repr(LedgerReport(ledger)) == "<LedgerReport of all licences>"
