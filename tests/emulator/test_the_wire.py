"""AWS JSON 1.1 below boto3: headers, quirks, and input that no SDK would send."""

from __future__ import annotations

import json
import re
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterguard.emulator import Emulator


def code_of(body):
    return json.loads(body)["__type"]


def exchange(lm, data, *, end=False):
    """Send bytes on a connection of their own; all that comes back until the server closes or is quiet."""
    with socket.create_connection(("127.0.0.1", lm.port), 5) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def request(body=b"{}", *headers, target=b"AWSLicenseManager.ListReceivedLicenses", first=b"POST / HTTP/1.1"):
    lines = [first, b"Host: here", b"X-Amz-Target: " + target, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class TestAnswers:
    def test_a_checkout_on_the_wire(self, lm, licence, post):
        lm.clock.freeze("2026-03-01T12:00:00Z")
        lm.update_license(licence, begin="2026-01-01")
        status, headers, body = post(
            {
                "ProductSKU": "ACME-1",
                "KeyFingerprint": licence.key_fingerprint,
                "CheckoutType": "PROVISIONAL",
                "Entitlements": [{"Name": "Seats", "Unit": "Count", "Value": "1"}],
                "ClientToken": "t",
                "NodeId": None,
            }
        )
        answer = json.loads(body)
        assert status == 200
        assert headers["Content-Type"] == "application/x-amz-json-1.1"
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-amzn-RequestId"])
        assert headers["Date"] == "Sun, 01 Mar 2026 12:00:00 GMT"
        assert answer.pop("LicenseConsumptionToken")
        assert answer == {
            "CheckoutType": "PROVISIONAL",
            "EntitlementsAllowed": [{"Name": "Seats", "Value": "1", "Unit": "Count"}],
            "IssuedAt": "2026-03-01T12:00:00",
            "Expiration": "2026-03-01T13:00:00",
            "LicenseArn": licence.arn,
        }

    def test_a_check_in_has_an_empty_body(self, take, post):
        token = take(Seats=1)["LicenseConsumptionToken"]
        status, headers, body = post({"LicenseConsumptionToken": token}, "CheckInLicense")
        assert (status, body, headers["Content-Length"]) == (200, b"", "0")

    def test_an_error_is_told_in_the_body_and_in_a_header(self, lm, post):
        status, headers, body = post({"LicenseConsumptionToken": "x"}, "CheckInLicense")
        assert status == 400
        assert json.loads(body).keys() == {"__type", "Message"}
        assert code_of(body) == headers["x-amzn-ErrorType"] == "ResourceNotFoundException"

    @pytest.mark.parametrize("operation", ["NoSuchThing", "CreateLicenseConfiguration", ""])
    def test_what_is_not_carried_out_is_an_unknown_operation(self, lm, post, operation):
        status, _, body = post({}, operation)
        assert (status, code_of(body)) == (400, "UnknownOperationException")

    def test_another_service_is_unknown(self, lm):
        answer = exchange(
            lm, request(b"{}", b"Content-Length: 2", b"Connection: close", target=b"AmazonSSM.GetParameter")
        )
        assert b"UnknownOperationException" in answer


class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"not json",
            b'"text"',
            b"[]",
            b"null",
            b'{"Colour": NaN}',
            b'{"ProductSKU": "\xff"}',
            b"\xef\xbb\xbf{}",
            b"\x00",
            b"[" * 100_000,
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            b'{"b":' * 200 + b"1" + b"}" * 200,
            b'{"c":' + b"[" * 200 + b"]" * 200 + b"}",
            b'{"a":' + b"9" * 10_000 + b"}",
        ],
        ids=lambda body: repr(body[:18]),
    )
    def test_what_is_no_json_object(self, lm, post, body):
        status, _, answer = post(body)
        assert (status, code_of(answer)) == (400, "SerializationException")

    @pytest.mark.parametrize(
        "change",
        [
            {"ProductSKU": 1},
            {"ProductSKU": True},
            {"ProductSKU": {}},
            {"Entitlements": {}},
            {"Entitlements": ["Seats"]},
            {"Entitlements": [{"Name": "Seats", "Unit": "Count", "Value": 1}]},
        ],
    )
    def test_values_of_the_wrong_kind(self, lm, licence, post, change):
        status, _, body = post(self.checkout(licence) | change)
        assert (status, code_of(body)) == (400, "SerializationException")

    @pytest.mark.parametrize(
        "change",
        [
            {"ProductSKU": None},
            {"ProductSKU": ""},
            {"CheckoutType": "FOREVER"},
            {"Entitlements": []},
            {"Entitlements": [{"Name": "Seats"}]},
            {"Entitlements": [{"Name": "", "Unit": "None"}]},
            {"Entitlements": [{"Name": "Seats", "Unit": "count"}]},
            {"ClientToken": ""},
            {"ClientToken": "two words"},
            {"ClientToken": "x" * 2049},
            {"Colour": "red"},
        ],
    )
    def test_broken_constraints(self, lm, licence, post, change):
        status, _, body = post(self.checkout(licence) | change)
        assert (status, code_of(body)) == (400, "ValidationException")
        assert next(iter(change)) in json.loads(body)["Message"]
        assert lm.usage("ACME-1") == {"Seats": 0}

    @pytest.mark.parametrize("size", [2**31, 1.0, "1", False])
    def test_numbers_of_the_wrong_kind(self, lm, post, size):
        status, _, body = post({"MaxResults": size}, "ListReceivedLicenses")
        assert (status, code_of(body)) == (400, "SerializationException")

    def test_all_that_is_wrong_is_told_at_once(self, lm, post):
        message = json.loads(post({"CheckoutType": "X", "Entitlements": []})[2])["Message"]
        assert message.startswith("5 validation errors detected: ")

    def test_what_was_sent_can_be_looked_at_even_so(self, lm, post):
        post({"CheckoutType": "X"})
        post(b"{")
        assert [one.parameters for one in lm.requests] == [{"CheckoutType": "X"}, {}]

    @pytest.mark.parametrize("surrogate", ["\ud800", "\U0001f511"])
    def test_any_text_that_json_can_carry_comes_back(self, lm, licence, post, surrogate):
        body = post(self.checkout(licence) | {"NodeId": surrogate})[2]
        assert json.loads(body)["NodeId"] == surrogate

    def checkout(self, licence):
        return {
            "ProductSKU": "ACME-1",
            "KeyFingerprint": licence.key_fingerprint,
            "CheckoutType": "PROVISIONAL",
            "Entitlements": [{"Name": "Seats", "Unit": "Count", "Value": "1"}],
            "ClientToken": "t",
        }


