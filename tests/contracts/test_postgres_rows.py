"""What rows in PostgreSQL promise beyond the contract: servers that stop or freeze, rights, transactions, forks."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
import traceback

import psycopg
import pytest

from meterguard.errors import ConfigurationError, MissingExtra
from meterguard.rows import Row, StoreFault
from meterguard.stores import postgres_rows, postgres_table
from meterguard.stores.postgres_rows import PostgresRows
from tests import lossy_proxy, postgres_server
from tests.house.source import ROOT

OTHERS = "SELECT {} FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
FIRST, SECOND = Row("first", "1"), Row("second", "2")


@pytest.fixture
def own_postgres():
    """A server of the test's own."""
    server = postgres_server.Server()
    yield server
    server.remove()


@pytest.fixture
def open_rows():
    """``open_rows(url)``: a store that is closed when the test ends."""
    made = []

    def open_rows(url):
        made.append(PostgresRows(url))
        return made[-1]

    yield open_rows
    for store in made:
        store.close()


@pytest.fixture
def store(postgres_url, open_rows):
    return open_rows(postgres_url)


@pytest.fixture
def execute(postgres_url):
    """``execute(statement)``: run it as somebody else does."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection.execute


@pytest.fixture
def role(postgres_of_the_run):
    """The URL's user and password of a role without any right."""
    postgres_of_the_run.execute("CREATE ROLE guest LOGIN PASSWORD 'of-the-guest'")
    yield {"user": "guest", "password": "of-the-guest"}
    postgres_of_the_run.execute("DROP ROLE guest")


def database(url):
    return url.rpartition("/")[2]


@contextlib.contextmanager
def in_a_hurry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_rows, "TIMEOUT", 0.3)
        yield


# -- servers -----------------------------------------------------------------------------------------


def test_a_server_that_is_stopped_cannot_be_had_and_is_another_one_when_it_is_back(own_postgres, open_rows):
    store = open_rows(own_postgres.url())
    epoch = store.replace("a", "", FIRST, 60).seen.epoch
    assert store.read("a").epoch == epoch
    own_postgres.stop()
    for ask in (lambda: store.read("a"), lambda: store.replace("a", "first", SECOND, 60), lambda: store.rows("")):
        with pytest.raises(StoreFault, match=f"at 127.0.0.1:{own_postgres.port}/postgres cannot be had now"):
            ask()
    own_postgres.start()
    seen = store.read("a")
    assert seen.row == FIRST
    assert seen.epoch != epoch


def test_a_connection_that_was_closed_meanwhile_is_no_fault(own_postgres, open_rows):
    store = open_rows(own_postgres.url())
    store.replace("a", "", FIRST, 60)
    own_postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert store.replace("a", "first", SECOND, 60).is_won
    own_postgres.stop()
    own_postgres.start()
    assert store.read("a").row == SECOND


def test_a_server_that_freezes_is_waited_for_no_longer_than_the_limit(store, execute):
    store.replace("a", "", FIRST, 60)
    ((process,),) = execute(OTHERS.format("pid")).fetchall()
    os.kill(process, signal.SIGSTOP)
    try:
        with in_a_hurry(), pytest.raises(StoreFault, match="no reply"):
            store.read("a")
        assert store.read("a").row == FIRST, "a new connection has a new process at the server"
    finally:
        os.kill(process, signal.SIGCONT)


def test_a_writer_who_is_held_up_by_somebody_elses_lock_gives_up(store, postgres_url):
    store.replace("a", "", FIRST, 60)
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE meterguard_lease")
        with in_a_hurry(), pytest.raises(StoreFault, match="no reply"):
            store.replace("a", "first", SECOND, 60)
    assert store.replace("a", "first", SECOND, 60).is_won


def test_a_replica_is_not_believed(own_postgres, open_rows):
    store = open_rows(own_postgres.url())
    store.replace("a", "", FIRST, 60)
    own_postgres.stop()
    (own_postgres.data / "standby.signal").touch()
    own_postgres.start()
    with pytest.raises(StoreFault, match="is a replica"):
        store.read("a")
    with pytest.raises(StoreFault, match="read-only"):
        store.replace("a", "first", SECOND, 60)


