"""What a ledger in Redis promises beyond the contract: lost replies, servers that die, stop, refuse or forget."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from decimal import Decimal

import pytest
import redis

from meterguard.account import Account
from meterguard.errors import ConfigurationError
from meterguard.ports import LedgerFault, Posting
from meterguard.stores import redis_layout, redis_ledger, redis_server
from meterguard.stores.redis_ledger import RedisLedger
from meterguard.usage import UsageKey, UsageLine
from tests.lossy_proxy import first_times

PAGES = Account("scope", "Pages", "Count")
HOUR = 1_700_000_400 // 3600 * 3600
QUICK = "?socket_timeout=0.3&socket_connect_timeout=0.3"


def line(quantity, subject=None, hour=HOUR):
    return UsageLine(UsageKey("scope", "Pages", "Count", subject, hour), Decimal(quantity))


def drawing(units, *lines):
    def change(account, _now):
        account = account or PAGES
        return Posting(replace(account, drawn=account.drawn + units, left=account.left + units), lines)

    return change


def total(ledger):
    return sum(one.quantity for one in ledger.usage())


@pytest.fixture
def make(start):
    """``make(url)``: a ledger that is closed when the test ends."""
    made = []

    def make(url, **options):
        made.append(RedisLedger(url, **options))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(server, make):
    return make(server.url)


def is_write(request):
    return b"EVAL" in request and b"accounts" in request and b"nonces" in request


@pytest.fixture
def spawn():
    """``spawn(program, *arguments)``: start a process that waits until a line is written to it."""
    with contextlib.ExitStack() as stack:

        def spawn(program, *arguments):
            command = [sys.executable, "-c", PRELUDE + program, *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield spawn


def go(processes):
    """Let them begin together, when all are ready."""
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(processes)
    say("go", processes)


def say(word, processes):
    for process in processes:
        process.stdin.write(f"{word}\n")
        process.stdin.flush()


def last(process):
    """Return the last number that a process prints, before it ends."""
    for text in process.stdout:
        number = int(text)
    return number


PRELUDE = """
import sys
from dataclasses import replace
from decimal import Decimal
from meterguard.account import Account
from meterguard.ports import LedgerFault, Posting
from meterguard.stores.redis_ledger import RedisLedger
from meterguard.usage import UsageKey, UsageLine

PAGES = Account("scope", "Pages", "Count")
ONE = UsageLine(UsageKey("scope", "Pages", "Count", None, 1_699_999_200), Decimal("1.000001"))

def draw_one(account, now):
    account = account or PAGES
    return Posting(replace(account, drawn=account.drawn + 1, left=account.left + 1), (ONE,))

