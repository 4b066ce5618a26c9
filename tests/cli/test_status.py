"""``meterguard status``: what processes hold, read from their store."""

from __future__ import annotations

import json
import os
import pty
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from subprocess import Popen

import pytest
from click import unstyle

from meterguard import Entitlement
from meterguard.cli.holdings import document, report, words
from meterguard.cli.texts import columns
from meterguard.rows import Row
from meterguard.snapshot import STATES, Holder, SharedLeaseStatus, Snapshot
from meterguard.stores.sqlite_rows import SqliteRows
from tests.cli.conftest import COMMAND

URL = "sqlite:///leases.db"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEATS = (Entitlement("Seats", 1),)


@pytest.fixture
def status(run, lm):
    """``status(*options)``: the document that the command prints. It asks AWS nothing, and needs no product."""

    def show(*options, store=URL):
        before = len(lm.requests)
        done = run("status", "--json", "--store", store, *options)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(lm.requests) == before
        return json.loads(done.stdout)

    return show


def held(*pids, per=None, state="held", orphaned=False, left=3000, host="web-1"):
    holders = tuple(Holder(host, pid, NOW - timedelta(seconds=200), orphaned) for pid in pids)
    return SharedLeaseStatus(SEATS, per, state, left, holders, orphaned)


def shown(*leases, waiting=0):
    return list(report(Snapshot("the file leases.db", leases, waiting), NOW))


def test_what_two_processes_hold(status, hold, tmp_path):
    with hold("Seats:2:", "Export::ada") as one, hold("Seats:2:") as other:
        found = status()
    assert list(found) == ["store", "leases", "waiting"]
    assert found["store"].startswith(f"the file {tmp_path}/leases.db, ")
    assert found["waiting"] == 0
    export, seats = found["leases"]
    assert list(seats) == ["entitlements", "per", "state", "expires_in", "holders", "orphaned"]
    assert seats["entitlements"] == [{"name": "Seats", "value": 2, "unit": "Count"}]
    assert export["entitlements"] == [{"name": "Export", "value": None, "unit": "None"}]
    assert (seats["per"], export["per"]) == (None, "ada")
    assert (seats["state"], seats["orphaned"]) == (export["state"], export["orphaned"]) == ("held", False)
    assert isinstance(seats["expires_in"], int)
    assert 3000 < seats["expires_in"] <= 3600
    assert [by["pid"] for by in export["holders"]] == [one.pid]
    assert {by["pid"] for by in seats["holders"]} == {one.pid, other.pid}
    for by in (*seats["holders"], *export["holders"]):
        assert list(by) == ["host", "pid", "since"]
        assert by["host"] == os.uname().nodename
        assert abs(datetime.now(UTC) - datetime.fromisoformat(by["since"])) < timedelta(minutes=2)
        assert by["since"].endswith("Z")


def test_after_they_left_nothing_is_held(status, hold, run):
    with hold() as holder:
        holder.leave()
    assert status()["leases"] == []
    text = " ".join(run("status", "--store", URL).stdout.split())
    assert text.startswith("Nothing is held in the file ")
    assert text.count(". ") == 0


def test_one_of_two_is_killed(status, hold, run):
    with hold() as one, hold() as other:
        one.kill()
        (lease,) = status()["leases"]
        text = run("status", METERGUARD_STORE=URL).stdout
        assert (lease["state"], lease["orphaned"]) == ("held", False)
        assert f"{one.pid} (dead) on " in text
        assert f"{other.pid} on " in text
        other.kill()
        (lease,) = status()["leases"]
    assert (lease["state"], lease["orphaned"]) == ("held", True)
    assert {by["pid"] for by in lease["holders"]} == {one.pid, other.pid}
    assert "meterguard release --orphans" in run("status", "--store", URL).stdout


def test_all_licences_of_a_store_are_shown(status, hold, lm):
    second = lm.add_license("ACME-2", entitlements=[("Rooms", 3, "Count")])
    with hold(), hold("Rooms:3:", METERGUARD_PRODUCT_SKU="ACME-2", METERGUARD_KEY_FINGERPRINT=second.key_fingerprint):
        names = [one["entitlements"][0]["name"] for one in status()["leases"]]
    assert names == ["Rooms", "Seats"]


