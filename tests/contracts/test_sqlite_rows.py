"""What the lease store in a file promises beyond the contract: each failure by a real cause, hosts, kills."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from functools import partial

import pytest
from freezegun import freeze_time

from meterguard.errors import ConfigurationError
from meterguard.ports import LedgerFault
from meterguard.rows import Row, StoreFault
from meterguard.stores import sqlite_rows, sqlite_schema
from meterguard.stores.sqlite_hosts import Host, this_host
from meterguard.stores.sqlite_ledger import SqliteLedger
from meterguard.stores.sqlite_rows import SqliteRows
from tests.contracts import programs
from tests.rights import as_nobody_special

LONG = 600.0
ONE, TWO, THREE = (Row(version, f'{{"holder": {version}}}') for version in "123")

# What programs of these tests begin with: they run in a process of their own, which may fork, and be killed.
PROGRAM = """
import os, random, resource, select, signal, sys, time, uuid
from meterguard.rows import Row, StoreFault
from meterguard.stores.sqlite_rows import SqliteRows

path, journal = sys.argv[1:3]
store = SqliteRows(path, journal=journal)

def write(number, size=100):
    row = Row(uuid.uuid4().hex, str(number) + "x" * size)
    assert store.replace(f"a/{number}", "", row, 600).is_won
    return row
