"""The Celery example, with a real worker, over a broker that is a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.examples.conftest import EXAMPLES
from tests.house.source import ROOT

CONFIGURATION = """
broker_url = "filesystem://"
broker_transport_options = {{
    "data_folder_in": "{folder}/queue",
    "data_folder_out": "{folder}/queue",
    "control_folder": "{folder}/queue",
    "polling_interval": 0.05,
}}
result_backend = "file://{folder}/results"
worker_hijack_root_logger = False
broker_connection_retry_on_startup = True
"""


@pytest.fixture
def work(licence, tmp_path, monkeypatch):
    """``with work():`` a worker, until its warm shutdown."""
    for folder in ("queue", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "celeryconfig.py").write_text(CONFIGURATION.format(folder=tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{EXAMPLES}:{ROOT}:{tmp_path}")

    @contextmanager
    def working():
        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "1", "-l", "INFO"]
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
                process.communicate(timeout=20)

    return working


def test_a_worker(work, run, asked, nothing_left):
    with work():
        done = run("-c", "import celery_tasks; celery_tasks.main('june')")
    assert done.stdout.splitlines() == ["june: 12 pages", "june.pdf", "archive failed: not_entitled"], done.stderr
    assert asked() == [
        *["CheckoutLicense Seats 1", "CheckInLicense"],
        *["CheckoutLicense Export", "CheckoutLicense Archive 400", "CheckInLicense"],
    ]
    assert nothing_left()