def test_nothing_is_kept_in_the_session_of_the_server(store, postgres_url, execute):
    """PgBouncer gives the next statement another session."""
    for _ in range(10):
        store.read("a")
    ((last, state),) = execute(OTHERS.format("query, state")).fetchall()
    assert "meterguard_lease" in last, "there is no BEGIN or COMMIT around it"
    assert state == "idle"
    session = store._idle[0]._connection
    assert session.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    assert session.execute("SELECT count(*) FROM pg_settings WHERE source = 'session'").fetchone() == (0,)


def test_more_threads_than_connections_take_turns(store, execute):
    barrier, won = threading.Barrier(16), []

    def write(number):
        barrier.wait(30)
        won.append(store.replace(f"a/{number}", "", Row(f"v{number}", "x"), 60).is_won)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert won == [True] * 16
    ((count,),) = execute(OTHERS.format("count(*)")).fetchall()
    assert 1 <= count <= postgres_table.CONNECTIONS


@pytest.fixture
def lossy(postgres_of_the_run, postgres_url, open_rows):
    """``lossy(times)``: a store behind a proxy that loses so many replies to writes."""
    proxies = []

    def lossy(times):
        def loses(request):
            return b"WITH written" in request and proxies[-1].lost < times

        proxies.append(lossy_proxy.Proxy(postgres_of_the_run.port, loses))
        port = proxies[-1].listener.getsockname()[1]
        return open_rows(postgres_url.replace(str(postgres_of_the_run.port), str(port)))

    yield lossy
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("row", [SECOND, None], ids=["replaced", "deleted"])
def test_a_write_whose_reply_is_lost_is_sent_again_and_won(store, lossy, row):
    store.replace("a", "", FIRST, 60)
    behind = lossy(1)
    assert behind.read("a").row == FIRST
    written = behind.replace("a", "first", row, 60)
    assert (written.is_won, written.seen.row) == (True, row)
    assert store.read("a").row == row
    behind.close()


def test_a_write_whose_reply_is_lost_on_a_new_connection_is_a_fault_and_may_be_repeated(store, lossy):
    store.replace("a", "", FIRST, 60)
    behind = lossy(1)
    with pytest.raises(StoreFault):
        behind.replace("a", "first", SECOND, 60)
    assert store.read("a").row == SECOND
    assert behind.replace("a", "first", SECOND, 60).is_won
    behind.close()


# -- the table ---------------------------------------------------------------------------------------


