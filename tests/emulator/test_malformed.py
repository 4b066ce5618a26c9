"""Malformed input of every kind gets the error that the service would give: never a traceback, never a hang."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket

import pytest

from meterguard.emulator import Behavior, Emulator
from meterguard.emulator.protocol.model import LICENSE_MANAGER

from .requests_by_model import CONTENT_TYPE, NAMES, refusal_of, right, shape_of, wrong


def head(*headers, first=b"POST / HTTP/1.1"):
    """All of a request but its body."""
    known = [b"Host: here", b"X-Amz-Target: AWSLicenseManager.ListLicenses", b"Content-Type: " + CONTENT_TYPE.encode()]
    return b"\r\n".join([first, *known, *headers]) + b"\r\n\r\n"


def exchange(lm, data):
    """Send bytes on a connection of their own, and no more; all that comes back until the server closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", lm.port), 10) as connection, contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            received += part
    return received


def told(answer):
    """Status and code of an answer in the protocol; None if the server hung up on what it had refused."""
    if not answer:
        return None
    first, _, text = answer.partition(b"\r\n\r\n")
    assert b"x-amzn-requestid: " in first, answer
    return int(first.split()[1]), json.loads(text)["__type"] if text else None


@pytest.fixture(scope="module")
def shared():
    """One emulator for all; whoever makes it fail is told at the end."""
    with Emulator() as lm:
        yield lm


@pytest.fixture(scope="module")
def line(shared):
    """A connection that stays open over all requests."""
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)
    yield connection
    connection.close()


@pytest.fixture
def tell(line):
    """``tell(body, operation=)``: one request on the open line; its status and code, and an answer in the protocol."""

    def send(body, operation="CheckoutLicense", method="POST", path="/", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        target = {"X-Amz-Target": f"AWSLicenseManager.{operation}"} if operation is not None else {}
        sent = {**target, "Content-Type": CONTENT_TYPE, **{name.replace("_", "-"): headers[name] for name in headers}}
        line.request(method, path, data, sent)
        answer = line.getresponse()
        text = answer.read()
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-amzn-RequestId"])
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        said = json.loads(text or b"{}")
        if answer.status != 200:
            assert said.keys() - {"Location"} == {"__type", "Message"}
            assert said["__type"] == answer.headers["x-amzn-ErrorType"]
        return answer.status, said.get("__type")

    return send


@pytest.mark.parametrize("operation", NAMES)
class TestMembers:
    def test_a_member_that_is_wrong(self, tell, operation):
        for said, value, is_kind in wrong(shape_of(operation)):
            expected = "SerializationException" if is_kind else refusal_of(operation)
            assert tell(value, operation) == (400, expected), f"{operation}{said}"

    def test_one_that_is_right_gets_further(self, tell, operation):
        status, code = tell(right(shape_of(operation)), operation)
        assert (status, code) == (200, None) or code not in ("SerializationException", "UnknownOperationException")


NESTED = 10_000
BODIES = {
    "nothing but a brace": b"{",
    "no JSON": b"not json",
    "a text": b'"text"',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "XML": b"<CheckoutLicense/>",
    "a form": b"ProductSKU=ACME-1",
    "two objects": b"{}{}",
    "a comment": b"{/* none */}",
    "a comma too many": b'{"ProductSKU":"x",}',
    "single quotes": b"{'ProductSKU': 'x'}",
    "a key without quotes": b"{ProductSKU: 1}",
    "a control character": b'{"ProductSKU": "\n"}',
    "a bad escape": b'{"ProductSKU": "\\x00"}',
    "half an escape": b'{"ProductSKU": "\\u12"}',
    "NaN": b'{"MaxResults": NaN}',
    "infinity": b'{"MaxResults": -Infinity}',
    "a number of ten thousand digits": b'{"MaxResults": ' + b"9" * 10_000 + b"}",
    "a byte that is no UTF-8": b'{"ProductSKU": "\xff"}',
    "an overlong byte": b'{"ProductSKU": "\xc0\xaf"}',
    "a bare surrogate": b'{"ProductSKU": "\xed\xa0\x80"}',
    "a character cut in half": b'{"ProductSKU": "\xe2\x82"}',
    "UTF-16": '{"ProductSKU": "x"}'.encode("utf-16"),
    "UTF-32": '{"ProductSKU": "x"}'.encode("utf-32-le"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a zero byte": b"\0",
    "random bytes": bytes(range(256)),
    "lists in lists": b"[" * NESTED + b"]" * NESTED,
    "objects in objects": b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    "a member that is deep": b'{"Entitlements":' + b"[" * NESTED + b"]" * NESTED + b"}",
    "deep and never closed": b'{"a":[' * NESTED,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00",
}


class TestBodies:
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_what_is_no_json_object(self, tell, body):
        assert tell(body) == (400, "SerializationException")

    @pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "1.0", "0.1", "-0.0"])
    def test_a_number_that_is_not_whole(self, tell, number):
        assert tell(b'{"MaxResults": %s}' % number.encode(), "ListLicenses") == (400, "SerializationException")

    @pytest.mark.parametrize("depth", [100, 300, 900])
    def test_what_is_deep_but_can_be_read(self, tell, depth):
        body = b'{"Colour": ' + b"[" * depth + b"null" + b"]" * depth + b"}"
        assert tell(body)[0] == 400

    def test_of_a_member_that_comes_twice_the_last_one_counts(self, tell):
        assert tell(b'{"MaxResults": "x", "MaxResults": 1}', "ListLicenses") == (200, None)
        assert tell(b'{"MaxResults": 1, "MaxResults": 0}', "ListLicenses") == (400, "ValidationException")
        assert tell(b'{"MaxResults": 1, "MaxResults": "x"}', "ListLicenses") == (400, "SerializationException")

    def test_no_body_is_no_parameters(self, tell):
        assert tell(b"", "ListLicenses") == (200, None)
        assert tell(b"", "GetLicense") == (400, "ValidationException")

    @pytest.mark.parametrize("size", [2**20 + 1, 10_000_000])
    def test_a_body_that_is_too_long(self, shared, size):
        answer = exchange(shared, head(b"Content-Length: %d" % size) + b" " * size)
        assert told(answer) in ((413, "RequestEntityTooLargeException"), None)

    def test_a_chunked_body_that_is_too_long(self, shared):
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        answer = exchange(shared, head(b"Transfer-Encoding: chunked") + chunk * 160 + b"0\r\n\r\n")
        assert told(answer) in ((413, "RequestEntityTooLargeException"), None)