class TestLanes:
    """A plain request and one that is not are answered alike."""

    PLAIN = request(b"{}", b"Content-Length: 2")

    def test_a_body_in_pieces(self, lm):
        with socket.create_connection(("127.0.0.1", lm.port), 5) as connection:
            for n in range(len(self.PLAIN)):
                connection.sendall(self.PLAIN[n : n + 1])
            assert b'{"Licenses":[]}' in connection.recv(65536)

    def test_several_at_once_are_answered_in_order(self, lm):
        last = request(b"{}", b"Content-Length: 2", b"Connection: close", target=b"None")
        answers = exchange(lm, self.PLAIN * 2 + last)
        assert answers.count(b"HTTP/1.1 200 OK") == 2
        assert answers.index(b"UnknownOperation") > answers.rindex(b"HTTP/1.1 200 OK")

    def test_several_at_once_wait_for_one_that_waits(self, lm):
        lm.faults.add("*", latency=0.02)
        last = request(b"{}", b"Content-Length: 2", b"Connection: close")
        answers = exchange(lm, self.PLAIN + last)
        assert answers.count(b'{"Licenses":[]}') == 2
        assert [one.in_flight for one in lm.requests] == [1, 1]

    @pytest.mark.parametrize(
        "data",
        [
            request(b"2\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked", b"Connection: close"),
            request(b"{}", b"Content-Length: 2", b"Expect: 100-continue", b"Connection: close"),
            request(b"{}", b"Content-Length: 2", first=b"POST / HTTP/1.0"),
            request(b"{}", b"Content-Length: 2", b"Connection: close"),
        ],
        ids=["chunked", "expect", "1.0", "close"],
    )
    def test_what_is_not_plain(self, lm, data):
        assert exchange(lm, data).endswith(b'{"Licenses":[]}')
        assert lm.calls("ListReceivedLicenses") == 1

    @pytest.mark.parametrize("fault", [{"drop": "before"}, {"body": "cut"}, {"latency": 0.01}, {"status": 503}])
    def test_faults_strike_there_too(self, lm, fault):
        lm.faults.add("*", **fault)
        answer = exchange(lm, request(b"{}", b"Content-Length: 2", b"Connection: close"))
        assert answer.startswith({"drop": b"", "status": b"HTTP/1.1 503"}.get(next(iter(fault)), b"HTTP/1.1 200"))
        assert answer.endswith(b'{"Licenses":[]}') == ("latency" in fault)

    @pytest.mark.parametrize(
        ("data", "answer"),
        [
            (b"rubbish\r\n\r\n", b"HTTP/1.1 400"),
            (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"HTTP/1.1 400"),
            (request(b"{}", b"Content-Length: -2"), b"HTTP/1.1 400"),
            (request(b"{}", b"Content-Length: 2", b"Content-Length: 3"), b"HTTP/1.1 400"),
            (request(b"{}", b"Content-Length : 2"), b"HTTP/1.1 400"),
            (request(b"{}", b"X: \x00", b"Content-Length: 2"), b"HTTP/1.1 400"),
            (request(b"", b"X: " + b"x" * 100_000)[:-4], b"HTTP/1.1 400"),
            (b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", b"HTTP/1.1 400"),
            (b"PUT / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", b"HTTP/1.1 400"),
            (b"POST /elsewhere HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", b"HTTP/1.1 404"),
            (b"GET /_meterguard/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200"),
        ],
    )
    def test_rubbish(self, lm, data, answer, caplog):
        assert exchange(lm, data).startswith(answer)
        assert lm.requests == []

    @pytest.mark.parametrize("size", [1024 * 1024, 1024 * 1024 + 1, 10_000_000])
    def test_a_body_has_a_limit(self, lm, size):
        body = b'{"NextToken":"%s"}' % (b"x" * (size - 16))
        with socket.create_connection(("127.0.0.1", lm.port), 5) as connection:
            try:
                connection.sendall(request(body, b"Content-Length: %d" % len(body)))
                answer = connection.recv(65536)
            except ConnectionError:
                answer = b"HTTP/1.1 413"  # The server had said it, and closed, before all was sent.
        assert answer.startswith(b"HTTP/1.1 413" if size > 1024 * 1024 else b"HTTP/1.1 400")

    def test_a_request_that_ends_too_soon_has_no_effect(self, lm):
        assert exchange(lm, self.PLAIN[:-1], end=True) == b""
        assert lm.requests == []


@pytest.fixture(scope="module")
def shared():
    with Emulator() as emulator:
        yield emulator


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["ProductSKU", "Entitlements", "ClientToken", "LicenseArn", "LicenseConsumptionToken", "Filters", "DryRun"]
)
OPERATIONS = st.sampled_from(
    [
        *("CheckoutLicense", "CheckInLicense", "ExtendLicenseConsumption", "GetLicense", "GetLicenseUsage"),
        *("ListReceivedLicenses", "CreateLicense", "DeleteLicense"),
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operation=OPERATIONS, body=st.binary(max_size=40) | st.dictionaries(MEMBERS, JSON).map(json.dumps))
def test_whatever_comes_is_answered_in_the_protocol(shared, operation, body):
    data = body if isinstance(body, bytes) else body.encode()
    head = request(data, b"Content-Length: %d" % len(data), target=b"AWSLicenseManager." + operation.encode())
    with socket.create_connection(("127.0.0.1", shared.port), 5) as connection:
        connection.sendall(head)
        answer = connection.recv(65536)
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")), answer
