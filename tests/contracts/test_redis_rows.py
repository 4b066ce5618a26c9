"""What the lease store in Redis promises beyond the contract: lost replies, servers that die, refuse or forget."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
import traceback

import pytest
import redis

from meterguard.errors import ConfigurationError
from meterguard.rows import Row, StoreFault
from meterguard.stores import redis_rows, redis_server
from meterguard.stores.redis_rows import INDEX, RedisRows
from tests.lossy_proxy import first_times

QUICK = "?socket_timeout=0.3&socket_connect_timeout=0.3"
LONG = 600.0
ONE, TWO, THREE = (Row(version, f'{{"holder": {version}}}') for version in "123")


@pytest.fixture
def make():
    """``make(url)``: a store that is closed when the test ends."""
    made = []

    def make(url, **options):
        made.append(RedisRows(url, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(server, make):
    return make(server.url)


def write(store, row=ONE, expected="", key="a/1", keep=LONG):
    return store.replace(key, expected, row, keep).is_won


def is_write(request):
    return b"EVAL" in request and INDEX.encode() in request


class TestLostReplies:
    @pytest.mark.parametrize("times", [1, 3])
    def test_a_write_is_known_to_be_carried_out(self, lossy, make, store, times):
        proxy = lossy(first_times(times, is_write))
        assert write(make(proxy.url))
        assert proxy.lost == times
        assert store.read("a/1").row == ONE

    def test_a_row_that_goes_is_known_to_be_gone(self, lossy, make, store):
        write(store)
        proxy = lossy(first_times(1, is_write))
        assert write(make(proxy.url), None, "1")
        assert proxy.lost == 1
        assert store.read("a/1").row is None

    def test_where_others_wrote_in_between_nobody_knows(self, lossy, make, store):
        """It was written, and somebody replaced it: that is neither won nor lost."""
        times = first_times(1, is_write)

        def loses(request):
            is_lost = times(request)
            if is_lost:
                assert write(store, TWO, "1")
            return is_lost

        with pytest.raises(StoreFault, match=r"others wrote meanwhile.*whether it was written is not known"):
            write(make(lossy(loses).url))
        assert store.read("a/1").row == TWO

    def test_what_is_not_known_when_the_time_is_up_is_said_to_be(self, lossy, make, store):
        with pytest.raises(StoreFault, match=r"reply to a write was lost: whether it was written is not known"):
            write(make(lossy(is_write).url, deadline=0.2))
        assert store.read("a/1").row == ONE

    def test_reading_again_is_harmless(self, lossy, make, store):
        write(store)
        left = [b"row:a/1", b"ZSCAN"]

        def loses(request):
            return bool(left) and left[0] in request and bool(left.pop(0))

        behind = make(lossy(loses).url)
        assert behind.read("a/1").row == ONE
        assert list(behind.rows("")) == [("a/1", ONE)]
        assert left == []


class TestTrips:
    def test_one_for_each_call(self, store, admin):
        """A call is one command, once a connection is open and the scripts are known."""
        write(store)
        store.read("a/1")
        before = admin.info("commandstats")["cmdstat_evalsha"]["calls"]
        won, lost = store.replace("a/1", "1", TWO, LONG), store.replace("a/1", "1", THREE, LONG)
        assert (won.is_won, lost.is_won, lost.seen.row, store.read("a/1").row) == (True, False, TWO, TWO)
        stats = admin.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] - before == 3
        assert stats["cmdstat_eval"]["calls"] == 2, "one for each script, when it was not known yet"

    def test_the_time_is_the_servers(self, store, admin):
        seconds, microseconds = admin.time()
        before = seconds + microseconds / 1e6
        read, written = store.read("a/1").now, store.replace("a/1", "", ONE, LONG).seen.now
        seconds, microseconds = admin.time()
        assert before <= read <= written <= seconds + microseconds / 1e6

    def test_a_server_that_forgot_the_scripts_gets_them_again(self, store, admin):
        for row, expected in ((ONE, ""), (TWO, "1"), (THREE, "2")):
            admin.script_flush()
            assert write(store, row, expected)
            admin.script_flush()
            assert store.read("a/1").row == row
            admin.script_flush()
            assert list(store.rows("a")) == [("a/1", row)]


class TestKeys:
    def test_all_have_one_hash_tag(self, store, admin):
        for key in ("a{b}c", "{x}", "a/1"):
            write(store, key=key)
        assert {key.decode().partition("}")[0] for key in admin.scan_iter()} == {"meterguard:{leases"}
        assert {key for key, _ in store.rows("")} == {"a{b}c", "{x}", "a/1"}

    def test_signs_of_patterns_are_letters(self, store):
        keys = {"a*/1", "ab/1", "a?/1", "a[b]/1", "a\\/1", "a^/1"}
        for key in keys:
            write(store, key=key)
        for key in keys:
            assert [found for found, _ in store.rows(key[:-1])] == [key]

    def test_rows_expire_and_the_index_with_them(self, store, admin):
        write(store, key="a/long")
        write(store, key="a/short", keep=0.05)
        assert admin.pttl("meterguard:{leases}:row:a/long") > 500_000
        assert admin.pttl(INDEX) > 500_000, "nothing stays for ever"
        while admin.exists("meterguard:{leases}:row:a/short"):
            time.sleep(0.01)
        assert store.read("a/short").row is None
        assert [key for key, _ in store.rows("")] == ["a/long"]
        assert admin.zcard(INDEX) == 2, "who reads deletes nothing"
        write(store, TWO, "1", "a/long", keep=1.0)
        assert admin.zrange(INDEX, 0, -1) == [b"a/long"]
        assert admin.pttl(INDEX) > 500_000, "another row may be kept for longer"
        write(store, None, "2", "a/long")
        assert list(admin.scan_iter()) == []

    def test_many_are_read_page_by_page(self, store, admin, monkeypatch):
        monkeypatch.setattr(redis_rows, "PAGE", 7)
        for number in range(500):
            write(store, key=f"a/{number}")
        listed = store.rows("a/")
        found = [next(listed)[0]]
        admin.delete(*(f"meterguard:{{leases}}:row:a/{number}" for number in range(100)))
        found += [key for key, _ in listed]
        assert len(found) == len(set(found))
        assert {f"a/{number}" for number in range(100, 500)} <= set(found)
        assert len(found) <= 407


class TestEpochs:
    def test_a_server_that_comes_back_has_another(self, server, store):
        """It kept what it had, or most of that."""
        written = store.replace("a/1", "", ONE, LONG).seen
        assert store.read("a/1").epoch == store.read("a/2").epoch == written.epoch != ""
        server.stop()
        server.start()
        seen = store.read("a/1")
        assert seen.row == ONE
        assert seen.epoch not in ("", written.epoch)

    def test_one_that_comes_back_empty_too(self, start, make):
        server = start("--appendonly", "no")
        store = make(server.url)
        before = store.replace("a/1", "", ONE, LONG).seen.epoch
        server.stop()
        server.start()
        seen = store.read("a/1")
        assert seen.row is None
        assert seen.epoch not in ("", before)
        assert list(store.rows("")) == []
        assert not write(store, TWO, "1")
        assert write(store, TWO)

    def test_a_replica_that_becomes_the_master_too(self, server, admin, start, make, store):
        admin.config_set("repl-diskless-sync-delay", 0)
        write(store)
        replica = start("--replicaof", "127.0.0.1", server.port)
        with redis.Redis.from_url(replica.url) as promoter:
            deadline = time.monotonic() + 20
            while not promoter.exists("meterguard:{leases}:row:a/1"):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            other, before = make(replica.url), store.read("a/1").epoch  # another one since it has a replica
            assert (other.read("a/1").row, other.read("a/1").epoch) == (ONE, before)
            with pytest.raises(StoreFault, match="it is a read-only replica; nothing was written"):
                write(other, TWO, "1")
            server.stop()
            promoter.replicaof("NO", "ONE")
        assert other.read("a/1").epoch not in ("", before)
        assert write(other, TWO, "1")

    def test_a_user_who_may_not_ask_has_none(self, server, make, admin):
        admin.acl_setuser("meter", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+@all", "-info"])
        store = make(f"redis://meter:hunter2@127.0.0.1:{server.port}")
        won, seen = store.replace("a/1", "", ONE, LONG)
        assert (won, seen.epoch, store.read("a/1").epoch, store.read("a/1").row) == (True, "", "", ONE)
        assert store.describe().startswith(
            f"the server at 127.0.0.1:{server.port}, which does not tell when it was restarted"
        )

    def test_it_is_told_whether_there_is_one(self, server, store):
        told = (
            f"the server at 127.0.0.1:{server.port}, whose restarts are noticed; it appends what is written to a file"
        )
        assert store.describe() == told


class TestProcesses:
    def test_a_forked_child_has_connections_of_its_own(self, server, store, admin):
        program = """