ledger = RedisLedger(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""


class TestLostReplies:
    @pytest.mark.parametrize("times", [1, 3])
    def test_a_transaction_is_carried_out_once_and_known_to_be(self, lossy, make, ledger, times):
        ledger.transact(PAGES.key, drawing(1, line(1)))
        proxy = lossy(first_times(times, is_write))
        posting = make(proxy.url).transact(PAGES.key, drawing(10, line("0.5")))
        assert proxy.lost == times
        assert posting.account.drawn == 11
        assert ledger.accounts() == [posting.account]
        assert total(ledger) == Decimal("1.5")

    def test_also_where_it_is_the_first_one(self, lossy, make, ledger):
        make(lossy(first_times(1, is_write)).url).transact(PAGES.key, drawing(10))
        assert [one.drawn for one in ledger.accounts()] == [10]

    def test_also_where_others_wrote_in_between(self, lossy, make, ledger):
        calls = []

        def loses(request):
            if is_write(request) and not calls:
                ledger.transact(PAGES.key, drawing(100, line(100)))
                calls.append(request)
                return True
            return False

        make(lossy(loses).url).transact(PAGES.key, drawing(10, line(10)))
        assert [one.drawn for one in ledger.accounts()] == [110]
        assert total(ledger) == 110

    @pytest.mark.parametrize("times", [1, 3])
    def test_usage_is_added_once(self, lossy, make, ledger, times):
        proxy = lossy(first_times(times, is_write))
        make(proxy.url).post([line(1), line(2, "a")])
        assert proxy.lost == times
        assert sorted(one.quantity for one in ledger.usage()) == [1, 2]

    def test_what_is_not_known_when_the_time_is_up_is_said_to_be(self, lossy, make, ledger):
        with pytest.raises(LedgerFault, match=r"reply to a write was lost: whether it was written is not known"):
            make(lossy(is_write).url, deadline=0.2).transact(PAGES.key, drawing(10, line(1)))
        assert [one.drawn for one in ledger.accounts()] == [10]
        assert total(ledger) == 1

    def test_reading_again_is_harmless(self, lossy, make, ledger):
        ledger.transact(PAGES.key, drawing(1, line(1)))
        left = [b"HVALS", b"ZRANGEBYSCORE", b"}:usage:"]

        def loses(request):
            return bool(left) and left[0] in request and bool(left.pop(0))

        behind = make(lossy(loses).url)
        assert [one.drawn for one in behind.accounts()] == [1]
        assert total(behind) == 1
        assert left == []

    def test_a_day_is_made_once(self, lossy, make, ledger):
        ledger.post([line(1), line(2, hour=HOUR + 3600)])
        proxy, lost = None, []

        def loses(request):
            is_first = b"EVAL" in request and b"spans" in request and not lost
            return is_first and not lost.append(request)

        proxy = lossy(loses)
        make(proxy.url).compact(HOUR + 7200, 0)
        assert proxy.lost == 1
        assert [(one.key.seconds, one.quantity) for one in ledger.usage()] == [(86400, 3)]

    def test_nonces_are_forgotten_after_a_while(self, ledger, admin):
        admin.zadd(redis_layout.NONCES, {"old": time.time() - 400, "recent": time.time() - 100})
        ledger.post([line(1)])
        assert len(kept := admin.zrange(redis_layout.NONCES, 0, -1)) == 2
        assert kept[0] == b"recent"

    def test_a_write_that_comes_too_late_for_its_nonce_is_refused(self, ledger, monkeypatch):
        """It waited in a server that stood still; it may have come twice, and nobody remembers."""
        monkeypatch.setattr(redis_ledger, "WINDOW", -5)
        with pytest.raises(LedgerFault, match="clock was set forward; nothing was written"):
            ledger.transact(PAGES.key, drawing(1, line(1)))
        with pytest.raises(LedgerFault, match="clock was set forward; nothing was written"):
            ledger.post([line(1)])
        assert ledger.accounts() == []
        assert total(ledger) == 0


class TestScripts:
    def test_a_server_that_forgot_them_gets_them_again(self, ledger, admin):
        def change(account, now):
            admin.script_flush()
            return drawing(1, line(1))(account, now)

        for _ in range(3):
            ledger.transact(PAGES.key, change)
            admin.script_flush()
        assert [one.drawn for one in ledger.accounts()] == [3]
        ledger.compact(HOUR + 3600, 0)
        assert total(ledger) == 3


class TestProcesses:
    def test_eight_lose_nothing(self, server, ledger, spawn):
        program = "for _ in range(25): ledger.transact(PAGES.key, draw_one)\nledger.post([ONE])"
        processes = [spawn(program, server.url) for _ in range(8)]
        go(processes)
        assert [process.wait(40) for process in processes] == [0] * 8
        assert [one.drawn for one in ledger.accounts()] == [200]
        assert total(ledger) == 208 * Decimal("1.000001")

    def test_a_server_that_is_killed_keeps_what_it_acknowledged(self, start, make, spawn):
        """Each process tells what it did; none is left in doubt."""
        program = """
import threading
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
done = 0
while not told.is_set():
    try:
        ledger.transact(sys.argv[2], draw_one)
    except LedgerFault as fault:
        assert "nothing was written" in str(fault), fault
    else:
        done += 1
        print(done, flush=True)
print(done)
"""
        server = start("--appendfsync", "always")
        ledger = make(server.url)
        processes = [spawn(program, server.url, f"account-{n % 2}") for n in range(4)]
        go(processes)
        for is_killed in (True, False):
            for process in processes:
                assert "" not in [process.stdout.readline() for _ in range(4)], "it goes on"
            if is_killed:
                server.stop()
                server.start()
        say("stop", processes)
        done = [last(process) for process in processes]
        assert [process.wait(10) for process in processes] == [0] * 4
        assert sorted(one.drawn for one in ledger.accounts()) == sorted([done[0] + done[2], done[1] + done[3]])
        assert total(ledger) == sum(done) * Decimal("1.000001")

    def test_a_forked_child_has_connections_of_its_own(self, server, ledger, admin, spawn):
        program = """
import os
for hook in (True, False):
    ledger.transact(PAGES.key, draw_one)
    child = os.fork()
    if not child:
        if hook:
            ledger.forget()
        for _ in range(10):
            ledger.transact(PAGES.key, draw_one)
        ledger.close()
        os._exit(0)
    for _ in range(10):
        ledger.transact(PAGES.key, draw_one)
    assert os.waitpid(child, 0)[1] == 0
print(ledger.accounts()[0].drawn, flush=True)
sys.stdin.readline()
"""
        process = spawn(program, server.url)
        go([process])
        assert process.stdout.readline() == "42\n"
        assert len(admin.client_list()) == 2, "the parent's one connection is still open, and this one"
        say("end", [process])
        assert process.wait(10) == 0
        assert [one.drawn for one in ledger.accounts()] == [42]


class TestServersThatCannotServe:
    def test_one_that_stands_still(self, server, make):
        ledger = make(server.url + QUICK, deadline=0.5)
        ledger.transact(PAGES.key, drawing(1))
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(LedgerFault, match="nothing was written"):
            ledger.transact(PAGES.key, drawing(1))
        assert time.monotonic() - began < 10
        server.process.send_signal(signal.SIGCONT)
        assert ledger.transact(PAGES.key, drawing(1)).account.drawn == 2

    def test_one_that_stands_still_during_a_write(self, server, make):
        """All that was sent to it is carried out when it goes on, and changes the account once."""
        ledger = make(server.url + QUICK, deadline=0.5)
        ledger.transact(PAGES.key, drawing(1, line(1)))

        def change(account, now):
            server.process.send_signal(signal.SIGSTOP)
            return drawing(1, line(1))(account, now)

        with pytest.raises(LedgerFault, match="whether it was written is not known"):
            ledger.transact(PAGES.key, change)
        server.process.send_signal(signal.SIGCONT)
        ledger.close()
        assert [one.drawn for one in ledger.accounts()] == [2]
        assert total(ledger) == 2

    def test_one_that_is_gone(self, server, ledger):
        ledger.transact(PAGES.key, drawing(1))
        server.stop()
        with pytest.raises(LedgerFault, match=rf"127.0.0.1:{server.port} cannot be had now: .*nothing was written"):
            ledger.transact(PAGES.key, drawing(1))
        server.start()
        assert ledger.transact(PAGES.key, drawing(1)).account.drawn == 2

    def test_a_replica(self, server, start, make):
        replica = start("--replicaof", "127.0.0.1", server.port)
        with pytest.raises(LedgerFault, match="it is a read-only replica; nothing was written"):
            make(replica.url).transact(PAGES.key, drawing(1))

    def test_one_that_became_a_replica(self, server, ledger, admin):
        ledger.transact(PAGES.key, drawing(1, line(1)))
        admin.replicaof("127.0.0.1", "1")
        with pytest.raises(LedgerFault, match="it is a read-only replica"):
            ledger.transact(PAGES.key, drawing(1, line(1)))
        with pytest.raises(LedgerFault, match="it is a read-only replica"):
            ledger.post([line(1)])
        admin.replicaof("NO", "ONE")
        assert ledger.transact(PAGES.key, drawing(1)).account.drawn == 2
        assert total(ledger) == 1

    def test_one_without_memory(self, ledger, admin):
        ledger.transact(PAGES.key, drawing(1, line(1)))
        admin.config_set("maxmemory", "1")
        with pytest.raises(LedgerFault, match="it is out of memory"):
            ledger.transact(PAGES.key, drawing(1, line(1)))
        with pytest.raises(LedgerFault, match="it is out of memory"):
            ledger.post([line(1)])
        assert total(ledger) == 1
        admin.config_set("maxmemory", "0")
        assert ledger.transact(PAGES.key, drawing(1)).account.drawn == 2
        assert total(ledger) == 1

    def test_the_text_for_each_code(self):
        old = "Error running script (call to f_1): @user_script:7: @user_script: 7: -MISCONF Errors writing to the AOF"
        assert redis_server.passing(old) == "it cannot write to its disk"
        assert redis_server.passing("wrong kind of value") is None


class TestServersThatWillNotDo:
    def refused(self, make, url, match):
        with pytest.raises(ConfigurationError, match=match) as caught:
            make(url).accounts()
        assert "hunter2" not in str(caught.value)

    def test_one_that_keeps_nothing(self, start, make):
        self.refused(make, start("--appendonly", "no").url, "keeps nothing on its disk.*Turn it on: CONFIG SET")

    def test_one_that_was_mended_will_do(self, start, make):
        server = start("--appendonly", "no")
        ledger = make(server.url)
        with pytest.raises(ConfigurationError):
            ledger.transact(PAGES.key, drawing(1))
        with redis.Redis.from_url(server.url) as admin:
            admin.config_set("appendonly", "yes")
        ledger.transact(PAGES.key, drawing(1))

    def test_one_that_evicts_any_key(self, start, make):
        self.refused(make, start("--maxmemory-policy", "allkeys-lru").url, "Set maxmemory-policy to noeviction")

    def test_one_that_evicts_what_has_a_time_to_live_will_do(self, start, make):
        assert make(start("--maxmemory-policy", "volatile-lru").url).accounts() == []

    @pytest.mark.parametrize("appendonly", ["yes", "no"])
    def test_where_config_is_forbidden_info_tells(self, start, make, appendonly):
        server = start("--appendonly", appendonly, "--rename-command", "CONFIG", "")
        if appendonly == "yes":
            assert make(server.url).accounts() == []
        else:
            self.refused(make, server.url, "keeps nothing on its disk")

    def test_where_both_are_forbidden_a_warning_says_so_once(self, server, make, admin, caplog):
        admin.acl_setuser(
            "meter", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+@all", "-config", "-info"]
        )
        ledger = make(f"redis://meter:hunter2@127.0.0.1:{server.port}")
        with caplog.at_level(logging.WARNING, "meterguard"):
            for _ in range(2):
                ledger.transact(PAGES.key, drawing(1))
                ledger.close()
        assert len(caplog.records) == 1
        said = caplog.records[0].getMessage()
        assert said.startswith(
            f"The server at 127.0.0.1:{server.port} does not tell whether it keeps a file of what is"
        )

    def test_one_that_is_too_old(self):
        with pytest.raises(ConfigurationError, match=r"Redis 6\.0\.16; a ledger needs 6\.2"):
            redis_server.check(redis_server.Facts("6.0.16", appendonly=True, policy=None), "host:6379")
        redis_server.check(redis_server.Facts("10.0.1", appendonly=True, policy=None), "host:6379")

    @pytest.mark.parametrize("user", [":hunter2@", "", "somebody:hunter2@"])
    def test_a_wrong_password_or_none(self, start, make, user):
        server = start("--requirepass", "right")
        self.refused(make, f"redis://{user}127.0.0.1:{server.port}", "does not let the ledger in.*password in the URL")
        assert make(f"redis://:right@127.0.0.1:{server.port}").accounts() == []

    def test_a_password_that_is_not_needed(self, server, make):
        self.refused(make, f"redis://:hunter2@127.0.0.1:{server.port}", "does not let the ledger in")

    def test_a_user_without_rights(self, server, make, admin):
        admin.acl_setuser("meter", enabled=True, passwords=["+hunter2"], keys=["*"], commands=["+@all", "-evalsha"])
        ledger = make(f"redis://meter:hunter2@127.0.0.1:{server.port}")
        assert ledger.accounts() == []
        with pytest.raises(ConfigurationError, match=r"does not let the ledger in: .*evalsha.*the user's rights"):
            ledger.transact(PAGES.key, drawing(1))

    def test_a_database_that_is_not_there(self, server, make):
        self.refused(make, f"redis://127.0.0.1:{server.port}/99", "cannot keep a ledger: .*out of range")


class TestDamage:
    def test_a_newer_ledger_is_left_alone(self, ledger, server, make, admin):
        ledger.transact(PAGES.key, drawing(1, line(1)))
        admin.set(redis_layout.SCHEMA, "2")
        for act in (lambda: ledger.transact(PAGES.key, drawing(1)), make(server.url).accounts):
            with pytest.raises(ConfigurationError, match=r"newer version of meterguard\. Upgrade"):
                act()
        with pytest.raises(ConfigurationError, match="newer version"):
            ledger.post([line(1)])
        admin.set(redis_layout.SCHEMA, "1")
        assert ledger.transact(PAGES.key, drawing(1)).account.drawn == 2
        assert total(ledger) == 1

    @pytest.mark.parametrize("row", ["", "v", "v {}", 'v {"drawn":', b"v \xff"])
    def test_an_account_that_cannot_be_read(self, ledger, admin, row):
        admin.hset(redis_layout.ACCOUNTS, PAGES.key, row)
        for act in (ledger.accounts, lambda: ledger.transact(PAGES.key, drawing(1))):
            with pytest.raises(ConfigurationError, match=r"is damaged: an account cannot be read.*Restore it"):
                act()

    def test_usage_that_cannot_be_read(self, ledger, admin):
        ledger.post([line(1)])
        name = redis_layout.usage_key(redis_layout.span_name(line(1).key))
        admin.hset(name, "null", "one")
        with pytest.raises(ConfigurationError, match="is damaged: usage cannot be read"):
            list(ledger.usage())
        with pytest.raises(ConfigurationError):
            ledger.transact(PAGES.key, drawing(1, line(1)))
        assert ledger.accounts() == [], "nothing was written"

    def test_something_else_under_a_key_of_ours(self, ledger, admin):
        admin.set(redis_layout.ACCOUNTS, "something")
        with pytest.raises(ConfigurationError, match=r"cannot keep a ledger: .*wrong kind of value"):
            ledger.transact(PAGES.key, drawing(1))


class TestAmounts:
    def test_a_seventh_place_is_an_error(self, ledger):
        with pytest.raises(ValueError, match="at most 6 decimal places"):
            ledger.post([line("0.0000001")])

    def test_beyond_64_bits_they_stay_exact(self, ledger):
        for _ in range(3):
            ledger.post([line(f"{2**70}.999999"), line("0.000001", "a"), line("-0.000003", "b")])
        found = {one.key.subject: one.quantity for one in ledger.usage()}
        assert found == {
            None: Decimal(3 * 2**70 + 2) + Decimal("0.999997"),
            "a": Decimal("0.000003"),
            "b": Decimal("-0.000009"),
        }

    def test_a_sum_that_is_too_large_is_refused_with_all_that_comes_with_it(self, ledger):
        ledger.post([line(9 * 10**21)])
        with pytest.raises(ConfigurationError, match="too large"):
            ledger.transact(PAGES.key, drawing(1, line(1, "a"), line(9 * 10**20)))
        assert ledger.accounts() == []
        assert [one.quantity for one in ledger.usage()] == [9 * 10**21]

    def test_all_keys_have_one_hash_tag(self, ledger, admin):
        ledger.transact("a{b}c", drawing(1, line(1, "{x}"), line(1, hour=HOUR + 3600)))
        ledger.compact(HOUR + 3600, 0)
        assert {key.decode().partition("}")[0] for key in admin.scan_iter()} == {"meterguard:{ledger"}

    def test_days_of_usage_may_be_made_while_they_are_read(self, ledger):
        ledger.post([line(1, hour=HOUR // 86400 * 86400 + n * 3600) for n in range(48)])
        lines = iter(ledger.usage())
        found = [next(lines)]
        ledger.compact(HOUR + 3 * 86400, 0)
        found += lines
        assert sum(one.quantity for one in found) == 48


WRONG = ["redis:/host", "host:6379", "http://host", "redis://host/two", "redis://host:port", "redis://host#0"]


class TestUrls:
    @pytest.mark.parametrize("url", [*WRONG, "redis://:hunter2@host?colour=red", "redis://:hun/ter2@host"])
    def test_a_wrong_one_is_told_by_its_scheme_alone(self, url):
        with pytest.raises(ConfigurationError, match="The ledger's URL must be redis://") as caught:
            RedisLedger(url)
        got = str(caught.value).partition("got ")[2]
        assert got.startswith(f"{url.partition('://')[0]}://..." if "://" in url else "no scheme")
        assert "host" not in got
        assert "ter2" not in got
        assert caught.value.__context__ is None
        frames = [frame for frame, _ in traceback.walk_tb(caught.tb)][1:]  # the first is this one
        assert "ter2" not in "".join(repr(value) for frame in frames for value in frame.f_locals.values())

    def test_nothing_is_opened_before_it_is_needed(self):
        RedisLedger("redis://127.0.0.1:1")
        RedisLedger("rediss://:hunter2@127.0.0.1:1/3?ssl_cert_reqs=none")

    def test_nothing_secret_shows(self):
        shown = repr(RedisLedger("redis://:hunter2@127.0.0.1:1").__dict__)
        assert "hunter2" not in shown

    def test_options_of_redis_py_change_no_promise(self, server, make):
        ledger = make(f"{server.url}?retry_on_timeout=yes&decode_responses=yes&encoding=latin-1&protocol=3")
        assert ledger.transact("é", drawing(1, line(1, "日本"))).account.drawn == 1
        assert [one.key.subject for one in ledger.usage()] == ["日本"]


def test_without_the_package_the_extra_is_named():
    program = """
import sys
sys.modules["redis"] = None
import meterguard
import meterguard.stores
try:
    import meterguard.stores.redis_ledger
except meterguard.MissingExtra as missing:
    print(missing)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    needed = "A ledger or a lease store in Redis needs a package that is not installed"
    assert done.stdout == f"{needed}: pip install 'meterguard[redis]'\n"
