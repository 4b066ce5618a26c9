"""The implementations that the contracts are held to. A new store or ledger is one more line here."""

from __future__ import annotations

import contextlib
import signal
import threading
import uuid
from urllib.parse import urlsplit

import pytest

from meterguard.stores.memory import MemoryLeaseStore
from meterguard.stores.memory_ledger import MemoryLedger
from meterguard.stores.memory_rows import MemoryRows
from meterguard.stores.sqlite_ledger import SqliteLedger
from meterguard.stores.sqlite_rows import SqliteRows
from tests import lossy_proxy, postgres_server, redis_server
from tests.extras import is_installed

LEASE_STORES = {"memory": MemoryLeaseStore}


def sqlite_ledger(journal):
    def maker(request):
        path = request.getfixturevalue("tmp_path") / "ledger.db"
        return lambda: SqliteLedger(str(path), journal=journal)

    return maker


LEDGERS = {
    "memory": lambda request: MemoryLedger,
    "sqlite-rollback": sqlite_ledger("truncate"),
    "sqlite-wal": sqlite_ledger("wal"),
}
REDIS_SERVERS = redis_server.carried() if is_installed("redis") else {}
LEDGERS |= {kind: lambda request: request.getfixturevalue("make_redis_ledger") for kind in REDIS_SERVERS}


def memory_rows(request):
    store = MemoryRows()
    return lambda: store


def sqlite_rows(journal):
    def maker(request):
        path = request.getfixturevalue("tmp_path") / "leases.db"
        return lambda: SqliteRows(str(path), journal=journal)

    return maker


def postgres_rows(request):
    from meterguard.stores.postgres_rows import PostgresRows

    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresRows(url)


def django_rows(request):
    from meterguard.stores.django_rows import DjangoRows

    alias = request.getfixturevalue("django_alias")
    return lambda: DjangoRows(alias)


def dynamodb_rows(request):
    from meterguard.stores.dynamodb_rows import DynamodbRows

    name = request.getfixturevalue("dynamodb_table")
    return lambda: DynamodbRows(f"dynamodb://{name}")


SHARED_STORES = {
    "memory": memory_rows,
    "sqlite-rollback": sqlite_rows("truncate"),
    "sqlite-wal": sqlite_rows("wal"),
}
SHARED_STORES |= {kind: lambda request: request.getfixturevalue("make_redis_rows") for kind in REDIS_SERVERS}
SHARED_STORES |= {"dynamodb": dynamodb_rows} if is_installed("moto") else {}
if is_installed("psycopg") and postgres_server.programs():
    SHARED_STORES["postgres"] = postgres_rows
    SHARED_STORES |= {"django": django_rows} if is_installed("django") else {}


@pytest.fixture(scope="session")
def redis_servers(tmp_path_factory):
    """``redis_servers(kind)``: a server of that kind for this process of pytest, started when it is first wanted."""
    servers = {}

    def server(kind):
        if kind not in servers:
            directory = tmp_path_factory.mktemp(kind)
            servers[kind] = redis_server.Server(REDIS_SERVERS[kind], directory)
        return servers[kind]

    yield server
    for one in servers.values():
        one.stop()


@pytest.fixture
def make_redis_ledger(request, redis_servers):
    """Ledgers on the server of the kind that the test's parameter names, which is empty at first."""
    from meterguard.stores.redis_ledger import RedisLedger

    url = emptied(redis_servers(request.node.callspec.params["make_ledger"]))
    return lambda: RedisLedger(url)


@pytest.fixture
def make_redis_rows(request, redis_servers):
    """Stores of leases on the server of the kind that the test's parameter names, which is empty at first."""
    from meterguard.stores.redis_rows import RedisRows

    url = emptied(redis_servers(request.node.callspec.params["make_shared_store"]))
    return lambda: RedisRows(url)


def emptied(server):
    """Return the URL of a server, which is empty now."""
    import redis

    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture(scope="session")
def postgres_of_the_run():
    """A server of PostgreSQL for this process of pytest."""
    server = postgres_server.Server()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres_of_the_run):
    """The URL of a database that is empty at first."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_of_the_run.execute(f"CREATE DATABASE {name}")
    yield postgres_of_the_run.url(name)
    postgres_of_the_run.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def django_alias(postgres_url, monkeypatch):
    """The alias of a database of Django, which is empty at first."""
    from django.db import connections

    from tests.integrations import django_project

    django_project.set_up()
    parts = urlsplit(postgres_url)
    options = {"NAME": parts.path[1:], "USER": parts.username, "PASSWORD": parts.password, "HOST": parts.hostname}
    handler = type(connections)({"default": {"ENGINE": "django.db.backends.postgresql", "PORT": parts.port, **options}})
    monkeypatch.setitem(connections.settings, "default", handler.settings["default"])
    with contextlib.suppress(AttributeError):  # of another test
        del connections["default"]
    yield "default"
    connections["default"].close()
    del connections["default"]


@pytest.fixture
def dynamodb_table(environment, monkeypatch):
    """The name of a table of DynamoDB, which is empty at first."""
    import boto3
    from moto import mock_aws
    from moto.core.botocore_stubber import BotocoreStubber

    process, lock = BotocoreStubber.process_request, threading.Lock()

    def one_after_the_other(stubber, request):  # moto looks at a condition and writes in two steps
        with lock:
            return process(stubber, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", one_after_the_other)
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="leases",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        )
        yield "leases"


@pytest.fixture(params=LEASE_STORES)
def make_store(request):
    """``make_store(maxsize)``: an empty lease store, once for each implementation."""
    return LEASE_STORES[request.param]


@pytest.fixture(params=LEDGERS)
def make_ledger(request):
    """``make_ledger()``: a ledger, empty at first; each one made in a test has the same place. Once for each kind."""
    make, made = LEDGERS[request.param](request), []

    def ledger():
        made.append(make())
        return made[-1]

    yield ledger
    for one in made:
        one.close()


@pytest.fixture(params=SHARED_STORES)
def make_shared_store(request):
    """``make_shared_store()``: a shared store, empty at first; each one made in a test has the same place."""
    make, made = SHARED_STORES[request.param](request), []

    def store():
        made.append(make())
        return made[-1]

    yield store
    for one in made:
        one.close()


@pytest.fixture(params=REDIS_SERVERS)
def start(request, tmp_path):
    """``start(*options)``: a server of the test's own."""
    started = []

    def start(*options):
        (directory := tmp_path / f"server-{len(started)}").mkdir()
        started.append(redis_server.Server(REDIS_SERVERS[request.param], directory, *options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
            server.stop()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def admin(server):
    """A client of the test's own server."""
    import redis

    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def lossy(server):
    """``lossy(loses)``: a proxy before the server."""
    proxies = []

    def lossy(loses):
        proxies.append(lossy_proxy.Proxy(server.port, loses))
        return proxies[-1]

    yield lossy
    for proxy in proxies:
        proxy.close()
