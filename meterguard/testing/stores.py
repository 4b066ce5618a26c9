"""The contract of shared stores, as tests. A store that passes them may stand behind a guard.

.. code-block:: python

    from meterguard.testing.stores import SharedStoreContract

    class TestMyStore(SharedStoreContract):
        def make(self):
            return MyStore(...)     # one more opening of the same place, empty when a test begins
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

from ..rows import Row, SharedStore

LONG = 60.0  # seconds
THREADS, ROUNDS = 8, 25


def row(body: str) -> Row:
    """Return a row with a version of its own."""
    return Row(uuid.uuid4().hex[:16], body)


class SharedStoreContract:
    """Tests that every shared store passes. A subclass says how one is made."""

    def make(self) -> SharedStore:
        """Return the store, opened once more: what one opening writes, the others read."""
        raise NotImplementedError

    # -- one writer ------------------------------------------------------------------------------

    def test_nothing_is_kept_at_first(self) -> None:
        """An empty store says so, with its clock."""
        seen = self.make().read("a/1")
        assert seen.row is None
        assert abs(seen.now - time.time()) < LONG

    def test_a_row_is_read_back_by_another_opening(self) -> None:
        """Others read what was written, letter by letter."""
        written = row('{"who": "Zoë \\u0000 \N{SNOWMAN}", "quote": "\'; --"}' + "x" * 20_000)
        won, seen = self.make().replace("a/1", "", written, LONG)
        assert won
        assert seen.row == written
        assert self.make().read("a/1").row == written
        assert self.make().read("a/2").row is None

    def test_a_row_is_replaced_by_who_read_it_last(self) -> None:
        """The version that was read decides."""
        store, first, second, third = self.make(), row("1"), row("2"), row("3")
        store.replace("a/1", "", first, LONG)
        assert store.replace("a/1", first.version, second, LONG).is_won
        lost = store.replace("a/1", first.version, third, LONG)
        assert not lost.is_won
        assert lost.seen.row == second, "the loser hears what is kept, without another question"
        assert store.read("a/1").row == second

    def test_a_row_is_made_once(self) -> None:
        """Of two that found nothing, one wins."""
        store, first = self.make(), row("1")
        assert store.replace("a/1", "", first, LONG).is_won
        is_won, seen = store.replace("a/1", "", row("2"), LONG)
        assert not is_won
        assert seen.row == first
        assert store.read("a/1").row == first

    def test_a_write_may_be_repeated(self) -> None:
        """The reply to a write may be lost: the same row again is the same write."""
        store, first, second = self.make(), row("1"), row("2")
        assert store.replace("a/1", "", first, LONG).is_won
        assert store.replace("a/1", "", first, LONG).is_won
        assert store.replace("a/1", first.version, second, LONG).is_won
        assert store.replace("a/1", first.version, second, LONG).is_won
        assert not store.replace("a/1", "", first, LONG).is_won, "a later write lies between"
        assert store.read("a/1").row == second

    def test_a_row_goes_by_its_version(self) -> None:
        """Taking away is a write like others."""
        store, first, second = self.make(), row("1"), row("2")
        store.replace("a/1", "", first, LONG)
        assert not store.replace("a/1", second.version, None, LONG).is_won
        assert store.replace("a/1", first.version, None, LONG).is_won
        assert store.replace("a/1", first.version, None, LONG).is_won, "again, for the reply may have been lost"
        assert store.read("a/1").row is None
        assert not store.replace("a/1", first.version, second, LONG).is_won, "it is gone, and does not come back"
        assert store.replace("a/1", "", second, LONG).is_won

    def test_a_row_is_kept_no_longer_than_asked(self) -> None:
        """A row whose time is over may be forgotten; one whose time is not is there."""
        store = self.make()
        store.replace("a/1", "", row("short"), 0.0)
        store.replace("a/2", "", row("long"), LONG)
        kept = store.read("a/1").row
        assert store.replace("a/1", "" if kept is None else kept.version, row("next"), LONG).is_won
        assert store.read("a/2").row is not None

    def test_rows_are_listed_by_the_beginning_of_their_keys(self) -> None:
        """A listing has the rows of one licence, each once."""
        store, mine = self.make(), {f"a%_/{number}": row(str(number)) for number in range(250)}
        for key, one in mine.items():
            store.replace(key, "", one, LONG)
        store.replace("ab_/1", "", row("other"), LONG)
        store.replace("a", "", row("shorter"), LONG)
        found = list(self.make().rows("a%_/"))
        assert Counter(key for key, _ in found) == Counter(list(mine))
        assert dict(found) == mine
        assert len(list(store.rows(""))) == len(mine) + 2

    def test_a_listing_does_not_hold_up_a_writer(self) -> None:
        """Who reads a list slowly keeps nobody from writing."""
        store = self.make()
        for number in range(20):
            store.replace(f"a/{number}", "", row("x"), LONG)
        listed = iter(store.rows("a/"))
        next(listed)
        assert store.replace("b/1", "", row("y"), LONG).is_won
        assert len(list(listed)) >= 18

    def test_a_closed_store_opens_again(self) -> None:
        """Closing lets go of connections, and of no row."""
        store, first = self.make(), row("1")
        store.replace("a/1", "", first, LONG)
        store.close()
        assert store.read("a/1").row == first
        store.close()
        store.close()

    def test_it_says_where_it_is(self) -> None:
        """The description is a phrase for people."""
        assert self.make().describe().strip()

    # -- several ---------------------------------------------------------------------------------

    def test_of_many_writers_at_once_one_wins_each_version(self) -> None:
        """No write is lost, and none counts twice."""
        stores = [self.make() for _ in range(THREADS)]
        barrier, wins = threading.Barrier(THREADS), [0] * THREADS

        def write(me: int) -> None:
            for _ in range(ROUNDS):
                seen = stores[me].read("a/1").row
                barrier.wait(LONG)
                version = "" if seen is None else seen.version
                wins[me] += stores[me].replace("a/1", version, row(str(me)), LONG).is_won
                barrier.wait(LONG)

        _together([lambda me=me: write(me) for me in range(THREADS)])  # type: ignore[misc]
        assert sum(wins) == ROUNDS

    def test_a_counter_that_many_raise_is_exact(self) -> None:
        """Who loses tries again with what it heard, until it wins."""

        def count() -> None:
            store = self.make()
            seen = store.read("a/1")
            for _ in range(ROUNDS):
                is_won = False
                while not is_won:
                    kept = seen.row or Row("", "0")
                    is_won, seen = store.replace("a/1", kept.version, row(str(int(kept.body) + 1)), LONG)

        _together([count] * THREADS)
        kept = self.make().read("a/1").row
        assert kept is not None
        assert kept.body == str(THREADS * ROUNDS)


def _together(jobs: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def work(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as problem:  # noqa: BLE001 - told by the thread that waits
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads)