def test_a_store_in_redis(status, hold, serve_redis):
    url = serve_redis().replace("redis://", "redis://:@")
    with hold(store=url) as holder:
        holder.kill()
        found = status(store=url)
    assert found["leases"][0]["orphaned"] is True
    assert found["store"].startswith("the server at 127.0.0.1:")


def test_nothing_secret_is_printed(run, hold, licence, lm, tmp_path):
    with hold() as holder:
        holder.kill()
    with closing(SqliteRows(str(tmp_path / "leases.db"))) as store:
        tokens = re.findall(r'"(?:token|signed_token)":"([^"]+)"', "".join(row.body for _, row in store.rows("")))
    secrets = [*tokens, licence.arn, licence.key_fingerprint, *(one.token for one in lm.checkouts())]
    assert len(secrets) >= 4
    for options in ([], ["--json"]):
        done = run("status", "--store", URL, *options)
        assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []


def test_a_row_that_cannot_be_read(run, hold, tmp_path):
    with hold() as holder:
        holder.kill()
    with closing(SqliteRows(str(tmp_path / "leases.db"))) as store:
        key = next(key for key, _ in store.rows("") if not key.endswith("/sweep"))
        for body, told in (('{"format":99}', "a newer meterguard wrote"), ("[1", "it is damaged")):
            store.replace(key, store.read(key).row.version, Row(body, body), 60)
            done = run("status", "--store", URL)
            assert (done.returncode, done.stdout) == (1, "")
            assert told in done.stderr
            assert len(done.stderr.splitlines()) == 1


# -- what is printed ---------------------------------------------------------------------------------


def test_one_line_a_lease_and_one_a_process():
    lines = list(map(unstyle, shown(held(1, 2, per="ada"), held(3), held(state="denied", left=None), waiting=7)))
    assert lines == [
        "In the file leases.db:",
        "",
        "entitlements     per  state   ends in     process      for",
        "Seats (1 Count)  ada  held    50 minutes  2 processes",
        "                                          1 on web-1   3 minutes",
        "                                          2 on web-1   3 minutes",
        "Seats (1 Count)  -    held    50 minutes  3 on web-1   3 minutes",
        "Seats (1 Count)  -    denied  -           -",
        "Calls that wait for a seat: 7.",
    ]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("per", ["x" * 300, "\u6f22" * 60, "\x1b[31mred\n"])
def test_it_fits_into_80_columns(state, per):
    lines = shown(held(4194304, 4194303, per=per, state=state, host="ip-10-0-0-1.eu-central-1.compute.internal"))
    lines += shown(held(4194304, per=per, state=state, orphaned=True, left=10**7, host="h" * 200))
    plain = list(map(unstyle, lines))
    assert max(map(columns, plain)) <= 80
    assert not any("\x1b" in line for line in plain)
    assert any(state in line for line in plain)
    assert any(line.startswith("Seats ") for line in plain)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "0 seconds"), (0.9, "0 seconds"), (1, "1 second"), (59.9, "59 seconds"), (60, "1 minute"), (7200, "2 hours"),
     (90_000, "1 day"), (10**6, "11 days")],
)  # fmt: skip
def test_times_are_told_in_words(seconds, told):
    assert words(seconds) == told


def test_waiting_calls_are_in_the_document():
    assert json.loads(document(Snapshot("here", (), 7))) == {"store": "here", "leases": [], "waiting": 7}


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colours_on_a_terminal_only(run, hold, shell_environment, tmp_path, no_color, is_coloured):
    with hold() as holder:
        holder.kill()
    assert "\x1b" not in run("status", "--store", URL).stdout
    ours, its = pty.openpty()
    environment = shell_environment | {"NO_COLOR": no_color, "TERM": "xterm"}
    process = Popen([*COMMAND, "status", "--store", URL], stdout=its, stderr=its, cwd=tmp_path, env=environment)
    os.close(its)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # its other end is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0
    assert (b"\x1b[33m" in said) is is_coloured
