"""Law 9: importing meterguard, and decorating with it, is quiet and cheap."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.house.source import ROOT

HEAVY = {
    *("asyncio", "boto3", "botocore", "cachetools", "cryptography", "pydantic", "sqlite3"),
    *("click", "rich", "starlette", "uvicorn"),
}


@pytest.fixture(scope="module")
def report():
    """What ``import_cost.py`` saw, in a fresh interpreter."""
    program = ROOT / "tests" / "house" / "import_cost.py"
    done = subprocess.run([sys.executable, "-I", "-B", program, ROOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_heavy_is_imported(report):
    assert not HEAVY & {name.split(".")[0] for name in report["modules"]}


def test_no_thread_is_started(report):
    assert report["threads"] == []


def test_no_file_or_socket_is_opened(report):
    assert report["effects"] == []


def test_no_configuration_is_read(report):
    assert [name for name in report["environment_reads"] if name.startswith(("AWS_", "METERGUARD_"))] == []