"""


run = partial(programs.run, PROGRAM)


@pytest.fixture(params=["truncate", "wal"])
def journal(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases.db"


@pytest.fixture
def make(path, journal):
    made = []

    def store(**options):
        made.append(SqliteRows(str(path), **{"journal": journal, **options}))
        return made[-1]

    yield store
    for one in made:
        one.close()


@pytest.fixture
def store(make):
    return make()


def write(store, row=ONE, expected="", key="a/1"):
    return store.replace(key, expected, row, LONG).is_won


def count(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM row").fetchone()[0]


class TestPlace:
    def test_nothing_is_made_before_it_is_used(self, store, path):
        assert store.describe().startswith(f"the file {path}, which is made at the first use; with a ")
        assert not path.exists()
        assert store.read("a/1").row is None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert store.describe().startswith(f"the file {path}, whose integrity was checked; with a ")

    def test_a_relative_path_stays_where_it_was(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with closing(SqliteRows("leases.db")) as store:
            monkeypatch.chdir("/")
            write(store)
        assert (tmp_path / "leases.db").exists()

    def test_a_directory_must_be_there(self, tmp_path):
        with pytest.raises(ConfigurationError, match=r"^The lease store .* has no place"):
            write(SqliteRows(str(tmp_path / "none" / "leases.db")))

    def test_a_file_on_a_network_file_system_is_refused(self, store, path, monkeypatch):
        mounts = f"27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 0:40 / {path.parent.resolve()} rw - nfs4 server:/ rw\n"
        monkeypatch.setattr("meterguard.stores.sqlite_place._mounts", lambda: mounts)
        for use in (write, lambda store: store.read("a/1"), lambda store: store.describe()):
            with pytest.raises(ConfigurationError) as caught:
                use(store)
            assert str(caught.value) == (
                f"The lease store {path} is on a network file system (nfs4), whose locks cannot be relied on: processes"
                " would take more seats than one. Put it on a disk of this host; for several hosts use a lease store in"
                " Redis."
            )
        assert not path.exists()

    def test_a_file_that_is_taken_away_is_not_made_anew(self, store, path, tmp_path):
        write(store)
        path.rename(tmp_path / "elsewhere")
        with pytest.raises(ConfigurationError, match=r"^The lease store .* was taken away while it was in use"):
            write(store, TWO, "1")
        assert not path.exists()
        (tmp_path / "elsewhere").rename(path)
        assert write(store, TWO, "1")


class TestHosts:
    @staticmethod
    def host(boot, up=1e6, **options):
        return Host(boot, f"host-{boot}", lambda: up, **options)

    def test_another_host_is_refused_until_it_is_gone(self, make):
        one, other = make(host=self.host("1")), make(host=self.host("2"))
        with freeze_time("2026-11-29 12:00:00") as now:
            assert write(one)
            now.tick(55)
            with pytest.raises(ConfigurationError, match=r"in use by another host \(host-1\).*more seats than one"):
                write(other, TWO, "1")
            now.tick(6)
            assert write(other, TWO, "1")
            with pytest.raises(ConfigurationError, match="host-2"):
                write(one, THREE, "2")
            assert one.read("a/1").row == TWO

    def test_the_epoch_is_a_start_of_the_host(self, make):
        """What was written before the host was started anew is there, and may be doubted."""
        with freeze_time("2026-11-29 12:00:00") as now:
            before = make(host=self.host("before"))
            won, seen = before.replace("a/1", "", ONE, LONG)
            assert (won, seen.epoch, before.read("a/1").epoch) == (True, "before", "before")
            now.tick(30)
            after = make(host=self.host("after", up=20))
            assert (after.read("a/1").row, after.read("a/1").epoch) == (ONE, "after")
            assert after.replace("a/1", "1", TWO, LONG).is_won

    def test_a_system_that_tells_no_start_from_another(self, monkeypatch):
        monkeypatch.setattr("meterguard.stores.sqlite_hosts._boot_id", lambda: "")
        assert this_host().boot == this_host().boot != ""
        assert not this_host().is_of_one_start

    @pytest.mark.parametrize(("is_of_one_start", "synchronous"), [(True, 1), (False, 2)])
    def test_what_no_epoch_tells_of_is_flushed(self, make, is_of_one_start, synchronous):
        store = make(host=self.host("1", is_of_one_start=is_of_one_start))
        write(store)
        with store._file.alone() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone()[0] == synchronous


class TestSchema:
    def test_a_file_says_whose_it_is(self, store, path):
        write(store)
        store.close()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == sqlite_schema.LEASE_STORE.version == 1
            assert connection.execute("PRAGMA application_id").fetchone()[0] == sqlite_schema.LEASE_STORE.application

    def test_a_newer_version_is_refused_and_left(self, make, path):
        one = make()
        write(one)
        one.close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=2")
        before = path.read_bytes()
        for use in (write, lambda store: store.read("a/1"), lambda store: list(store.rows(""))):
            with pytest.raises(ConfigurationError, match=r"^The lease store .* was written by a newer meterguard"):
                use(make())
        assert path.read_bytes() == before

    def test_a_ledger_is_no_lease_store(self, make, path, journal):
        with closing(SqliteLedger(str(path), journal=journal)) as ledger:
            ledger.post([])
        before = path.read_bytes()
        with pytest.raises(ConfigurationError, match=r"^The lease store .* is a database of something else"):
            write(make())
        assert path.read_bytes() == before

    def test_a_lease_store_is_no_ledger(self, store, path, journal):
        write(store)
        store.close()
        before = path.read_bytes()
        ledger = SqliteLedger(str(path), journal=journal)
        with pytest.raises(ConfigurationError, match=r"^The ledger .* is a database of something else"):
            ledger.post([])
        assert path.read_bytes() == before


class TestDamage:
    @pytest.mark.parametrize("offset", [0, 100, 8192, 20480])
    def test_damaged_bytes_are_found_and_left(self, store, path, offset):
        for number in range(100):
            write(store, Row("v", "x" * 1000), key=f"a/{number}")
        store.close()
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(b"\xa5" * 2000)
        damaged = path.read_bytes()
        for _ in range(2):
            with pytest.raises(ConfigurationError) as caught:
                store.read("a/1")
            said = str(caught.value)
            assert said.startswith(f"The lease store {path} is damaged, or is none (")
            assert "then move it away, with the files" in said
            assert "costs at most one more seat for each lease, until the lease that was forgotten ends" in said
            assert "restore" not in said
        assert path.read_bytes() == damaged
        path.unlink()
        assert write(store)

    def test_what_is_no_database_is_found(self, store, path):
        path.write_text("a letter to a friend, and not a database at all" * 100)
        with pytest.raises(ConfigurationError, match="is damaged, or is none"):
            write(store)
        assert path.read_text().startswith("a letter")

    @pytest.mark.parametrize("statement", ["UPDATE row SET body = x'00'", "UPDATE row SET version = x'00'"])
    def test_a_row_that_is_no_text_is_refused(self, store, path, statement):
        write(store)
        store.close()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)
        for use in (lambda: write(store, TWO, "1"), lambda: store.read("a/1"), lambda: list(store.rows("a"))):
            with pytest.raises(ConfigurationError, match="is damaged"):
                use()


class TestRefusals:
    """Nothing is written, the caller is told, and it goes on once the cause is gone."""

    @pytest.mark.parametrize("place", ["file", "directory"])
    def test_what_is_read_only(self, make, path, place):
        store = make()
        write(store)
        store.close()
        for leftover in path.parent.glob("leases.db-*"):
            leftover.unlink()
        target, right = (path, 0o400) if place == "file" else (path.parent, 0o500)
        before = stat.S_IMODE(target.stat().st_mode)
        target.chmod(right)
        try:
            with pytest.raises(StoreFault, match=r"^The lease store .* nothing was written: .*Let the process"):
                as_nobody_special(lambda: write(store, TWO, "1"))
        finally:
            target.chmod(before)
        assert store.read("a/1").row == ONE
        assert write(store, TWO, "1")

    def test_a_place_where_nothing_can_be_made(self, tmp_path):
        store = SqliteRows(str(tmp_path / "leases.db"))
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(StoreFault, match=r"^The lease store .* could not be made: .*Let the process"):
                as_nobody_special(lambda: store.read("a/1"))
        finally:
            tmp_path.chmod(0o700)
        assert write(store)
        store.close()

    def test_a_full_disk(self, tmp_path, journal):
        program = """
            write("before")
            ballast, written = path + ".ballast", []
            open(ballast, "wb").write(b"x" * 150_000)
            try:
                for number in range(1000):
                    written.append((f"a/{number}", write(number, 5000)))
            except StoreFault as problem:
                assert "nothing was written: the disk is full" in str(problem), problem
            assert 0 < len(written) < 100
            os.remove(ballast)
            for key, row in written:
                assert store.read(key).row == row
            assert len(list(store.rows("a/"))) == len(written) + 1
            write("after")
        """
        run(program, tmp_path / "leases.db", journal, *programs.on_a_small_disk(tmp_path))

    def test_a_file_that_another_process_keeps_locked(self, store, path, journal, monkeypatch):
        """A writer in another process keeps others from writing, and nobody from reading."""
        monkeypatch.setattr("meterguard.stores.sqlite_faults.PATIENCE", 0.2)
        write(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE row SET version = '7'")
            assert store.read("a/1").row == ONE
            assert list(store.rows("")) == [("a/1", ONE)]
            with pytest.raises(StoreFault, match="nothing was written: another process kept it locked"):
                write(store, TWO, "1")
            assert store.read("a/1").row == ONE
        assert write(store, TWO, "1")

    def test_with_a_log_who_reads_keeps_nobody_from_writing(self, path):
        with closing(SqliteRows(str(path), journal="wal")) as store, closing(sqlite3.connect(path)) as reader:
            write(store)
            reader.execute("BEGIN")
            assert reader.execute("SELECT version FROM row").fetchone() == ("1",)
            assert write(store, TWO, "1")
            assert reader.execute("SELECT version FROM row").fetchone() == ("1",)
            assert store.read("a/1").row == TWO

    def test_a_fault_of_a_ledger_stays_one(self, tmp_path):
        """One class of files serves both, and each has its own exception."""
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(LedgerFault, match=r"^The ledger .* could not be made"):
                as_nobody_special(lambda: SqliteLedger(str(tmp_path / "ledger.db")).post([]))
        finally:
            tmp_path.chmod(0o700)


class TestRows:
    def test_those_whose_time_is_over_are_deleted_by_who_writes(self, store, path):
        with freeze_time("2026-11-29 12:00:00") as now:
            for number in range(50):
                store.replace(f"a/{number}", "", ONE, 60)
            store.replace("b", "", ONE, LONG)
            now.tick(61)
            assert [key for key, _ in store.rows("")] == ["b"]
            assert store.read("a/1").row is None
            assert count(path) == 51, "who reads deletes nothing"
            for version in range(1, 4):
                assert write(store, Row(str(version + 1), "{}"), str(version), "b")
            assert count(path) == 1

    def test_they_are_found_by_their_keys(self, store):
        """None is read that is not asked for."""
        write(store)
        with store._file.reading() as connection:
            for query, values in (
                (sqlite_rows._READ, ("a", 0)),
                (sqlite_rows._LIST, ("a", "b", 0, 9)),
                (sqlite_rows._FORGET, (0,)),
            ):
                plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
                assert {step[3].split()[0] for step in plan} <= {"SEARCH", "LIST"}, plan

    def test_a_listing_goes_on_where_it_was(self, make, monkeypatch):
        monkeypatch.setattr(sqlite_rows, "PAGE", 3)
        store, other = make(), make()
        for number in range(9):
            write(store, key=f"a/{number}")
        listed = store.rows("a/")
        found = [next(listed)[0]]
        other.replace("a/5", "1", None, LONG)
        other.replace("a/0", "1", None, LONG)
        write(other, key="a/41")
        found += [key for key, _ in listed]
        assert found == ["a/0", "a/1", "a/2", "a/3", "a/4", "a/41", "a/6", "a/7", "a/8"]

    def test_an_end_of_a_page_that_is_the_end_of_all(self, store, monkeypatch):
        monkeypatch.setattr(sqlite_rows, "PAGE", 2)
        for number in range(4):
            write(store, key=f"a/{number}")
        assert len(list(store.rows("a/"))) == 4


class TestProcesses:
    def test_what_was_acknowledged_outlives_kills(self, path, journal):
        """A process writes as fast as it can, and is killed in the middle: the file stays whole."""
        program = """
            random.seed(9)
            acknowledged = 0
            for round in range(20):
                reading, writing = os.pipe()
                pid = os.fork()
                if not pid:
                    version, number = "", 0
                    while True:
                        number += 1
                        row = Row(uuid.uuid4().hex, str(number) + "x" * random.randrange(6000))
                        assert store.replace(f"a/{round}", version, row, 600).is_won
                        version = row.version
                        os.write(writing, b"x")
                assert select.select([reading], [], [], 20)[0]
                time.sleep(random.random() * 0.02)
                os.kill(pid, signal.SIGKILL)
                assert os.waitpid(pid, 0)[1] == signal.SIGKILL
                os.close(writing)
                count = len(os.read(reading, 1 << 20))
                os.close(reading)
                body = store.read(f"a/{round}").row.body
                assert int(body.rstrip("x")) in (count, count + 1), (body[:9], count)
                acknowledged += count
            assert len(list(store.rows("a/"))) == 20
            store.close()
            print(acknowledged)
        """
        assert int(run(program, path, journal)) >= 20
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    def test_a_forked_child_has_a_connection_of_its_own(self, path, journal):
        program = """
            first = write("parent")
            pid = os.fork()
            if not pid:
                assert store.read("a/parent").row == first
                write("child")
                store.close()
                os._exit(0)
            write("meanwhile")
            assert os.waitpid(pid, 0)[1] == 0
            print(*sorted(key for key, _ in store.rows("")))
        """
        assert run(program, path, journal).split() == ["a/child", "a/meanwhile", "a/parent"]