BOMBS = {
    "very many": [b"X-%d: x" % n for n in range(20_000)],
    "a long value": [b"X: " + b"x" * 1_000_000],
    "a long name": [b"x" * 1_000_000 + b": x"],
    "a long target": [b"X-Amz-Target: " + b"x" * 100_000],
    "no names": [b": x"] * 1000,
    "no colon": [b"no colon at all"],
    "a zero byte": [b"X: \0"],
    "half a line's end": [b"X: y\rZ: z"],
    "a negative length": [b"Content-Length: -1"],
    "a length that is no number": [b"Content-Length: 1e1"],
    "a length beyond all": [b"Content-Length: 99999999999999999999"],
    "two lengths": [b"Content-Length: 2", b"Content-Length: 3"],
    "a length and two codings": [b"Content-Length: 2", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"],
    "a coding that nobody knows": [b"Transfer-Encoding: gzip"],
}


class TestHeaders:
    @pytest.mark.parametrize(
        "target",
        [
            *("", "CheckoutLicense", "AWSLicenseManager", "AWSLicenseManager.", "AWSLicenseManager.checkoutlicense"),
            *("awslicensemanager.CheckoutLicense", "AWSLicenseManager_20180801.CheckoutLicense"),
            *("AWSLicenseManager.CheckoutLicense.", "AWSLicenseManager..CheckoutLicense", "AWSLicenseManager.None"),
            *(
                "AWSLicenseManager.AWSLicenseManager.CheckoutLicense",
                "AWSLicenseManager.CheckoutLicense CheckInLicense",
            ),
            *(
                "AmazonSSM.GetParameter",
                "AWSLicenseManager.__class__",
                "AWSLicenseManager.*",
                "*",
                "\xe9\xff",
                "x" * 9000,
            ),
        ],
    )
    def test_an_odd_target(self, tell, target):
        assert tell({}, None, X_Amz_Target=target) == (400, "UnknownOperationException")

    def test_no_target(self, tell):
        assert tell({}, None) == (400, "UnknownOperationException")

    @pytest.mark.parametrize("operation", sorted(LICENSE_MANAGER.operations - set(NAMES)))
    def test_an_operation_that_is_not_carried_out(self, tell, operation):
        assert tell({}, operation) == (400, "UnknownOperationException")

    @pytest.mark.parametrize(
        "kind",
        ["application/x-amz-json-1.0", "application/json", "text/plain", "application/x-www-form-urlencoded", "x", ""],
    )
    def test_another_content_type(self, tell, kind):
        assert tell({}, "ListLicenses", Content_Type=kind) == (400, "UnknownOperationException")

    @pytest.mark.parametrize("kind", [CONTENT_TYPE, CONTENT_TYPE.upper(), CONTENT_TYPE + "; charset=utf-8"])
    def test_the_content_type(self, tell, kind):
        assert tell({}, "ListLicenses", Content_Type=kind) == (200, None)

    @pytest.mark.parametrize(
        "authorization",
        [
            *("", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=", "AWS4-HMAC-SHA256 Credential=////", "Basic eDp5"),
            *(
                "AWS4-HMAC-SHA256 Credential=\xe9/20300101/\xff/license-manager/aws4_request",
                "Credential=" + "/" * 8000,
            ),
        ],
    )
    def test_an_odd_authorization(self, tell, authorization):
        assert tell({}, "ListLicenses", Authorization=authorization) == (200, None)

    @pytest.mark.parametrize("headers", BOMBS.values(), ids=BOMBS)
    def test_what_is_no_http(self, shared, headers):
        answer = exchange(shared, head(*headers) + b"{}")
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))

    @pytest.mark.parametrize(
        "chunks", [b"x\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"2\r\n{}0\r\n\r\n", b"ffffffffffffffffff\r\n{}"]
    )
    def test_chunks_that_are_none(self, shared, chunks):
        answer = exchange(shared, head(b"Transfer-Encoding: chunked") + chunks)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


class TestElsewhere:
    @pytest.mark.parametrize(
        "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"]
    )
    def test_another_method(self, shared, method):
        answer = exchange(shared, head(b"Content-Length: 2", first=f"{method} / HTTP/1.1".encode()) + b"{}")
        assert told(answer) == (400, None if method == "HEAD" else "UnknownOperationException")

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
    @pytest.mark.parametrize("path", ["/elsewhere", "//", "/../etc/passwd", "/%00", "*", "http://x"])
    def test_another_path(self, shared, method, path):
        first = f"{method} {path} HTTP/1.1".encode("latin-1")
        answer = exchange(shared, head(b"Content-Length: 2", first=first) + b"{}")
        assert told(answer) == (404, "UnknownOperationException")


