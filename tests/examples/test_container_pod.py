"""The container's pod under gunicorn: four workers that all report, and one bill."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from meterguard.ledger import open_report
from tests.examples.marketplace import HOUR, PRODUCT, Time, settings
from tests.integrations.serving import Server
from tests.laws.servers import wait_for

WORKERS = 4
HOURS = 5


@pytest.fixture
def moved(lm, tmp_path):
    return Time(lm, tmp_path / "ahead")


@pytest.fixture
def start(lm, moved, tmp_path):
    """``start()``: the pod. Its workers take one request at a time each."""
    lm.add_product(PRODUCT, ["pages"])
    servers, env = [], settings(lm, tmp_path, "container_pod")

    def starting():
        servers.append(Server("gunicorn, 4 workers", "moved_time:wsgi", env=env, cwd=tmp_path, is_factory=False))
        return servers[-1]

    yield starting
    for server in servers:
        server.stop()
        server.kill()


@pytest.fixture
def pod(start):
    return start()


@pytest.fixture
def books(tmp_path):
    """``books()``: what the ledger says was used in each hour."""
    return lambda: {
        one.start.timestamp(): one.quantity for one in open_report(f"sqlite:///{tmp_path}/usage.db").records()
    }


def billed(lm):
    """Each hour's quantity. That there is one record an hour is seen by their number."""
    return [(one.hour, one.quantity) for one in lm.metering_records()]


def use(pod, pages, meet=""):
    reply = httpx.post(f"{pod.url}/render", json=["a page"] * pages, headers={"Meet": meet}, timeout=40)
    assert reply.json() == ["A PAGE"] * pages


def use_all(pod, name, pages):
    """Have each worker render so many pages, at the same time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        asked = [pool.submit(use, pod, pages, f"{name}/{WORKERS}") for _ in range(WORKERS)]
    for one in asked:
        one.result()


def test_four_workers_make_one_record_an_hour_and_one_bill(lm, moved, pod, books, tmp_path):
    for hour in range(1, HOURS + 1):
        use_all(pod, f"hour-{hour}", hour)
        for _ in range(3):
            use(pod, 7)
        assert len(lm.metering_records()) == hour - 1, "the hour goes on"
        moved.shift(HOUR)
        wait_for(lambda hour=hour: len(lm.metering_records()) >= hour)
    assert len(list((tmp_path / "hour-1").iterdir())) == WORKERS
    assert billed(lm) == list(books().items())
    assert [quantity for _, quantity in billed(lm)] == [WORKERS * hour + 3 * 7 for hour in range(1, HOURS + 1)]
    total = sum(books().values())
    assert lm.bill() == {"pages": total}
    wait_for(lambda: status(pod)["pending"]["records"] == 0)
    assert status(pod)["delivered"] == {"records": HOURS, "quantity": str(total)}


def test_neither_killed_workers_nor_a_restart_are_billed_twice_or_lost(lm, moved, pod, start, books, tmp_path):
    lm.faults.add("MeterUsage", drop="after", times=2)
    use_all(pod, "before", 5)
    for worker in (tmp_path / "before").iterdir():
        os.kill(int(worker.name), signal.SIGKILL)
    use_all(pod, "after", 2)
    moved.shift(HOUR)
    wait_for(lm.bill)
    pod.stop()
    again = start()  # on the same volume
    use(again, 1)
    moved.shift(HOUR)
    wait_for(lambda: status(again)["delivered"]["records"] == 2)
    assert lm.bill() == {"pages": sum(books().values())} == {"pages": WORKERS * (5 + 2) + 1}
    assert billed(lm) == list(books().items())


def test_what_is_no_list_of_pages_is_not_metered(pod, books):
    for body in ("[]", '"text"', "[1]"):
        reply = httpx.post(f"{pod.url}/render", content=body, headers={"Content-Type": "application/json"}, timeout=40)
        assert reply.status_code == 400
    assert books() == {}


def status(pod):
    return json.loads(pod.get("/metering").body)
