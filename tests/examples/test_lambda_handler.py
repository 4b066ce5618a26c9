"""The Lambda example, in a process that is frozen between invocations."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from meterguard import MeterGuard
from tests.examples.conftest import EXAMPLES
from tests.house.source import ROOT

RUNTIME = """
import importlib, json, sys, threading
for line in sys.stdin:
    name, event = json.loads(line)
    module, function = name.rsplit(".", 1)
    try:
        said = getattr(importlib.import_module(module), function)(event, None)
    except Exception as error:
        said = {"errorType": type(error).__name__}
    print(json.dumps([said, [t.name for t in threading.enumerate()]]), flush=True)
"""


@pytest.fixture
def invoke(licence, tmp_path, monkeypatch):
    """``invoke(event, name)``: the answer; the process runs only while it makes one."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "jobs")
    monkeypatch.setenv("PYTHONPATH", f"{EXAMPLES}:{ROOT}")
    command = [sys.executable, "-W", "error", "-c", RUNTIME]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ.copy(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def invoked(event, name="lambda_handler.handler"):
            process.send_signal(signal.SIGCONT)
            process.stdin.write(json.dumps([name, event]) + "\n")
            process.stdin.flush()
            said, threads = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            assert threads == ["MainThread"]
            return said

        try:
            yield invoked
        finally:
            process.kill()


def test_a_seat_is_back_after_each_invocation(invoke, asked, nothing_left):
    for job in ("june", "july"):
        said = invoke({"job": job})
        assert (said["statusCode"], json.loads(said["body"])) == (200, {"result": f"{job}: 12 pages"})
        assert nothing_left()
    assert invoke({"job": ""}) == {"errorType": "ValueError"}
    assert nothing_left()
    assert asked() == ["CheckoutLicense Seats 1", "CheckInLicense"] * 3


def test_a_no(invoke, nothing_left):
    with MeterGuard() as other, other.requires_entitlement("Seats", 3, "Count", hold="call"):
        said = invoke({"job": "june"})
        assert (said["statusCode"], json.loads(said["body"])) == (403, {"error": "not_entitled"})
        records = [{"messageId": "1", "body": "june"}]
        refused = invoke({"Records": records}, "lambda_handler.from_queue")
        assert refused == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert nothing_left()


def test_an_outage(invoke, lm, nothing_left):
    with lm.down():
        said = invoke({"job": "june"})
    assert said["statusCode"] == 503
    assert int(said["headers"]["Retry-After"]) >= 1
    assert invoke({"job": "june"})["statusCode"] == 200
    assert nothing_left()


def test_a_queue(invoke, nothing_left):
    records = [{"messageId": str(number), "body": body} for number, body in enumerate(["june", "", "july"])]
    assert invoke({"Records": records}, "lambda_handler.from_queue") == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert nothing_left()
