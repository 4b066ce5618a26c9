"""The contract of a ledger, as ``ports.Ledger`` says it, held over every implementation."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from meterguard.account import Account, Holding, Order, Unresolved
from meterguard.ports import Posting
from meterguard.usage import UsageKey, UsageLine

PAGES = Account("scope", "Pages", "Count")
HOUR = 1_700_000_400 // 3600 * 3600


def line(quantity, *, name="Pages", subject=None, hour=HOUR, metered=False):
    return UsageLine(UsageKey("scope", name, "Count", subject, hour, metered), Decimal(quantity))


def drawing(units, *lines):
    def change(account, _now):
        account = account or PAGES
        return Posting(replace(account, drawn=account.drawn + units, left=account.left + units), lines)

    return change


@pytest.fixture
def ledger(make_ledger):
    return make_ledger()


class TestAccounts:
    def test_there_is_none_at_first(self, ledger):
        seen = []
        ledger.transact(PAGES.key, lambda account, now: seen.append(account) or Posting(PAGES))
        assert seen[-1] is None
        assert ledger.accounts() == [PAGES]

    def test_what_was_written_is_read_again(self, ledger):
        full = replace(
            PAGES,
            drawn=16,
            charged=5,
            left=3,
            lost=1,
            owed=2,
            owed_lost=1,
            holdings=(Holding("a", 7, 1, 4, 12.5), Holding("b", is_dead=True)),
            orders=(Order("token", 10, 99.25, "a"), Order("other", 1, 1.0, None)),
            unresolved=(Unresolved(10, 1.5),),
            latest=100.125,
            told=(80,),
            parts="3/1000",
        )
        ledger.transact(PAGES.key, lambda *_: Posting(full))
        assert ledger.accounts() == [full]
        assert ledger.transact(PAGES.key, lambda account, _: Posting(account)).account == full

    def test_accounts_are_apart(self, ledger):
        other = Account("scope", "Pages", "Seconds")
        ledger.transact(PAGES.key, drawing(1))
        ledger.transact(other.key, lambda *_: Posting(other))
        assert sorted(one.unit for one in ledger.accounts()) == ["Count", "Seconds"]

    @pytest.mark.parametrize("name", ["Pages per «Monat»", "a/b", "a'b\"c", "{x}", "日本", "a\nb", "%_"])
    def test_any_name_will_do(self, ledger, name):
        account = replace(PAGES, name=name)
        ledger.transact(account.key, lambda *_: Posting(account, (line(1, name=name, subject=name),)))
        assert ledger.accounts() == [account]
        assert [(one.key.name, one.key.subject) for one in ledger.usage()] == [(name, name)]

    def test_a_change_that_raises_writes_nothing(self, ledger):
        ledger.transact(PAGES.key, drawing(1, line(1)))

        def change(account, now):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            ledger.transact(PAGES.key, change)
        assert ledger.transact(PAGES.key, drawing(1)).account.drawn == 2
        assert [one.quantity for one in ledger.usage()] == [1]

    def test_the_moment_is_given(self, ledger):
        moments = []
        ledger.transact(PAGES.key, lambda account, now: moments.append(now) or Posting(PAGES))
        ledger.transact(PAGES.key, lambda account, now: moments.append(now) or Posting(PAGES))
        assert moments[0] <= moments[-1]
        assert moments[0] > 1_700_000_000

    def test_large_numbers_stay_exact(self, ledger):
        large = 2**63 - 1
        ledger.transact(PAGES.key, drawing(large))
        assert ledger.transact(PAGES.key, drawing(large)).account.drawn == 2 * large

    def test_threads_lose_nothing(self, ledger):
        barrier = threading.Barrier(8)

        def work(_):
            barrier.wait()
            for _ in range(25):
                ledger.transact(PAGES.key, drawing(1, line(1)))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        assert ledger.accounts()[0].drawn == 200
        assert [one.quantity for one in ledger.usage()] == [200]


class TestUsage:
    def test_quantities_are_added_up_by_key(self, ledger):
        ledger.post([line(1), line(2), line("0.000001", metered=True), line("0.1", metered=True)])
        ledger.post([line(3, subject="a"), line(4, hour=HOUR + 3600)])
        found = {(one.key.subject, one.key.hour, one.key.is_metered): one.quantity for one in ledger.usage()}
        assert found == {
            (None, HOUR, False): 3,
            (None, HOUR, True): Decimal("0.100001"),
            ("a", HOUR, False): 3,
            (None, HOUR + 3600, False): 4,
        }

    def test_no_subject_is_not_an_empty_one(self, ledger):
        ledger.post([line(1), line(2, subject="")])
        assert sorted((one.key.subject is None, one.quantity) for one in ledger.usage()) == [(False, 2), (True, 1)]

    def test_usage_is_written_with_its_account(self, ledger):
        ledger.transact(PAGES.key, drawing(5, line(5)))
        ledger.transact(PAGES.key, drawing(5, line(5), line(1, subject="a")))
        assert sorted(one.quantity for one in ledger.usage()) == [1, 10]

    def test_since_is_in_and_until_is_out(self, ledger):
        ledger.post([line(1, hour=HOUR + 3600 * n) for n in range(4)])
        assert [one.key.hour for one in ledger.usage(HOUR + 3600, HOUR + 3 * 3600)] == [HOUR + 3600, HOUR + 7200]
        assert len(list(ledger.usage(since=HOUR + 3600))) == 3
        assert len(list(ledger.usage(until=HOUR + 3600))) == 1

    def test_a_decimal_stays_exact(self, ledger):
        for _ in range(10):
            ledger.post([line("0.1", metered=True)])
        ledger.post([line("123456789012345678.000001", metered=True)])
        assert [one.quantity for one in ledger.usage()] == [Decimal("123456789012345679.000001")]

    def test_a_thousand_subjects(self, ledger):
        for _ in range(2):
            ledger.post([line(n, subject=f"customer-{n}") for n in range(1000)])
        found = {one.key.subject: one.quantity for one in ledger.usage()}
        assert found == {f"customer-{n}": 2 * n for n in range(1000)}


class TestCompaction:
    DAY = HOUR // 86400 * 86400

    def test_old_hours_become_days(self, ledger):
        ledger.post([line(1, hour=self.DAY + 3600 * n) for n in range(48)])
        ledger.compact(hours_before=self.DAY + 86400, days_before=0)
        ledger.compact(hours_before=self.DAY + 86400, days_before=0)
        spans = sorted((one.key.seconds, one.key.hour, one.quantity) for one in ledger.usage())
        assert spans[-1] == (86400, self.DAY, 24)
        assert spans[:-1] == [(3600, self.DAY + 86400 + 3600 * n, 1) for n in range(24)]

    def test_what_comes_late_joins_its_day(self, ledger):
        ledger.post([line(1, hour=self.DAY), line("0.5", hour=self.DAY, metered=True)])
        ledger.compact(hours_before=self.DAY + 86400, days_before=0)
        ledger.post([line(2, hour=self.DAY + 3600)])
        ledger.compact(hours_before=self.DAY + 86400, days_before=0)
        assert sorted(one.quantity for one in ledger.usage()) == [Decimal("0.5"), 3]

    def test_what_is_too_old_is_deleted(self, ledger):
        ledger.post([line(1, hour=self.DAY), line(2, hour=self.DAY + 86400)])
        ledger.compact(hours_before=self.DAY + 86400, days_before=self.DAY + 86400)
        assert [one.quantity for one in ledger.usage()] == [2]


def test_a_closed_ledger_opens_again(ledger):
    ledger.transact(PAGES.key, drawing(1))
    ledger.close()
    ledger.close()
    ledger.transact(PAGES.key, drawing(1))
    assert ledger.accounts()[0].drawn == 2


class TestNotes:
    def test_there_are_none_at_first(self, ledger):
        assert ledger.notes("book") == ("", {})

    def test_what_was_written_is_read_again(self, ledger, make_ledger):
        assert ledger.note("book", "", {"one": "1", "two": "«2»\n"})
        version, rows = make_ledger().notes("book") if ledger.is_shared else ledger.notes("book")
        assert version
        assert rows == {"one": "1", "two": "«2»\n"}

    def test_rows_are_changed_and_deleted(self, ledger):
        ledger.note("book", "", {"one": "1", "two": "2", "three": "3"})
        before, _ = ledger.notes("book")
        assert ledger.note("book", before, {"one": "11", "two": None, "four": "4", "never": None})
        after, rows = ledger.notes("book")
        assert after != before
        assert rows == {"one": "11", "three": "3", "four": "4"}

    def test_who_comes_second_writes_nothing(self, ledger):
        assert ledger.note("book", "", {"one": "1"})
        version, _ = ledger.notes("book")
        assert ledger.note("book", "", {"one": "2", "two": "2"}) is None
        assert ledger.note("book", version, {"one": None})
        assert not ledger.note("book", version, {"one": "1"})
        assert ledger.notes("book").rows == {}

    def test_a_version_never_comes_again(self, ledger):
        seen = {""}
        for number in range(20):
            version, _ = ledger.notes("book")
            written = ledger.note("book", version, {"one": str(number % 2) if number % 3 else None})
            assert ledger.notes("book").version == written
            assert written not in seen
            seen.add(written)

    def test_books_are_apart(self, ledger):
        ledger.note("book", "", {"one": "1"})
        assert ledger.notes("bookend") == ("", {})
        assert ledger.note("bookend", "", {"one": "2"})
        assert ledger.notes("book").rows == {"one": "1"}

    def test_of_many_that_write_at_once_each_counts_once(self, ledger):
        barrier = threading.Barrier(8)

        def count(_):
            barrier.wait()
            for _ in range(10):
                while True:
                    version, rows = ledger.notes("book")
                    if ledger.note("book", version, {"sum": str(int(rows.get("sum", "0")) + 1)}):
                        break

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count, range(8)))
        assert ledger.notes("book").rows == {"sum": "80"}

    def test_compaction_leaves_them(self, ledger):
        ledger.note("book", "", {"one": "1"})
        ledger.compact(HOUR * 2, HOUR * 2)
        assert ledger.notes("book").rows == {"one": "1"}
