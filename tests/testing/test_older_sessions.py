"""An emulator in the process answers clients of sessions that are older than it, once each."""

from __future__ import annotations

import boto3
import pytest
from botocore import handlers

from meterguard.emulator import Emulator
from meterguard.emulator.serving import in_process


@pytest.fixture
def older(monkeypatch):
    """The default session, made before anybody asked for an emulator."""
    ours = (in_process._answer_if_active, in_process._answer_if_near)
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", [one for one in handlers.BUILTIN_HANDLERS if one[1] not in ours])
    session = boto3.Session()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    return session


@pytest.mark.parametrize("times", [1, 3])
def test_it_answers_once(older, times):
    for _ in range(times):
        with Emulator().in_process() as lm:
            assert older.client("sts").get_caller_identity()["Account"] == lm.account_id
            assert older.client("license-manager").list_received_licenses()["Licenses"] == []
            assert [one.operation for one in lm.requests] == ["GetCallerIdentity", "ListReceivedLicenses"]
