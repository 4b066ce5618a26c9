"""What the ledger in a file promises beyond the contract: each failure by a real cause, processes, forks and kills."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import sys
import textwrap
import threading
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from freezegun import freeze_time

from meterguard.account import Account
from meterguard.errors import ConfigurationError
from meterguard.ports import LedgerFault, Posting
from meterguard.stores import sqlite_file, sqlite_schema, sqlite_usage
from meterguard.stores.sqlite_hosts import Host
from meterguard.stores.sqlite_journal import journal_for
from meterguard.stores.sqlite_ledger import SqliteLedger
from meterguard.stores.sqlite_place import network_file_system, path_of
from meterguard.usage import DAY, DAYS_KEPT, HOUR, HOURS_KEPT, UsageKey, UsageLine
from tests.contracts import programs
from tests.rights import as_nobody_special

PAGES = Account("scope", "Pages", "Count")
START = 1_700_000_400 // DAY * DAY

# What programs of these tests begin with: they run in a process of their own, which may fork, and be killed.
PROGRAM = """
import ctypes, os, random, resource, select, signal, sys, threading, time, traceback
from dataclasses import replace
from decimal import Decimal
from meterguard.account import Account
from meterguard.errors import ConfigurationError
from meterguard.ports import LedgerFault, Posting
from meterguard.stores.sqlite_ledger import SqliteLedger
from meterguard.usage import UsageKey, UsageLine

path, journal = sys.argv[1:3]

def line(quantity, subject=None):
    return UsageLine(UsageKey("scope", "Pages", "Count", subject, 3600), Decimal(quantity))

def draw(ledger, name="Pages"):
    def change(account, now):
        account = account or Account("scope", name, "Count")
        return Posting(replace(account, drawn=account.drawn + 1, left=account.left + 1), (line(1),))
    ledger.transact(Account("scope", name, "Count").key, change)

def child(work):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

