"""The implementations that the contracts are held to. A new store or ledger is one more line here."""

from __future__ import annotations

import pytest

from meterguard.stores.memory import MemoryLeaseStore
from meterguard.stores.memory_ledger import MemoryLedger
from meterguard.stores.sqlite_ledger import SqliteLedger
from tests import redis_server
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
    import redis

    from meterguard.stores.redis_ledger import RedisLedger

    url = redis_servers(request.node.callspec.params["make_ledger"]).url
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return lambda: RedisLedger(url)


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
