"""Steering over HTTP, from another process and another language, and what is refused."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from hypothesis import given, settings
from hypothesis import strategies as st

from meterguard.emulator import Emulator, EmulatorBug
from meterguard.emulator.admin.actions import ACTIONS
from meterguard.emulator.faults.fault import OPTIONS
from meterguard.emulator.state.term_rules import LICENSE_TERMS

JSON = {"Content-Type": "application/json"}


def ask(url, method, path, told=None, headers=None):
    """One request; its status and headers, and what the JSON in its body says."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        body = told if told is None or isinstance(told, bytes) else json.dumps(told)
        connection.request(method, f"/_meterguard{path}", body, JSON if headers is None else headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture
def get(lm):
    """``get(path)``: what it answers."""

    def send(path, method="GET", told=None):
        status, _, answer = ask(lm.url, method, path, told)
        assert status == 200, answer
        return answer

    return send


@pytest.fixture
def tell(get):
    """``tell(path, name=value)``: what a POST of that answers."""
    return lambda path, **told: get(path, "POST", told)


@pytest.fixture
def refused(lm):
    """``refused(path, told)``: the status and the message of a POST that is refused."""

    def send(path, told=None, method="POST", headers=None):
        status, _, answer = ask(lm.url, method, path, told, headers)
        assert status >= 400, answer
        assert set(answer) == {"error"}
        return status, answer["error"]

    return send


class TestFaults:
    def test_one_that_is_added_strikes(self, tell, get, take, code):
        fault = tell("/faults", operation="CheckoutLicense", error="RateLimitExceededException", times=2)
        assert fault == {
            "id": 1,
            "operation": "CheckoutLicense",
            "error": "RateLimitExceededException",
            "times": 2,
            "used": 0,
            "is_spent": False,
        }
        with code("RateLimitExceededException"):
            take(Seats=1)
        assert get("/faults")["faults"] == [fault | {"used": 1}]

    def test_they_are_taken_back_one_by_one_or_all(self, tell, get, lm):
        ids = [tell("/faults", operation="*", status=500)["id"] for _ in range(3)]
        assert get(f"/faults/{ids[1]}", "DELETE")["id"] == ids[1]
        assert [one["id"] for one in get("/faults")["faults"]] == [ids[0], ids[2]]
        assert get("/faults", "DELETE") == {"faults": [], "outage": None}
        assert len(lm.faults) == 0

    def test_those_of_the_test_itself_are_listed_too(self, get, lm):
        lm.faults.add("*", body=b"\0", partial={"Seats"}, when=lambda parameters: False, headers={"A": "b"})
        (fault,) = get("/faults")["faults"]
        assert (fault["body"], fault["partial"], fault["when"]) == ("<bytes>", ["Seats"], "<function>")
        assert fault["headers"] == {"A": "b"}

    def test_a_forgery_is_ordered_and_listed(self, tell, get):
        forged = {"tamper": "key", "claims": {"nodeId": "other", "issuedAt": None}}
        fault = tell("/faults", operation="CheckoutBorrowLicense", **forged)
        assert {name: fault[name] for name in forged} == forged
        assert get("/faults")["faults"] == [fault]
        assert tell("/down", **forged)["outage"]["claims"] == forged["claims"]

    def test_a_request_that_is_held_is_let_go(self, tell, lm, take):
        fault = tell("/faults", operation="CheckoutLicense", hold=True)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(take(Seats=1)))
        thread.start()
        lm.wait_for_calls("CheckoutLicense")
        assert answers == []
        tell(f"/faults/{fault['id']}/release")
        thread.join(20)
        assert len(answers) == 1

    def test_down_and_up(self, tell, get, take):
        assert tell("/down", drop="before")["outage"]["drop"] == "before"
        with pytest.raises(ConnectionClosedError):
            take(Seats=1)
        assert tell("/up")["outage"] is None
        take(Seats=1)
        assert tell("/down")["outage"]["status"] == 503
        assert get("/health")["status"] == "ok"

    def test_another_process_can_add_one(self, lm, take, code):
        program = (
            "import sys, urllib.request as http\n"
            'told = b\'{"operation": "CheckoutLicense", "error": "ThrottlingException"}\'\n'
            "request = http.Request(sys.argv[1], told, {'Content-Type': 'application/json'})\n"
            "assert http.urlopen(request).status == 200\n"
        )
        command = [sys.executable, "-c", program, f"{lm.url}/_meterguard/faults"]
        subprocess.run(command, check=True, timeout=50)
        with code("ThrottlingException"):
            take(Seats=1)