def ended(*pids):
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)
"""


run = partial(programs.run, PROGRAM)


def line(quantity, subject=None, hour=START):
    return UsageLine(UsageKey("scope", "Pages", "Count", subject, hour), Decimal(quantity))


def draw(ledger, units=1):
    def change(account, _now):
        account = account or PAGES
        return Posting(replace(account, drawn=account.drawn + units, left=account.left + units), (line(units),))

    return ledger.transact(PAGES.key, change).account.drawn


def books(path):
    """The units drawn and used, as a process that comes later reads them."""
    with closing(SqliteLedger(str(path), journal="truncate")) as ledger:
        return [one.drawn for one in ledger.accounts()], sum(one.quantity for one in ledger.usage())


@pytest.fixture(params=["truncate", "wal"])
def journal(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def make(path, journal):
    made = []

    def ledger(**options):
        made.append(SqliteLedger(str(path), **{"journal": journal, **options}))
        return made[-1]

    yield ledger
    for one in made:
        one.close()


@pytest.fixture
def ledger(make):
    return make()


def in_mode(path):
    """The mode that is written in the header of the file."""
    return {1: "truncate", 2: "wal"}[path.read_bytes()[18]]


class TestJournal:
    @pytest.mark.parametrize(
        ("version", "mode"),
        [
            ((3, 7, 0), "truncate"),
            ((3, 40, 1), "truncate"),
            ((3, 44, 5), "truncate"),
            ((3, 44, 6), "wal"),
            ((3, 45, 9), "truncate"),
            ((3, 49, 99), "truncate"),
            ((3, 50, 6), "truncate"),
            ((3, 50, 7), "wal"),
            ((3, 51, 2), "truncate"),
            ((3, 51, 3), "wal"),
            ((3, 52, 0), "wal"),
            ((4, 0, 0), "wal"),
        ],
    )
    def test_the_mode_follows_the_version(self, version, mode):
        assert journal_for(version) == mode

    def test_it_is_chosen_by_the_version_that_runs(self, path):
        assert SqliteLedger(str(path)).journal == journal_for(sqlite3.sqlite_version_info)

    def test_a_file_is_brought_into_the_mode(self, make, path, journal):
        for mode in ("wal", "truncate", journal):
            ledger = make(journal=mode)
            draw(ledger)
            assert in_mode(path) == mode
            ledger.close()
        assert books(path) == ([3], 3)

    def test_a_log_that_another_process_holds_open_is_refused(self, make, monkeypatch):
        monkeypatch.setattr("meterguard.stores.sqlite_journal.PATIENCE", 0.1)
        other = make(journal="wal")
        draw(other)
        with pytest.raises(LedgerFault, match="not safe with SQLite"):
            draw(make(journal="truncate"))
        other.close()
        assert draw(make(journal="truncate")) == 2

    def test_a_log_that_comes_while_it_runs_is_taken_away(self, make, path):
        ledger, other = make(journal="truncate"), make(journal="wal")
        draw(ledger)
        draw(other)
        assert in_mode(path) == "wal"
        other.close()
        with pytest.raises(LedgerFault, match="another SQLite"):
            draw(ledger)
        assert draw(ledger) == 3
        assert in_mode(path) == "truncate"

    def test_what_is_written_is_flushed(self, ledger):
        draw(ledger)
        with ledger._file.alone() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


class TestPlace:
    def test_only_the_owner_may_read_it(self, ledger, path):
        modes = set()

        def change(account, now):
            ledger_files = path.parent.glob("ledger.db*")
            modes.update(stat.S_IMODE(one.stat().st_mode) for one in ledger_files)
            return Posting(PAGES)

        draw(ledger)
        ledger.transact(PAGES.key, change)
        assert modes == {0o600}
        assert len(list(path.parent.glob("ledger.db*"))) > 1

    def test_a_file_that_others_may_read_is_closed_to_them(self, ledger, path):
        path.touch(0o644)
        draw(ledger)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_directory_must_be_there(self, tmp_path):
        ledger = SqliteLedger(str(tmp_path / "none" / "ledger.db"))
        with pytest.raises(ConfigurationError, match="there is no directory"):
            draw(ledger)
        (tmp_path / "none").mkdir()
        assert draw(ledger) == 1
        ledger.close()

    def test_a_directory_is_no_ledger(self, tmp_path):
        with pytest.raises(ConfigurationError, match="name a file"):
            draw(SqliteLedger(str(tmp_path)))

    def test_a_relative_path_stays_where_it_was(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with closing(SqliteLedger("ledger.db")) as ledger:
            monkeypatch.chdir("/")
            draw(ledger)
        assert (tmp_path / "ledger.db").exists()

    @pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b.db", "a%20b.db", "ä.db"])
    def test_any_name_of_a_file_will_do(self, tmp_path, name):
        with closing(SqliteLedger(str(tmp_path / name))) as ledger:
            draw(ledger)
        assert [one.name for one in tmp_path.iterdir() if one.suffix == ".db"] == [name]

    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("sqlite:///ledger.db", "ledger.db"),
            ("sqlite:///a/ledger.db", "a/ledger.db"),
            ("sqlite:////var/lib/ledger.db", "/var/lib/ledger.db"),
            ("sqlite:////var/a%20b%3F.db", "/var/a b?.db"),
        ],
    )
    def test_a_url_names_a_path(self, url, path):
        assert path_of(url) == path

    @pytest.mark.parametrize(
        "url",
        [
            *("sqlite://", "sqlite:///", "sqlite:", "sqlite:///:memory:", "sqlite:///a/", "sqlite:///a%00b"),
            *("sqlite://user:hunter2@host/a.db", "sqlite://host/a.db", "sqlite:///a.db?password=hunter2"),
            *("sqlite:///a.db#hunter2", "postgres://user:hunter2@host/a", "hunter2", "sqlite://[hunter2/a.db"),
        ],
    )
    def test_another_form_is_refused_without_showing_it(self, url):
        with pytest.raises(ConfigurationError) as caught:
            path_of(url)
        assert "sqlite:///relative.db" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    MOUNTS = textwrap.dedent(r"""
        22 27 0:21 / /proc rw,relatime - proc proc rw
        27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
        40 27 0:40 / /mnt rw shared:1 master:2 - nfs4 server:/export rw
        41 40 8:1 / /mnt/local rw - xfs /dev/sda1 rw
        42 27 0:41 / /home/a\040b rw - fuse.sshfs me@server:/ rw
        43 27 0:42 / /data rw - ext4 /dev/sdb rw
        44 43 0:43 / /data rw - cifs //server/share rw
        45 27 0:44 / /fuse rw - fuse.gocryptfs /dev/fuse rw
        46 27 0:45 / /host rw - 9p host rw
        47 27 0:46 / /ceph rw - ceph 10.0.0.1:/ rw
        malformed
    """)

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/var/lib/ledger.db", None),
            ("/mnt/ledger.db", "nfs4"),
            ("/mnt/local/ledger.db", None),
            ("/mntother/ledger.db", None),
            ("/home/a b/c/ledger.db", "fuse.sshfs"),
            ("/home/ledger.db", None),
            ("/data/ledger.db", "cifs"),
            ("/fuse/ledger.db", None),
            ("/host/x/ledger.db", "9p"),
            ("/ceph/ledger.db", "ceph"),
        ],
    )
    def test_network_file_systems_are_known(self, path, kind):
        assert network_file_system(path, self.MOUNTS) == kind

    def test_a_file_on_one_is_refused(self, ledger, path, monkeypatch):
        mounts = f"27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 0:40 / {path.parent.resolve()} rw - nfs4 server:/ rw\n"
        monkeypatch.setattr("meterguard.stores.sqlite_place._mounts", lambda: mounts)
        with pytest.raises(ConfigurationError, match=r"network file system \(nfs4\)"):
            draw(ledger)
        assert not path.exists()
        monkeypatch.undo()
        assert draw(ledger) == 1


class TestHosts:
    @staticmethod
    def host(boot, up=1e6):
        return Host(boot, f"host-{boot}", lambda: up)

    def test_another_host_is_refused_until_it_is_gone(self, make):
        one, other = make(host=self.host("1")), make(host=self.host("2"))
        with freeze_time("2026-11-29 12:00:00") as now:
            draw(one)
            now.tick(55)
            for write in (draw, lambda ledger: ledger.post([line(1)]), lambda ledger: ledger.compact(0, 0)):
                with pytest.raises(ConfigurationError, match="in use by another host"):
                    write(other)
            now.tick(6)
            assert draw(other) == 2
            with pytest.raises(ConfigurationError, match="host-2"):
                draw(one)
        assert [one.drawn for one in one.accounts()] == [2]

    def test_a_host_that_works_on_stays_known(self, make):
        one, other = make(host=self.host("1")), make(host=self.host("2"))
        with freeze_time("2026-11-29 12:00:00") as now:
            for _ in range(20):
                draw(one)
                now.tick(9)
            with pytest.raises(ConfigurationError):
                draw(other)

    def test_a_host_that_was_started_anew_is_no_other(self, make):
        with freeze_time("2026-11-29 12:00:00") as now:
            draw(make(host=self.host("before")))
            now.tick(30)
            assert draw(make(host=self.host("after", up=20))) == 2

    def test_a_clock_that_was_set_back_is_no_other_host(self, make):
        with freeze_time("2026-11-29 12:00:00") as now:
            draw(make(host=self.host("before")))
            now.move_to("2026-11-28 12:00:00")
            ledger = make(host=self.host("after"))
            assert draw(ledger) == 2
            now.move_to("2026-11-30 12:00:00")
            assert draw(ledger) == 3

    def test_processes_of_a_host_are_one(self, make):
        assert [draw(make()) for _ in range(3)] == [1, 2, 3]


class TestSchema:
    def test_a_file_says_whose_it_is(self, ledger, path):
        draw(ledger)
        ledger.close()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == sqlite_schema.LEDGER.version == 2
            assert connection.execute("PRAGMA application_id").fetchone()[0] == sqlite_schema.LEDGER.application
            rows = connection.execute("SELECT name, unit, subject, quantity FROM readable_usage").fetchall()
        assert rows == [("Pages", "Count", None, 1)]

    def test_a_newer_version_is_refused_and_left(self, make, path):
        one = make()
        draw(one)
        one.close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=3")
        before = path.read_bytes()
        ledger = make()
        with pytest.raises(ConfigurationError, match="written by a newer meterguard"):
            draw(ledger)
        with pytest.raises(ConfigurationError, match="upgrade"):
            ledger.accounts()
        assert path.read_bytes() == before

    def test_a_database_of_something_else_is_refused_and_left(self, ledger, path):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        before = path.read_bytes()
        with pytest.raises(ConfigurationError, match="something else"):
            draw(ledger)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("version", [0, 1, 2])
    def test_an_old_file_is_brought_up_to_date(self, make, path, version):
        oldest = sqlite_schema.LEDGER._replace(steps=sqlite_schema.LEDGER.steps[:version])
        newest = sqlite_schema.LEDGER._replace(
            steps=(*sqlite_schema.LEDGER.steps, ("ALTER TABLE account ADD COLUMN note TEXT DEFAULT 'new'",))
        )
        old = make(schema=oldest)
        if version:
            draw(old)
            expected = [("Pages", "new")]
        else:
            path.touch()
            expected = []
        old.close()
        new = make(schema=newest)
        new.accounts()
        with new._file.alone() as connection:
            assert connection.execute("SELECT name, note FROM account").fetchall() == expected
            assert connection.execute("PRAGMA user_version").fetchone()[0] == 3

    def test_a_step_that_fails_changes_nothing(self, make, path):
        draw(make())
        broken = sqlite_schema.LEDGER._replace(
            steps=(*sqlite_schema.LEDGER.steps, ("DELETE FROM account", "SELECT nothing FROM nowhere"))
        )
        with pytest.raises(ConfigurationError):
            draw(make(schema=broken))
        assert draw(make()) == 2


class TestDamage:
    @pytest.fixture
    def filled(self, make, path):
        ledger = make()
        ledger.post([line(n, f"customer-{n}") for n in range(2000)])
        draw(ledger)
        ledger.close()
        assert path.stat().st_size > 60_000
        return ledger

    def damage(self, path, offset, what):
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(what)
        return path.read_bytes()

    @pytest.mark.parametrize("offset", [0, 100, 8192, 20480, 40960])
    def test_damaged_bytes_are_found_and_left(self, filled, path, offset, tmp_path):
        shutil.copy(path, tmp_path / "copy")
        damaged = self.damage(path, offset, b"\xa5" * 2000)
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"is damaged.*restore a copy.*move it away"):
                draw(filled)
        assert path.read_bytes() == damaged
        (tmp_path / "copy").replace(path)
        assert draw(filled) == 2

    def test_a_file_that_was_cut_is_found(self, filled, path):
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        with pytest.raises(ConfigurationError, match="is damaged"):
            draw(filled)

    def test_what_is_no_database_is_found(self, ledger, path):
        path.write_text("a letter to a friend, and not a database at all" * 100)
        with pytest.raises(ConfigurationError, match=r"is damaged, or is none"):
            draw(ledger)
        assert path.read_text().startswith("a letter")

    @pytest.mark.parametrize(
        "statement",
        [
            """UPDATE account SET body = replace(body, '"drawn":1', '"drawn":5')""",
            "UPDATE account SET body = 'nothing'",
            "UPDATE usage SET quantity = 'many'",
            "UPDATE usage SET quantity = x'00'",
            "DELETE FROM meter",
            "DROP TABLE account",
        ],
    )
    def test_books_that_cannot_be_believed_are_refused(self, ledger, path, statement):
        draw(ledger)
        ledger.close()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)
        with pytest.raises(ConfigurationError, match="is damaged"):
            list(ledger.usage()), ledger.accounts(), draw(ledger)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"

    def test_a_copy_that_takes_the_place_is_used(self, ledger, path, tmp_path):
        draw(ledger)
        ledger.close()
        shutil.copy(path, tmp_path / "copy")
        draw(ledger)
        ledger.close()
        draw(ledger)
        (tmp_path / "copy").replace(path)
        for leftover in tmp_path.glob("ledger.db-*"):
            leftover.unlink()
        assert draw(ledger) == 2

    def test_a_file_that_is_taken_away_is_not_made_anew(self, ledger, path, tmp_path):
        draw(ledger)
        path.rename(tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="was taken away while it was in use"):
                draw(ledger)
        assert not path.exists()
        (tmp_path / "elsewhere").rename(path)
        assert draw(ledger) == 2


class TestRefusals:
    """Nothing is written, the caller is told, and it goes on once the cause is gone."""

    def test_a_change_that_raises(self, make, monkeypatch):
        monkeypatch.setattr("meterguard.stores.sqlite_faults.PATIENCE", 0.2)
        ledger, other = make(), make()
        draw(ledger)
        with pytest.raises(ZeroDivisionError):
            ledger.transact(PAGES.key, lambda account, now: 1 / 0)
        assert draw(other) == 2  # nothing is locked any more
        assert draw(ledger) == 3

    def test_a_full_file(self, ledger, path):
        draw(ledger)
        with ledger._file.alone() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(LedgerFault, match=r"nothing was written: the disk is full\. Free some space"):
            ledger.post([line(1, "s" * 100 + str(n)) for n in range(1000)])
        assert books(path) == ([1], 1)
        ledger.post([line(1, "s" * 100 + str(n)) for n in range(1000)])
        assert sum(one.quantity for one in ledger.usage()) == 1001

    def test_a_file_that_may_not_grow(self, path, journal):
        program = """
            ledger, posted = SqliteLedger(path, journal=journal), 0
            draw(ledger)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            try:
                for round in range(1000):
                    ledger.post([line(1, f"{round}-{n}" + "s" * 100) for n in range(50)])
                    posted += 50
            except LedgerFault as problem:
                assert "nothing was written" in str(problem), problem
            assert 0 < posted < 50_000
            assert sum(one.quantity for one in ledger.usage()) == posted + 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            draw(ledger)
            print(posted + 2)
            ledger.close()
        """
        total = int(run(program, path, journal))
        assert books(path) == ([2], total)

    def test_a_full_disk(self, tmp_path, journal):
        program = """
            ledger, posted = SqliteLedger(path, journal=journal), 0
            draw(ledger)
            ballast = path + ".ballast"
            open(ballast, "wb").write(b"x" * 150_000)
            try:
                for round in range(1000):
                    ledger.post([line(1, f"{round}-{n}" + "s" * 100) for n in range(50)])
                    posted += 50
            except LedgerFault as problem:
                assert "the disk is full" in str(problem), problem
            assert 0 < posted < 50_000
            os.remove(ballast)
            assert sum(one.quantity for one in ledger.usage()) == posted + 1
            draw(ledger)
            assert sum(one.quantity for one in ledger.usage()) == posted + 2
            assert [one.drawn for one in ledger.accounts()] == [2]
        """
        run(program, tmp_path / "ledger.db", journal, *programs.on_a_small_disk(tmp_path))

    @pytest.mark.parametrize("place", ["file", "directory"])
    def test_what_is_read_only(self, make, path, place, journal):
        ledger = make()
        draw(ledger)
        ledger.close()
        for leftover in path.parent.glob("ledger.db-*"):
            leftover.unlink()
        target, right = (path, 0o400) if place == "file" else (path.parent, 0o500)
        before = stat.S_IMODE(target.stat().st_mode)
        target.chmod(right)
        try:
            with pytest.raises(LedgerFault, match=r"nothing was written: .*Let the process"):
                as_nobody_special(lambda: draw(ledger))
        finally:
            target.chmod(before)
        assert draw(ledger) == 2

    def test_a_place_where_nothing_can_be_made(self, tmp_path):
        tmp_path.chmod(0o500)
        ledger = SqliteLedger(str(tmp_path / "ledger.db"))
        try:
            with pytest.raises(LedgerFault, match=r"could not be made.*Let the process"):
                as_nobody_special(lambda: draw(ledger))
        finally:
            tmp_path.chmod(0o700)
        assert draw(ledger) == 1
        ledger.close()

    def test_a_file_that_another_process_keeps_locked(self, ledger, path, monkeypatch):
        monkeypatch.setattr("meterguard.stores.sqlite_faults.PATIENCE", 0.2)
        ledger.post([line(1)])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerFault, match="kept it locked"):
                draw(ledger)
        assert draw(ledger) == 1

    def test_a_commit_that_fails_is_not_made_later(self, path, monkeypatch):
        """A reader keeps a rollback journal's COMMIT waiting, and its transaction stays open."""
        monkeypatch.setattr("meterguard.stores.sqlite_faults.PATIENCE", 0.2)
        with closing(SqliteLedger(str(path), journal="truncate")) as ledger:
            draw(ledger)
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM account").fetchall()
                with pytest.raises(LedgerFault, match="nothing was written"):
                    draw(ledger, 100)
            assert draw(ledger) == 2
        assert books(path) == ([2], 2)

    def test_a_call_from_within_a_change_does_not_hang(self, ledger):
        def change(account, now):
            ledger.post([line(1)])

        with pytest.raises(LedgerFault, match="in the middle of a transaction"):
            ledger.transact(PAGES.key, change)
        assert draw(ledger) == 1