def test_processes_that_make_the_table_at_once_do_not_fail(postgres_url, open_rows, execute):
    stores = [open_rows(postgres_url) for _ in range(8)]
    for _ in range(20):
        execute("DROP TABLE IF EXISTS meterguard_lease")
        barrier, failures = threading.Barrier(len(stores)), []

        def read(store, barrier=barrier, failures=failures):
            barrier.wait(30)
            try:
                store.read("a")
            except (ConfigurationError, StoreFault) as problem:
                failures.append(problem)

        threads = [threading.Thread(target=read, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failures == []


def test_a_role_that_may_not_make_the_table_is_told_the_statement(postgres_of_the_run, postgres_url, role, open_rows):
    store = open_rows(postgres_of_the_run.url(database(postgres_url), **role))
    with pytest.raises(ConfigurationError) as raised:
        store.read("a")
    statement = str(raised.value).partition("\n")[2]
    assert statement.startswith("CREATE TABLE")
    assert "guest" not in str(raised.value)
    postgres_of_the_run.execute(statement, database(postgres_url))
    with pytest.raises(ConfigurationError, match="SELECT, INSERT, UPDATE and DELETE"):
        store.read("a")
    granted = "GRANT SELECT, INSERT, UPDATE, DELETE ON meterguard_lease TO guest"
    postgres_of_the_run.execute(granted, database(postgres_url))
    assert store.replace("a", "", FIRST, 60).is_won
    postgres_of_the_run.execute("REVOKE ALL ON meterguard_lease FROM guest", database(postgres_url))


def test_a_table_of_somebody_else_is_left_alone(store, execute):
    execute("CREATE TABLE meterguard_lease (key text)")
    with pytest.raises(ConfigurationError, match="cannot keep a lease store"):
        store.read("a")


def test_rows_whose_time_is_over_are_deleted_now_and_then(store, execute, monkeypatch):
    monkeypatch.setattr(postgres_table, "SWEEPS", 0.0)
    for number in range(30):
        store.replace(f"old/{number}", "", Row("v", "x"), 0.0)
    monkeypatch.setattr(postgres_table, "SWEEPS", 1.0)
    assert store.replace("a", "", FIRST, 60).is_won
    ((left,),) = execute("SELECT count(*) FROM meterguard_lease").fetchall()
    assert left == 11
    assert store.replace("a", "first", SECOND, 60).is_won
    assert execute("SELECT key FROM meterguard_lease").fetchall() == [("a",)]


def test_a_writer_who_came_between_is_told_to_the_loser(store, postgres_url, open_rows):
    """The statement waits for the row, finds another version, and reads what is there by then."""
    store.replace("a", "", FIRST, 60)
    lost = []
    with psycopg.connect(postgres_url) as other:
        other.execute("UPDATE meterguard_lease SET version = 'other', body = 'x'")
        thread = threading.Thread(target=lambda: lost.append(store.replace("a", "first", SECOND, 60)))
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with psycopg.connect(postgres_url, autocommit=True) as watcher:
            while watcher.execute(waiting).fetchone() == (0,):
                assert thread.is_alive()
        other.commit()
    thread.join(30)
    assert [(one.is_won, one.seen.row) for one in lost] == [(False, Row("other", "x"))]


def test_a_transaction_that_is_serializable_by_default_is_tried_again(postgres_of_the_run, postgres_url, open_rows):
    postgres_of_the_run.execute(
        f"ALTER DATABASE {database(postgres_url)} SET default_transaction_isolation = 'serializable'"
    )
    stores, barrier, won = [open_rows(postgres_url) for _ in range(4)], threading.Barrier(4), []

    def write(store, number):
        for turn in range(20):
            barrier.wait(30)
            won.append(store.replace(f"a/{turn}", "", Row(f"v{number}", "x"), 60).is_won)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(stores, range(4), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(won), sum(won)) == (80, 20)


# -- who is let in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "not-it"},
        {"user": "stranger"},
        {"database": "nowhere"},
        {"user": "stranger", "password": "%40secret"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_who_is_not_let_in_is_a_matter_of_the_set_up(postgres_of_the_run, open_rows, wrong):
    store = open_rows(postgres_of_the_run.url(**wrong))
    with pytest.raises(ConfigurationError, match="does not let the lease store in") as raised:
        store.read("a")
    told = "".join(traceback.format_exception(raised.value)) + store.describe() + repr(store)
    secrets = ("not-it", "stranger", "secret", postgres_server.PASSWORD, f'"{postgres_server.USER}"')
    assert [secret for secret in secrets if secret in told] == []
    assert raised.value.__context__ is None, "a debug page would show the frames of the driver"


@pytest.mark.parametrize(
    "url", ["postgres://%", "mysql://u:hidden@h/db", "postgresql://u:hidden@h:port/db?nonsense=1", "postgresql:hidden"]
)
def test_a_wrong_url_is_not_repeated(url):
    with pytest.raises(ConfigurationError) as raised:
        PostgresRows(url)
    assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_the_place_is_told_without_user_and_password(open_rows):
    store = open_rows("postgres://me:hidden@db.internal:6432/leases?sslmode=require")
    assert "db.internal:6432/leases" in store.describe()
    assert "hidden" not in store.describe()
    assert "me:" not in store.describe()


def test_without_psycopg_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "meterguard.stores.postgres_rows")
    with pytest.raises(MissingExtra, match=r"pip install 'meterguard\[postgres\]'"):
        importlib.import_module("meterguard.stores.postgres_rows")


# -- forks -------------------------------------------------------------------------------------------


def in_child(work):
    """Return how a forked child ends that does this."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("is_told", [True, False], ids=["with a hook", "without"])
def test_a_child_has_connections_of_its_own(store, is_told):
    store.replace("a", "", FIRST, 60)
    parents = store._idle[0]

    def work():
        if is_told:
            store.forget()
        assert store.replace("a", "first", SECOND, 60).is_won
        store.close()

    assert in_child(work) == 0
    assert store.read("a").row == SECOND
    assert store._idle == [parents], "the child has not said goodbye to the server in the parent's name"


# -- Django ------------------------------------------------------------------------------------------


@pytest.fixture
def django_store(django_alias):
    from meterguard.stores.django_rows import DjangoRows

    store = DjangoRows(django_alias)
    yield store
    store.close()


def test_a_transaction_of_the_application_takes_no_row_with_it(django_store, django_alias):
    from django.db import connections, transaction

    with connections[django_alias].cursor() as cursor:
        cursor.execute("CREATE TABLE orders (number int)")
    with transaction.atomic(using=django_alias):
        with connections[django_alias].cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (1)")
        assert django_store.replace("a", "", FIRST, 60).is_won
        transaction.set_rollback(True, using=django_alias)
    with connections[django_alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders")
        assert cursor.fetchone() == (0,)
    assert django_store.read("a").row == FIRST


def test_a_failure_of_the_store_breaks_no_transaction_of_the_application(django_store, django_alias, execute):
    from django.db import connections, transaction

    execute("CREATE TABLE meterguard_lease (key text)")
    with transaction.atomic(using=django_alias), connections[django_alias].cursor() as cursor:
        cursor.execute("CREATE TABLE orders (number int)")
        with pytest.raises(ConfigurationError):
            django_store.read("a")
        cursor.execute("INSERT INTO orders VALUES (1)")
    assert execute("SELECT number FROM orders").fetchall() == [(1,)]


def test_a_failed_transaction_of_the_application_is_no_fault_of_the_store(django_store, django_alias):
    from django.db import ProgrammingError, connections, transaction

    with contextlib.suppress(ProgrammingError), transaction.atomic(using=django_alias):
        with connections[django_alias].cursor() as cursor, contextlib.suppress(ProgrammingError):
            cursor.execute("SELECT nonsense")
        assert django_store.replace("a", "", FIRST, 60).is_won
    assert django_store.read("a").row == FIRST


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (None, "has no such alias"),
        (
            {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            "its engine is sqlite. It needs PostgreSQL",
        ),
        ({"ENGINE": "django.db.backends.postgresql"}, "Please supply the NAME"),
    ],
    ids=["no alias", "SQLite", "no name"],
)
def test_a_database_that_will_not_do_is_refused_with_the_reason(django_alias, monkeypatch, setting, told):
    from django.db import connections

    from meterguard.stores.django_rows import DjangoRows

    if setting is not None:
        handler = type(connections)({"default": {}, "other": setting})
        monkeypatch.setitem(connections.settings, "other", handler.settings["other"])
    with pytest.raises(ConfigurationError, match=told):
        DjangoRows("other").read("a")
    with contextlib.suppress(AttributeError):
        del connections["other"]


def test_settings_of_django_that_do_not_exist_are_an_error_of_one_line():
    program = 'from meterguard.stores.django_rows import DjangoRows; DjangoRows("default").read("a")'
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "no_such_settings"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    last = run.stderr.splitlines()[-1]
    assert last.endswith("in DATABASES['default'] of Django: No module named 'no_such_settings'."), run.stderr
    assert "ConfigurationError" in last


# In a process of its own, for Django takes psycopg 3 where there is both.
PSYCOPG2 = """
import sys
sys.modules["psycopg"] = None
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **eval(sys.argv[1])}})
from meterguard.rows import Row
from meterguard.stores import django_rows
store = django_rows.DjangoRows("default")
first, second = Row("first", "\N{SNOWMAN}"), Row("second", "2")
assert store.replace("a", "", first, 60).is_won
assert store.replace("a", "second", second, 60).seen.row == first
store.close()
assert list(store.rows("")) == [("a", first)]
django_rows.TIMEOUT = 0.3
try:
    store._idle[0].run("SELECT pg_sleep(30)", {})
except Exception as problem:
    assert problem.is_slow
else:
    raise AssertionError
django_rows.TIMEOUT = 30.0
store.forget()
assert store.read("a").row == first
store.close()
"""


def test_a_django_with_psycopg2_will_do(django_alias):
    from django.db import connections

    database = {name: connections.settings[django_alias][name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    command = [sys.executable, "-W", "error", "-c", PSYCOPG2, repr(database)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    wrong = repr(database | {"PASSWORD": "wrong"})
    done = subprocess.run([*command[:-1], wrong], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert (
        "ConfigurationError: PostgreSQL at DATABASES['default'] of Django does not let the lease store in"
        in done.stderr
    )
    assert postgres_server.USER + '"' not in done.stderr.splitlines()[-1]