class TestClock:
    def test_it_is_moved_set_stopped_and_started(self, tell, get, lm):
        assert tell("/clock/freeze", moment="2026-03-01T12:00:00Z") == {
            "now": 1772366400,
            "time": "2026-03-01T12:00:00Z",
            "is_frozen": True,
        }
        assert tell("/clock/advance", seconds=90.5)["time"] == "2026-03-01T12:01:30Z"
        assert tell("/clock/advance", seconds=-30.5)["time"] == "2026-03-01T12:01:00Z"
        assert tell("/clock/set", moment=0)["time"] == "1970-01-01T00:00:00Z"
        assert get("/clock") == {"now": 0, "time": "1970-01-01T00:00:00Z", "is_frozen": True}
        assert tell("/clock/resume")["is_frozen"] is False
        assert not lm.clock.is_frozen

    def test_it_stops_where_it_is(self, tell, lm):
        assert tell("/clock/freeze")["now"] == lm.clock.now()

    def test_leases_lapse_by_it(self, tell, get, take):
        take(Seats=2)
        assert get("/usage") == {"usage": {"ACME-1": {"Seats": 2}}}
        tell("/clock/advance", seconds=3600)
        assert get("/usage") == {"usage": {"ACME-1": {"Seats": 0}}}


class TestLicences:
    def test_one_that_is_added_can_be_checked_out(self, tell, get, lm, take):
        made = tell(
            "/licenses",
            product_sku="ACME-2",
            entitlements=[["Seats", 5, "Count"], {"name": "Export", "value": "on"}],
            ttl=60,
            end="2199-01-01T00:00:00Z",
        )
        assert made["entitlements"] == [
            {"name": "Seats", "unit": "Count", "max_count": 5, "value": None},
            {"name": "Export", "unit": "None", "max_count": None, "value": "on"},
        ]
        licence = lm.license("ACME-2")
        assert (made["key_fingerprint"], made["license_arn"]) == (licence.key_fingerprint, licence.arn)
        assert (made["ttl"], made["end"], made["status"]) == (60, "2199-01-01T00:00:00Z", "AVAILABLE")
        take(Seats=5, of=licence)
        assert get("/licenses")["licenses"][-1] == made
        assert get("/usage")["usage"]["ACME-2"] == {"Seats": 5}

    def test_what_is_held_is_listed_without_its_token(self, get, take):
        token = take(Seats=2, Export=None, NodeId="node-1")["LicenseConsumptionToken"]
        answer = get("/checkouts")
        (held,) = answer["checkouts"]
        assert (held["product_sku"], held["kind"], held["node_id"]) == ("ACME-1", "PROVISIONAL", "node-1")
        assert held["entitlements"] == [
            {"name": "Seats", "unit": "Count", "count": 2, "value": None},
            {"name": "Export", "unit": "None", "count": None, "value": None},
        ]
        assert token not in json.dumps(answer)

    def test_the_key_that_verifies_borrow_tokens(self, get, lm):
        assert get("/public-key") == {"public_key_pem": lm.public_key_pem}