class TestProcesses:
    def test_eight_make_a_file_at_once_and_lose_nothing(self, path, journal):
        program = """
            reading, writing = os.pipe()
            def work():
                os.close(writing)
                os.read(reading, 1)  # the end of the pipe: all go at once
                ledger = SqliteLedger(path, journal=journal)
                for n in range(25):
                    draw(ledger)
                    ledger.post([line("0.1", "a")])
                ledger.close()
            pids = [child(work) for _ in range(8)]
            os.close(writing)
            ended(*pids)
        """
        run(program, path, journal)
        assert books(path) == ([200], 220)

    def test_a_fork_takes_nothing_from_its_parent(self, path, journal):
        program = """
            ledger = SqliteLedger(path, journal=journal)
            draw(ledger)
            def busy():
                for n in range(100):
                    draw(ledger, "other")
            def work():
                for n in range(20):
                    draw(ledger)
                ledger.close()
            thread = threading.Thread(target=busy)
            thread.start()
            pids = [child(work) for n in range(5)]
            work()
            thread.join()
            ended(*pids)
        """
        run(program, path, journal)
        assert books(path) == ([121, 100], 221)

    def test_a_fork_that_runs_no_hooks(self, path, journal):
        """As a server in C forks: safe with a rollback journal, and refused with a log."""
        program = """
            ledger = SqliteLedger(path, journal=journal)
            draw(ledger)
            pid = ctypes.PyDLL(None).fork()
            if not pid:
                try:
                    draw(ledger)
                    code = 10
                except ConfigurationError as problem:
                    code = 20 if "forked" in str(problem) else 30
                os._exit(code)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            draw(ledger)
            ledger.close()
        """
        code = int(run(program, path, journal))
        assert code == {"truncate": 10, "wal": 20}[journal]
        assert books(path) == {"truncate": ([3], 3), "wal": ([2], 2)}[journal]

    def test_forget_closes_nothing(self, ledger):
        draw(ledger)
        connection = ledger._file._connection
        before = sys.getrefcount(connection)
        ledger.forget()
        sqlite_file._abandoned.remove(connection)  # as when the interpreter ends, and all modules are emptied
        assert sys.getrefcount(connection) == before
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.close()

    def test_what_was_acknowledged_outlives_fifty_kills(self, path, journal):
        """Two processes at a time write as fast as they can, and are killed in the middle."""
        program = """
            random.seed(9)
            NAMES, acknowledged, doubtful = ("a", "b"), {"a": 0, "b": 0}, 0
            def work(name, pipe):
                ledger = SqliteLedger(path, journal=journal)
                while True:
                    draw(ledger, name)
                    os.write(pipe, b"x")
            def drawn():
                ledger = SqliteLedger(path, journal=journal)
                found = {one.name: one.drawn for one in ledger.accounts()}
                used = sum(one.quantity for one in ledger.usage())
                ledger.close()
                assert used == sum(found.values()), (used, found)
                return found
            before = {}
            for _ in range(25):
                pipes = [os.pipe() for _ in NAMES]
                pids = [child(lambda: work(name, pipe[1])) for name, pipe in zip(NAMES, pipes)]
                assert select.select([pipe[0] for pipe in pipes], [], [], 20)[0]
                time.sleep(random.random() * 0.02)
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                for pid in pids:
                    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
                found = drawn()
                for name, (reading, writing) in zip(NAMES, pipes):
                    os.close(writing)
                    count = len(os.read(reading, 1 << 20))
                    os.close(reading)
                    acknowledged[name] += count
                    # The one in the air may have come to be written, or not.
                    assert found.get(name, 0) - before.get(name, 0) in (count, count + 1), (name, count, found)
                    doubtful += found.get(name, 0) - before.get(name, 0) - count
                before = found
            assert sum(before.values()) == sum(acknowledged.values()) + doubtful
            print(sum(acknowledged.values()))
        """
        acknowledged = int(run(program, path, journal))
        assert acknowledged >= 25
        drawn, used = books(path)
        assert acknowledged <= sum(drawn) == used <= acknowledged + 50

    def test_threads_and_a_second_ledger_of_the_process_share_the_file(self, make):
        ledgers, barrier = [make(), make()], threading.Barrier(8)

        def work(ledger):
            barrier.wait()
            for _ in range(10):
                draw(ledger)

        threads = [threading.Thread(target=work, args=(ledgers[n % 2],)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert draw(ledgers[0]) == 81

    def test_closing_leaves_one_file_that_holds_everything(self, ledger, path):
        draw(ledger)
        ledger.close()
        assert not path.with_name("ledger.db-wal").exists()
        copy = path.with_name("copy.db")
        shutil.copy(path, copy)
        assert books(copy) == ([1], 1)


class TestQuantities:
    @pytest.mark.parametrize(
        ("one", "other", "total"),
        [
            ("9223372036854775807", "9223372036854775807", "18446744073709551614"),
            ("0.000001", "9223372036854775807.999999", "9223372036854775808"),
            ("1" + "0" * 60, "0.000001", "1" + "0" * 60 + ".000001"),
            ("1E+30", "1", "1" + "0" * 29 + "1"),
            ("-1.5", "1.5", "0"),
        ],
    )
    def test_sums_are_exact(self, ledger, one, other, total):
        ledger.post([line(one)])
        ledger.post([line(other)])
        assert [str(found.quantity) for found in ledger.usage()] == [total]

    @pytest.mark.parametrize(
        ("quantity", "stored"), [("3.00", 3), ("0.5", "0.5"), ("9223372036854775808", "9223372036854775808")]
    )
    def test_whole_numbers_are_integers_where_they_fit(self, quantity, stored):
        assert sqlite_usage.as_stored(Decimal(quantity)) == stored

    def test_many_days_are_put_together_exactly(self, ledger):
        ledger.post([line("0.1", f"s{s}", START + HOUR * n) for n in range(72) for s in range(3)])
        ledger.compact(START + 2 * DAY, 0)
        found = {(one.key.subject, one.key.hour): one.quantity for one in ledger.usage() if one.key.seconds == DAY}
        assert found == {(f"s{s}", START + DAY * n): Decimal("2.4") for n in range(2) for s in range(3)}


class TestSize:
    def test_a_year_at_a_thousand_calls_a_second_stays_small(self, ledger, path):
        """A thousand subjects with a call a second each: a part of the spans that are kept, so as much of the size."""
        share, subjects = 20, [f"customer-{n:04}" for n in range(1000)]
        hours, days = HOURS_KEPT // HOUR // share, (DAYS_KEPT - HOURS_KEPT) // DAY // share
        now = START + (days + 4) * DAY
        kept_from = now - hours * HOUR
        for day in range(days):
            ledger.post([line(86_400, one, START + day * DAY) for one in subjects])
            ledger.compact(START + (day + 1) * DAY, 0)
        for hour in range(hours):
            ledger.post([line(3600, one, kept_from + hour * HOUR) for one in subjects])
        ledger.compact(START + days * DAY, 0)
        assert sum(1 for _ in ledger.usage()) == (hours + days) * 1000
        ledger.close()
        size = path.stat().st_size * share
        assert size < 50_000_000, f"{size / 1e6:.1f} MB a year"

    def test_space_is_given_back(self, ledger, path):
        subjects = [f"customer-{n}" for n in range(500)]
        ledger.post([line(3600, one, START + HOUR * n) for n in range(48) for one in subjects])
        ledger.close()
        large = path.stat().st_size
        ledger.compact(START + 2 * DAY, 0)
        ledger.close()
        small = path.stat().st_size
        assert small < large / 5
        ledger.compact(START + 2 * DAY, START + 9 * DAY)
        ledger.close()
        assert path.stat().st_size < small
        assert list(ledger.usage()) == []
        with ledger._file.alone() as connection:
            assert connection.execute("SELECT count(*) FROM subject").fetchone() == (0,)

    def test_reading_stays_quick(self, ledger):
        """The key of the table finds a range: no day is read that was not asked for."""
        ledger.post([line(1, hour=START)])
        with ledger._file.alone() as connection:
            query = "EXPLAIN QUERY PLAN SELECT * FROM usage WHERE seconds IN (3600, 86400) AND start >= ? AND start < ?"
            assert "SEARCH usage USING PRIMARY KEY" in str(connection.execute(query, (0, 1)).fetchall())
