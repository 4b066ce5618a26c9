"""Whatever bytes come back, a fault comes out: never something else, and never a yes."""

from __future__ import annotations

import json

import pytest

from meterguard.model import Entitlement
from meterguard.ports import FaultKind, ServiceFault

SEAT = (Entitlement("Seats", 1, "Count"),)
DEEP = b"[" * 50_000 + b"]" * 50_000

BODIES = {
    "nothing": b"",
    "html": b"<html>Please log in to the hotel's network</html>",
    "no json": b'{"LicenseConsumptionToken": "a',
    "a list": b"[]",
    "a number": b"5",
    "null": b"null",
    "no utf-8": b"\xff\xfe{}",
    "deep": DEEP,
    "deep in a member": b'{"EntitlementsAllowed":' + DEEP + b"}",
    "token is a number": b'{"LicenseConsumptionToken": 5}',
    "token is null": b'{"LicenseConsumptionToken": null}',
    "lines are a number": b'{"LicenseConsumptionToken": "t", "EntitlementsAllowed": 5}',
    "a line is a number": b'{"LicenseConsumptionToken": "t", "EntitlementsAllowed": [5]}',
    "a huge number": b'{"LicenseConsumptionToken": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_any_body_is_a_fault(stranger, make_service, body):
    service = make_service(endpoint_url=stranger.url)
    for status in ("200 OK", "400 Bad Request", "500 Oops", "308 Permanent Redirect"):
        stranger.says(body, status)
        for call in (lambda: service.check_out(SEAT, "a"), lambda: service.extend("t")):
            with pytest.raises(ServiceFault) as caught:
                call()
            assert caught.value.kind is FaultKind.UNKNOWN
            assert caught.value.may_have_acted
    assert len(stranger.requests) == 8


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        b"\x00\x01\x02\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    ],
    ids=repr,
)
def test_any_bytes_at_all_are_a_fault(stranger, make_service, reply):
    stranger.reply = reply
    with pytest.raises(ServiceFault) as caught:
        make_service(endpoint_url=stranger.url).check_out(SEAT, "a")
    assert caught.value.kind is FaultKind.UNKNOWN
    assert caught.value.may_have_acted
    assert len(stranger.requests) == 1


def test_silence_ends_with_the_time_out(stranger, make_service):
    stranger.reply = "silence"
    with pytest.raises(ServiceFault) as caught:
        make_service(endpoint_url=stranger.url, timeout=0.5).check_out(SEAT, "a")
    assert caught.value.code == "ReadTimeoutError"
    assert caught.value.may_have_acted


@pytest.mark.parametrize(
    "error",
    [
        {"__type": 5},
        {"__type": None, "Message": {"a": 1}},
        {"__type": ["NoEntitlementsAllowedException"]},
        {"__type": "a" * 5000},
        {"__type": "arn:aws:iam::111122223333:user/jane"},
    ],
    ids=lambda error: repr(error)[:40],
)
def test_a_forged_error_is_no_answer(stranger, make_service, error):
    stranger.says(json.dumps(error).encode(), "503 Busy")
    with pytest.raises(ServiceFault) as caught:
        make_service(endpoint_url=stranger.url).check_out(SEAT, "a")
    assert caught.value.kind is FaultKind.UNKNOWN
    assert "1111" not in caught.value.detail


def test_a_forged_date_is_no_date(stranger, make_service):
    stranger.says(b'{"LicenseConsumptionToken": "t"}', "200 OK", "Date: tomorrow", "Date: Sun, 01 Mar 2026")
    assert make_service(endpoint_url=stranger.url).check_out(SEAT, "a").served_at is None