class TestRequests:
    def test_they_are_listed_as_the_log_has_them(self, get, lm, take, client):
        lm.clock.freeze()
        token = take(Seats=1)["LicenseConsumptionToken"]
        client.check_in_license(LicenseConsumptionToken=token)
        with pytest.raises(ClientError):
            take(Seats=9)
        first, second, third = get("/requests")["requests"]
        assert first == {
            "operation": "CheckoutLicense",
            "at": lm.clock.datetime().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "status": 200,
            "error": None,
            "done": True,
            "dropped": False,
            "replayed": False,
            "fault": None,
            "product_sku": "ACME-1",
            "entitlements": [{"name": "Seats", "value": "1", "unit": "Count"}],
        }
        assert (second["operation"], second["product_sku"], second["entitlements"]) == ("CheckInLicense", None, [])
        assert (third["status"], third["error"]) == (400, "NoEntitlementsAllowedException")

    def test_nothing_in_them_opens_anything(self, get, take, client, licence):
        token = take(Seats=1)["LicenseConsumptionToken"]
        client.extend_license_consumption(LicenseConsumptionToken=token)
        client.get_license(LicenseArn=licence.arn)
        text = json.dumps(get("/requests"))
        for secret in (token, licence.key_fingerprint, licence.arn, "Signature", "AWS4-HMAC", "token-0"):
            assert secret not in text

    def test_they_are_counted_and_forgotten(self, get, take, client):
        for _ in range(2):
            take(Seats=1)
        client.list_licenses()
        assert get("/calls") == {"calls": {"CheckoutLicense": 2, "ListLicenses": 1}}
        assert get("/requests", "DELETE") == {"requests": []}
        assert get("/calls") == {"calls": {}}

    def test_what_rubbish_asked_is_listed_too(self, get, post):
        post(b'{"ProductSKU": "\\ud800", "Entitlements": [7, {"Name": [], "Value": "\\udfff"}]}', "B\xe4d")
        post(b'{"ProductSKU": {}, "Entitlements": {}}', "CheckoutLicense")
        first, second = get("/requests")["requests"]
        assert (first["operation"], first["product_sku"]) == ("B\xe4d", "\ud800")
        assert first["entitlements"] == [{"name": None, "value": "\udfff", "unit": None}]
        assert (second["product_sku"], second["entitlements"]) == (None, [])


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "told", "message"),
        [
            ("/faults", {"status": 500}, r"operation: None is not"),
            ("/faults", {"operation": "Nope"}, r"operation: 'Nope' is not"),
            ("/faults", {"operation": "*", "probability": 2}, r"probability: 2 is not"),
            ("/faults", {"operation": "*", "when": "x"}, r"unknown: when; known are after, "),
            ("/faults", {"operation": "*", "latancy": 1, "stat": 2}, r"unknown: latancy, stat; known are .*latency"),
            ("/down", {"status": "500"}, r"status: '500' is not"),
            ("/down", {"operation": "*"}, r"unknown: operation"),
            ("/up", {"now": True}, r"unknown: now; nothing is to be said"),
            ("/clock/advance", {}, r"seconds: None is not a number of seconds"),
            ("/clock/advance", {"seconds": 3e9 + 1}, r"seconds: 3000000001.0 is not"),
            ("/clock/advance", {"seconds": -3e9}, r".* would lead out of the years 1970 to 2200"),
            ("/clock/set", {"moment": "tomorrow"}, r"moment: 'tomorrow' is not a time from 1970"),
            ("/clock/set", {"moment": True}, r"moment: True is not a time"),
            ("/clock/freeze", {"moment": 1e300}, r"moment: 1e\+300 is not a time"),
            ("/licenses", {}, r"product_sku: None is not a text"),
            ("/licenses", {"product_sku": "A"}, r"entitlements: None is not a list"),
            ("/licenses", {"product_sku": "A", "entitlements": []}, r".*a licence needs at least one"),
            ("/licenses", {"product_sku": "A", "entitlements": [["S", -1, "Count"]]}, r"entitlement 'S': the maximum"),
            ("/licenses", {"product_sku": "A", "entitlements": [["S", 1, "Seat"]]}, r".*'Seat' is not a unit"),
            ("/licenses", {"product_sku": "A", "entitlements": [["S", 1, ["Count"]]]}, r"entitlements: .* is not a"),
            ("/licenses", {"product_sku": "A", "entitlements": [["S"]], "ttl": 0}, r"ttl: 0 is not a positive"),
            ("/licenses", {"product_sku": "A", "entitlements": [["S"]], "tll": 0}, r"unknown: tll; known are .*ttl"),
            ("/licenses", {"product_sku": "A", "entitlements": [["S"]], "end": "2000"}, r"end: "),
        ],
    )
    def test_a_wrong_value_is_told_by_name(self, lm, refused, path, told, message):
        status, said = refused(path, told)
        assert status == 400
        assert re.match(message, said)
        assert (len(lm.faults), lm.licenses(), lm.faults.outage) == (0, [], None)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"{", 400),
            (b"[]", 400),
            (b"7", 400),
            (b"\xff", 400),
            (b'{"seconds": NaN}', 400),
            (b'{"seconds": "\\ud800"}', 400),
            (b'{"seconds": %s}' % (b"9" * 5000), 400),
            (b"[" * 100_000, 400),
            (b'{"a":' * 100_000, 400),
            (b'{"seconds": "' + b"x" * 1024 * 1024 + b'"}', 413),
        ],
        ids=["cut", "list", "number", "no UTF-8", "NaN", "half a pair", "digits", "deep", "deeper", "long"],
    )
    def test_what_is_no_json_object(self, refused, body, status):
        answered, said = refused("/clock/advance", body)
        assert answered == status
        assert said.startswith("the body is")

    @pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json2"])
    def test_what_a_page_could_send_without_asking_is_refused(self, lm, refused, kind):
        status, said = refused("/faults", {"operation": "*"}, headers={} if kind is None else {"Content-Type": kind})
        assert (status, said) == (415, "send it with Content-Type: application/json")
        assert len(lm.faults) == 0

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
    def test_json_by_any_of_its_names(self, lm, kind):
        assert ask(lm.url, "POST", "/up", {}, {"Content-Type": kind})[0] == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "127.0.0.1@evil.example",
            "[::2]",
            "",
        ],
    )
    @pytest.mark.parametrize(("method", "path"), [("GET", "/licenses"), ("POST", "/faults"), ("DELETE", "/requests")])
    def test_nothing_is_answered_under_another_name(self, lm, refused, host, method, path):
        status, said = refused(path, {"operation": "*"}, method, {**JSON, "Host": host})
        assert (status, "only requests to 127.0.0.1" in said) == (403, True)
        assert len(lm.faults) == 0

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:4020", "127.8.9.1", "[::1]:4020"])
    def test_the_names_of_this_machine(self, lm, host):
        assert ask(lm.url, "GET", "/health", headers={"Host": host})[0] == 200

    def test_two_names_are_none(self, lm):
        sent = b"GET /_meterguard/usage HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", lm.port), 5) as connection:
            connection.sendall(sent)
            assert connection.recv(100).split()[1] in (b"400", b"403")

    def test_no_other_origin_is_allowed_anything(self, lm):
        asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        status, preflight, _ = ask(lm.url, "OPTIONS", "/faults", headers=asking)
        assert status == 405
        _, read, _ = ask(lm.url, "GET", "/licenses", headers=asking)
        assert not [name for name in [*preflight, *read] if name.lower().startswith("access-control")]

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/nope", 404), ("GET", "/", 404), ("PUT", "/faults", 405), ("GET", "/up", 405)],
    )
    def test_what_is_not_there_is_told_with_what_is(self, refused, method, path, status):
        answered, said = refused(path, method=method)
        assert answered == status
        assert f"there is no {method} /_meterguard{path}" in said
        assert "POST /clock/advance" in said

    @pytest.mark.parametrize("number", ["7", "0", "x", "9" * 5000, "1.0", "-1"])
    def test_a_fault_that_is_not_there(self, tell, refused, number):
        tell("/faults", operation="*", status=500)
        assert refused(f"/faults/{number}", method="DELETE") == (404, f"there is no fault {number}")
        assert refused(f"/faults/{number}/release", {})[0] == 404

    def test_a_state_that_cannot_be_written_is_told(self, tmp_path):
        with Emulator(state=tmp_path / "state.db") as lm:
            database = lm._kept._file._connection
            database.execute("PRAGMA max_page_count = 1")  # as if the disk were full
            terms = {"product_sku": "A" * 100_000, "entitlements": [["Seats", 3, "Count"]]}
            status, _, answer = ask(lm.url, "POST", "/licenses", terms)
            assert (status, "cannot be written" in answer["error"]) == (500, True)
            database.execute("PRAGMA max_page_count = 1000000")

    def test_a_failure_of_its_own_is_a_bug_that_is_noticed(self, monkeypatch, caplog):
        lm = Emulator()
        monkeypatch.setattr(lm, "licenses", None)
        with pytest.raises(EmulatorBug), lm:  # noqa: PT012 - it is told at the end of the block
            status, _, answer = ask(lm.url, "GET", "/licenses")
            assert (status, answer) == (500, {"error": "the emulator failed; its log says how"})
        assert "the emulator failed" in caplog.text


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("*")
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NAMES = sorted(OPTIONS | LICENSE_TERMS | {"operation", "seconds", "moment"})
SANE = {"/faults": {"operation": "*"}, "/licenses": {"product_sku": "A", "entitlements": [["Seats", 3, "Count"]]}}