class TestHalfRequests:
    @pytest.mark.parametrize("sent", [b"", b"P", b"POST / HT", head()[:-2], head(b"Content-Length: 9") + b"{}"])
    def test_one_that_never_ends_has_no_effect_and_holds_nobody_up(self, shared, tell, sent):
        before = len(shared.requests)
        with socket.create_connection(("127.0.0.1", shared.port), 10) as idle:
            idle.sendall(sent)
            assert tell({}, "ListLicenses") == (200, None)
            idle.shutdown(socket.SHUT_WR)
            assert not idle.recv(65536).startswith(b"HTTP/1.1 200")
        assert len(shared.requests) == before + 1

    def test_more_than_was_said_is_the_next_request(self, shared):
        answer = exchange(shared, head(b"Content-Length: 2") + b"{} }")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.count(b"HTTP/1.1 400") == 1


class TestWhatComesBack:
    """What a caller may have chosen does not break the answer."""

    def test_a_home_region_is_one_line_of_a_header(self, connect):
        with Emulator(behavior=Behavior(smithy_statuses=True)) as lm:
            licence = lm.add_license("A", [("Seats", 1, "Count")], borrow_ttl=60, home_region="x\r\nSet-Cookie: \xe9")
            asked = {
                "LicenseArn": licence.arn,
                "Entitlements": [{"Name": "Seats", "Unit": "Count", "Value": "1"}],
                "DigitalSignatureMethod": "JWT_PS384",
                "ClientToken": "t",
            }
            line = http.client.HTTPConnection("127.0.0.1", lm.port, timeout=10)
            line.request("POST", "/", json.dumps(asked), {"X-Amz-Target": "AWSLicenseManager.CheckoutBorrowLicense"})
            answer = line.getresponse()
            assert (answer.status, answer.headers["Location"]) == (308, "x??Set-Cookie: ?")
            assert json.loads(answer.read())["Location"] == licence.home_region
            line.close()

    def test_a_token_for_millions_of_years(self, lm, client):
        licence = lm.add_license("A", [("Seats", 1, "Count")], issuer_account=lm.account_id)
        client.create_token(LicenseArn=licence.arn, ExpirationInDays=2**31 - 1, ClientToken="t")
        (token,) = client.list_tokens()["Tokens"]
        assert token["ExpirationTime"] == "9999-12-31T23:59:59Z"
