"""The document service, with a real worker: what was rendered is what was charged, whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal

import pytest

from tests.examples.conftest import EXAMPLES
from tests.house.source import ROOT

SITES = ROOT / "tests/examples/sites"
PAGES = 500
SLICE = 10  # a tenth of the example's block
CONFIGURATION = """
from tests.integrations.sites import celery_broker

broker_url = celery_broker.URL
broker_transport_options = {{
    "data_folder_in": "{folder}/queue",
    "data_folder_out": "{folder}/queue",
    "control_folder": "{folder}/queue",
    "polling_interval": 0.05,
}}
result_backend = "file://{folder}/results"
worker_hijack_root_logger = False
broker_connection_retry_on_startup = True
worker_timer_precision = 0.1
worker_lost_wait = 0.1
"""


@pytest.fixture
def licence(lm, monkeypatch, tmp_path):
    licence = lm.add_license("ACME-1", entitlements=[("Pages", PAGES, "Count")], ttl=3600)
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    monkeypatch.setenv("METERGUARD_LEDGER", f"sqlite:///{tmp_path}/documents.db")
    monkeypatch.setenv("PYTHONPATH", f"{EXAMPLES}:{ROOT}:{tmp_path}:{SITES}")
    return licence


@pytest.fixture
def work(licence, tmp_path):
    """``with work():`` a worker, until its warm shutdown."""
    for folder in ("queue", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "celeryconfig.py").write_text(CONFIGURATION.format(folder=tmp_path))
    log = tmp_path / "worker.log"

    @contextmanager
    def working():
        options = ["--concurrency", "2", "-l", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = [sys.executable, "-m", "celery", "-A", "document_site", "worker", *options]
        with subprocess.Popen(
            command, cwd=tmp_path, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                for line in process.stdout:
                    if " ready." in line:
                        break
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                log.write_text(process.communicate(timeout=20)[0])

    return working


# Sends in what its arguments say, in JSON, and prints what became of it.
CLIENT = """
import json, sys
from document_service import render, render_all
work = json.loads(sys.argv[1])
sent = [(render if isinstance(one, dict) else render_all).delay(one) for one in work]
print(json.dumps([str(one.get(timeout=30, interval=0.02, propagate=False)) for one in sent]))
"""


@pytest.fixture
def send(run):
    """``send(*work)``: documents for ``render`` and lists of documents for ``render_all``, and what became of them."""

    def sending(*work):
        done = run("-c", CLIENT, json.dumps(work))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return sending


@pytest.fixture
def usage(run):
    """``usage()``: the balance of Pages and the totals of each customer, as the command prints them."""

    def read():
        done = run("-m", "meterguard", "usage", "--json", "--by", "entitlement,subject")
        assert done.returncode == 0, done.stderr
        said, totals = json.loads(done.stdout), Counter()
        for one in said["records"]:
            totals[one["entitlement"], one["subject"]] += Decimal(str(one["quantity"]))
        return said["entitlements"]["Pages"], totals

    return read


def document(customer, name, pages=12):
    return {"customer": customer, "name": name, "pages": pages}


def size(customer, folder):
    """What the customer's files take, in megabytes."""
    return Decimal(sum(file.stat().st_size for file in (folder / "documents" / customer).iterdir())) / 1_000_000


def test_a_day_of_the_service(work, run, send, usage, lm, licence, tmp_path):
    with work():
        done = run("-c", "import document_service; document_service.main('ana', 'june', 'july', 'august')")
        assert done.stdout.splitlines() == [f"documents/ana/{month}.txt" for month in ("june", "july", "august")]
        send(
            *(document("ben", f"letter-{number}", 1) for number in range(40)),
            document("ben", "jammed", 30),  # fails at first, and is charged once
            [document("cleo", "torn", 50), document("cleo", "book", 20), document("cleo", "torn-too", 5)],
        )
        (refused,) = send([document("dora", "all", PAGES), document("dora", "more", 1)])
        assert refused.startswith("License Manager does not allow Pages")
    pages, totals = usage()
    assert totals == {
        ("Pages", "ana"): 36,
        ("Pages", "ben"): 70,
        ("Pages", "cleo"): 20,
        **{("Storage", customer): size(customer, tmp_path) for customer in ("ana", "ben", "cleo")},
    }
    assert (pages["charged"], pages["reserved"], pages["lost"]) == (126, 0, 0)
    assert pages["drawn"] == pages["charged"] + pages["left"] == lm.usage(licence)["Pages"]
    assert not (tmp_path / "documents" / "dora").exists()


def test_a_process_that_is_killed_in_the_middle(work, send, usage, lm, licence):
    with work():
        work_done = send(document("ana", "doomed", 30), [document("ben", "book"), document("ben", "doomed-too")])
        assert work_done == ["documents/ana/doomed.txt", "['documents/ben/book.txt', 'documents/ben/doomed-too.txt']"]
        send(document("cleo", "letter", 1))
    pages, totals = usage()
    assert {who: units for (what, who), units in totals.items() if what == "Pages"} == {"ana": 30, "ben": 24, "cleo": 1}
    assert (pages["charged"], pages["reserved"]) == (55, 0)
    assert pages["lost"] <= 30 + 24 + 2 * SLICE
    assert pages["drawn"] == pages["charged"] + pages["left"] + pages["lost"] == lm.usage(licence)["Pages"]
