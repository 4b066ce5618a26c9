"""With a proxy in the environment, and no exception for this machine, the fixtures reach it without the proxy."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import boto3
import pytest
from botocore.config import Config

from meterguard import MeterGuard
from meterguard.emulator import Emulator
from meterguard.testing import Control

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def proxy(monkeypatch):
    """A proxy that the environment names; nobody may connect to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for name in PROXIES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


def client(**options):
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.Session().client("license-manager", region_name="us-east-1", config=once, **keys | options)


@pytest.fixture
def served(proxy, meterguard_emulator):
    return meterguard_emulator


def test_the_fixture(served):
    served.add_license("A", [("Seats", 1, "Count")])
    with closing(client()) as asking:
        assert len(asking.list_received_licenses()["Licenses"]) == 1


@pytest.mark.parametrize(("upper", "lower"), [("corp.example", None), (None, "corp.example"), ("x", "corp.example")])
def test_other_exceptions_stay(request, proxy, monkeypatch, upper, lower):
    for name, value in (("NO_PROXY", upper), ("no_proxy", lower)):
        if value is not None:
            monkeypatch.setenv(name, value)
    pytest.importorskip("uvicorn")
    request.getfixturevalue("meterguard_emulator")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "corp.example,127.0.0.1,localhost,::1"


def test_an_exception_for_everything_stays(request, proxy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    pytest.importorskip("uvicorn")
    request.getfixturevalue("meterguard_emulator")
    assert os.environ["NO_PROXY"] == "*"


def test_a_control(proxy):
    with Control({"Seats": 2}) as control:
        assert control.guard.has_entitlement("Seats", 1, "Count")
        control.exhaust("Seats")
        assert not control.guard.has_entitlement("Seats", 1, "Count")


def test_in_process(proxy):
    before = dict(os.environ)
    with Emulator().in_process() as lm:
        licence = lm.add_license("A", [("Seats", 1, "Count")])
        late = client()
        assert len(late.list_received_licenses()["Licenses"]) == 1
        with MeterGuard("A", licence.key_fingerprint, client=late) as guard:
            assert guard.has_entitlement("Seats", 1, "Count")
    assert dict(os.environ) == before
    with closing(late), pytest.raises(Exception, match="Could not connect"):
        late.list_received_licenses()