@settings(max_examples=60)
@given(data=st.data())
def test_no_json_makes_it_fail(steered, post_to, data):
    """Whatever it is told, it answers JSON, never a 500, and the service goes on without one."""
    action = data.draw(st.sampled_from([one for one in ACTIONS if one.method == "POST" and "{" not in one.path]))
    members = sorted(action.members) or ["x"]
    told = SANE.get(action.path, {}) | data.draw(st.dictionaries(st.sampled_from(members), VALUES, max_size=3))
    told |= {name: 0.001 for name in ("latency",) if isinstance(told.get(name), (int, float)) and told[name] > 0}
    told.pop("hold", None)
    status, _, answer = ask(steered.url, "POST", action.path, json.dumps(told).encode())
    assert status in (200, 400), (action.path, told, answer)
    assert ("error" in answer) == (status == 400 or (action.path == "/faults" and told.get("error") is not None))
    for path in ("/faults", "/licenses", "/clock", "/usage"):
        assert ask(steered.url, "GET", path)[0] == 200
    post_to(steered)
    steered.faults.clear()
    steered.clock.resume()


@pytest.fixture(scope="module")
def steered():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def post_to():
    """Send what the service answers, or drops as a fault said."""

    def send(emulator):
        headers = {"X-Amz-Target": "AWSLicenseManager.ListReceivedLicenses"}
        connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=20)
        try:
            connection.request("POST", "/", b"{}", headers)
            connection.getresponse().read()
        except (http.client.HTTPException, ConnectionError):
            assert emulator.requests[-1].fault is not None
        finally:
            connection.close()

    return send