import os, sys
from meterguard.rows import Row
from meterguard.stores.redis_rows import RedisRows
store = RedisRows(sys.argv[1])

def write(key):
    assert store.replace(key, "", Row("1", key), 600).is_won

for hook in (True, False):
    write(f"a/{hook}")
    pid = os.fork()
    if not pid:
        if hook:
            store.forget()
        for number in range(10):
            write(f"child/{hook}/{number}")
        store.close()
        os._exit(0)
    for number in range(10):
        write(f"parent/{hook}/{number}")
    assert os.waitpid(pid, 0)[1] == 0
assert store.read("a/True").row == Row("1", "a/True")
"""
        subprocess.run([sys.executable, "-c", program, server.url], timeout=50, check=True)
        assert len(list(store.rows(""))) == 42


class TestServersThatCannotServe:
    def test_one_that_stands_still(self, server, make):
        store = make(server.url + QUICK, deadline=0.5)
        write(store)
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreFault, match=r"^the lease store at 127.* cannot be had now: .*nothing was written"):
            store.read("a/1")
        with pytest.raises(StoreFault, match="whether it was written is not known"):
            write(store, TWO, "1")
        server.process.send_signal(signal.SIGCONT)
        assert write(store, TWO, "1"), "it was written, or is now"
        assert store.read("a/1").row == TWO

    @pytest.mark.parametrize("name", ["socket_timeout", "socket_connect_timeout"])
    def test_a_url_may_not_ask_for_more_patience_than_there_is(self, name):
        patience = RedisRows(f"redis://127.0.0.1:1?{name}=99")._connection._pool().connection_kwargs
        other = ({"socket_timeout", "socket_connect_timeout"} - {name}).pop()
        assert (patience[name], patience[other]) == (3.0, 1.5)

    def test_one_that_is_gone(self, server, make):
        store = make(server.url, deadline=0.3)
        write(store)
        server.stop()
        for use in (lambda: store.read("a/1"), lambda: write(store, TWO, "1"), lambda: list(store.rows(""))):
            with pytest.raises(StoreFault, match=rf"^the lease store at 127\.0\.0\.1:{server.port} cannot be had now"):
                use()
        server.start()
        assert store.read("a/1").row == ONE
        assert write(store, TWO, "1")

    def test_one_without_memory(self, store, admin):
        write(store)
        admin.config_set("maxmemory", "1")
        for act in (lambda: write(store, TWO, "1"), lambda: write(store, ONE, key="a/2")):
            with pytest.raises(StoreFault, match="it is out of memory"):
                act()
        assert store.read("a/1").row == ONE
        assert [key for key, _ in store.rows("")] == ["a/1"]
        assert write(store, None, "1"), "taking away needs none"
        admin.config_set("maxmemory", "0")
        assert write(store)


class TestServersThatWillNotDo:
    def refused(self, make, url, match):
        with pytest.raises(ConfigurationError, match=match) as caught:
            make(url).read("a/1")
        assert "hunter2" not in str(caught.value)

    def test_one_that_is_too_old(self):
        with pytest.raises(ConfigurationError, match=r"Redis 6\.0\.16; a lease store needs 6\.2 or newer, or Valkey"):
            redis_server.check_version(redis_server.Facts("6.0.16", None, None), "host:6379", "lease store")

    def test_one_that_keeps_no_file_will_do(self, start, make, caplog):
        assert write(make(start("--appendonly", "no").url))
        assert caplog.records == []

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
    def test_one_that_deletes_rows_will_do_with_one_warning(self, start, make, caplog, policy):
        store = make(start("--maxmemory-policy", policy).url)
        with caplog.at_level(logging.WARNING, "meterguard"):
            for row, expected in ((ONE, ""), (TWO, "1")):
                assert write(store, row, expected)
                store.close()
        (said,) = [record.getMessage() for record in caplog.records]
        assert f"may delete rows of leases when its memory is full (maxmemory-policy {policy})" in said

    @pytest.mark.parametrize("user", [":hunter2@", "", "somebody:hunter2@"])
    def test_a_wrong_password_or_none(self, start, make, user):
        server = start("--requirepass", "right")
        url = f"redis://{user}127.0.0.1:{server.port}"
        self.refused(make, url, "does not let the lease store in.*password in the URL")
        assert write(make(f"redis://:right@127.0.0.1:{server.port}"))

    def test_a_user_without_rights(self, server, make, admin):
        admin.acl_setuser("meter", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+@all", "-evalsha"])
        url = f"redis://meter:hunter2@127.0.0.1:{server.port}"
        self.refused(make, url, r"does not let the lease store in: .*evalsha.*the user's rights")

    def test_a_database_that_is_not_there(self, server, make):
        self.refused(make, f"redis://127.0.0.1:{server.port}/99", "cannot keep a lease store: .*out of range")

    def test_something_else_under_a_key_of_ours(self, store, admin):
        admin.set("meterguard:{leases}:row:a/1", "something")
        with pytest.raises(ConfigurationError, match=r"cannot keep a lease store: .*wrong kind of value"):
            store.read("a/1")

    def test_a_row_that_cannot_be_read(self, store, admin):
        write(store)
        admin.hset("meterguard:{leases}:row:a/1", "body", b"\xff")
        for use in (lambda: store.read("a/1"), lambda: write(store, TWO, "0"), lambda: list(store.rows(""))):
            with pytest.raises(ConfigurationError, match=r"is damaged: a row cannot be read.*at most one more seat"):
                use()


class TestUrls:
    @pytest.mark.parametrize("url", ["redis:/host", "redis://:hun/ter2@host", "redis://:hunter2@host?colour=red"])
    def test_a_wrong_one_is_told_by_its_scheme_alone(self, url):
        with pytest.raises(ConfigurationError, match="The lease store's URL must be redis://") as caught:
            RedisRows(url)
        assert "ter2" not in str(caught.value)
        frames = [frame for frame, _ in traceback.walk_tb(caught.tb)][1:]  # the first is this one
        assert "ter2" not in "".join(repr(value) for frame in frames for value in frame.f_locals.values())

    def test_nothing_secret_shows(self):
        shown = repr(RedisRows("redis://:hunter2@127.0.0.1:1").__dict__)
        assert "hunter2" not in shown

    def test_options_of_redis_py_change_no_promise(self, server, make):
        store = make(f"{server.url}?retry_on_timeout=yes&decode_responses=yes&encoding=latin-1&protocol=3")
        row = Row("1", "日本")
        assert write(store, row)
        assert list(store.rows("")) == [("a/1", store.read("a/1").row)] == [("a/1", row)]
