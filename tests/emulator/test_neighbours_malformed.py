"""Odd requests to KMS and STS: each is refused as its protocol says, and none breaks the emulator."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.emulator import Emulator
from meterguard.emulator.operations.table import IDENTITY_OPERATIONS, KEY_OPERATIONS

NAMES = ["KeyId", "Message", "MessageType", "SigningAlgorithm", "KeySpec", "KeyUsage", "Description", "GrantTokens"]
ODD = st.sampled_from(["", "x", "\ud800", "SIGN_VERIFY", "RAW", "aGVsbG8=", "a" * 5000, 0, True, 1.5, [], {}, ["x"]])
FORM_NAMES = ["RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds", "Policy", "PolicyArns.member.1.arn"]
TEXTS = st.sampled_from(
    ["", "x", "-1", "900", "9" * 30, "\x00", "\N{SNOWMAN}", "a.b.c", "e30.e30.e30", "arn:aws:iam::222222222222:role/r"]
)


@pytest.fixture(scope="module")
def lm():
    return Emulator()


def ask(lm, headers, body):
    request = lm._dispatcher.arrive(headers, body)
    reply = lm._dispatcher.answer(request)
    assert not lm._dispatcher.bugs, lm._dispatcher.bugs
    return reply


@given(operation=st.sampled_from(sorted(KEY_OPERATIONS)), said=st.dictionaries(st.sampled_from(NAMES), ODD))
def test_to_kms(lm, operation, said):
    reply = ask(lm, [(b"x-amz-target", f"TrentService.{operation}".encode())], json.dumps(said).encode())
    assert (reply.status, json.loads(reply.body).keys()) == (400, {"__type", "Message"})


@given(operation=st.sampled_from(sorted(IDENTITY_OPERATIONS)), said=st.dictionaries(st.sampled_from(FORM_NAMES), TEXTS))
def test_to_sts(lm, operation, said):
    form = urlencode({"Action": operation, **said}).encode()
    reply = ask(lm, [(b"content-type", b"application/x-www-form-urlencoded")], form)
    assert reply.status == (200 if operation == "GetCallerIdentity" and not said else 400)
    assert reply.body.startswith(b"<")


@given(body=st.binary(max_size=60))
def test_any_bytes_as_a_form(lm, body):
    kind = [(b"content-type", b"application/x-www-form-urlencoded")]
    for prefix in (b"", b"Action=AssumeRoleWithWebIdentity&"):
        assert ask(lm, kind, prefix + body).status == 400
