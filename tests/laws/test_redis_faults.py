"""Processes that share a lease through a server of Redis, which is killed, paused, emptied and started anew."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import redis

from tests import redis_server

PROCESSES, TTL = 4, 4
QUICK = "?socket_timeout=0.5&socket_connect_timeout=0.5"


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count")], ttl=TTL)


@pytest.fixture
def server(tmp_path):
    server = redis_server.Server(redis_server.carried()["valkey"], tmp_path)
    yield server
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.process.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
def start(lm, licence, server):
    """``start()``: one more process, once its first call has run."""
    processes = []

    def start():
        fingerprint = licence.key_fingerprint
        arguments = [lm.url, lm.region, "ACME-1", fingerprint, server.url + QUICK]
        command = [sys.executable, "-m", "tests.laws.sharing_worker", *arguments]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout.readline() == "ready\n"
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def most_seats(lm, licence):
    """The most seats that were taken at once, in a list of one number."""
    most, over = [0], threading.Event()

    def watch():
        while not over.wait(0.01):
            most[0] = max(most[0], lm.usage(licence)["Seats"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield most
    over.set()
    watcher.join()


def killed(server):
    server.stop()
    time.sleep(1.2 * TTL)
    server.start()


def paused(server):
    os.kill(server.process.pid, signal.SIGSTOP)
    time.sleep(1.2 * TTL)
    os.kill(server.process.pid, signal.SIGCONT)


def emptied(server):

    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        client.script_flush()


def started_empty(server):
    server.stop()
    for path in server.directory.glob("appendonlydir/*"):
        path.unlink()
    server.start()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("trouble", [killed, paused, emptied, started_empty])
def test_no_call_fails_and_nobody_takes_a_second_seat(lm, licence, server, start, most_seats, trouble):
    processes = [start() for _ in range(PROCESSES)]
    trouble(server)
    renewed = lm.calls("ExtendLicenseConsumption")
    lm.wait_for_calls("ExtendLicenseConsumption", renewed + 2, timeout=30)  # all have met at the store again
    processes.append(start())
    ended = [json.loads(process.communicate("")[0]) for process in processes]
    assert [one.keys() for one in ended] == [{"ran"}] * (PROCESSES + 1)
    assert most_seats == [1]
    assert lm.calls("CheckoutLicense") == 1
    assert wait_until(lambda: lm.usage(licence)["Seats"] == 0)


def wait_until(holds):
    return any(holds() or threading.Event().wait(0.05) for _ in range(200))
