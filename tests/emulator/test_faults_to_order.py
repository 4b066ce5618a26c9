"""Each kind of fault, seen through boto3 with one attempt, and what it leaves in the pool."""

from __future__ import annotations

import http.client
import json
import threading
from datetime import datetime

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from meterguard.emulator import Emulator, EmulatorBug
from meterguard.emulator.state.clock import elapsed

MODELLED = [
    "AccessDeniedException",
    "AuthorizationException",
    "ConflictException",
    "EntitlementNotAllowedException",
    "InvalidParameterValueException",
    "NoEntitlementsAllowedException",
    "RateLimitExceededException",
    "ResourceLimitExceededException",
    "ResourceNotFoundException",
    "UnsupportedDigitalSignatureMethodException",
    "ValidationException",
]
UNMODELLED = ["ThrottlingException", "ExpiredTokenException", "UnrecognizedClientException", "RequestTimeoutException"]


class TestErrors:
    @pytest.mark.parametrize("name", MODELLED + UNMODELLED)
    def test_any_error_can_be_had_by_name(self, lm, take, code, name):
        lm.faults.add("CheckoutLicense", error=name)
        with code(name) as refusal:
            take(Seats=1)
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert lm.usage("ACME-1") == {"Seats": 0}
        assert (lm.requests[0].status, lm.requests[0].error) == (400, name)

    @pytest.mark.parametrize(
        ("name", "status"),
        [("ServerInternalException", 500), ("InternalFailure", 500), ("ServiceUnavailableException", 503)],
    )
    def test_failures_of_the_server_have_its_statuses(self, lm, take, code, name, status):
        lm.faults.add("CheckoutLicense", error=name)
        with code(name) as refusal:
            take(Seats=1)
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == status

    def test_status_message_and_headers_can_be_said(self, lm, take, code):
        lm.faults.add(
            "CheckoutLicense",
            error="RateLimitExceededException",
            status=429,
            message="Slow down",
            headers={"Retry-After": "7"},
        )
        with code("RateLimitExceededException") as refusal:
            take(Seats=1)
        metadata = refusal.response["ResponseMetadata"]
        assert refusal.message == "Slow down"
        assert (metadata["HTTPStatusCode"], metadata["HTTPHeaders"]["retry-after"]) == (429, "7")

    def test_a_redirect_says_where(self, lm, take, code):
        lm.faults.add("CheckoutLicense", error="RedirectException", location="eu-west-1")
        with code("RedirectException") as refusal:
            take(Seats=1)
        assert refusal.response["Location"] == "eu-west-1"

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_bare_status_comes_with_a_page_for_people(self, lm, licence, post, status):
        lm.faults.add("CheckoutLicense", status=status)
        answered, headers, body = post({})
        assert (answered, headers["Content-Type"]) == (status, "text/html")
        assert body.startswith(b"<html>")

    @pytest.mark.parametrize("name", ["ThrottlingException", "ServerInternalException"])
    def test_what_boto3_retries_by_itself_is_asked_again_with_the_same_token(self, lm, connect, take, name):
        lm.faults.add("CheckoutLicense", error=name)
        using = connect(config=Config(retries={"mode": "standard", "total_max_attempts": 2}))
        take(Seats=1, using=using)
        first, second = lm.requests
        assert first.parameters == second.parameters
        assert lm.usage("ACME-1") == {"Seats": 1}

    def test_an_error_may_follow_the_effect(self, lm, take, code):
        lm.faults.add("CheckoutLicense", error="ServerInternalException", applied=True)
        with code("ServerInternalException"):
            take(Seats=1, token="same")
        assert lm.usage("ACME-1") == {"Seats": 1}
        take(Seats=1, token="same")
        assert lm.usage("ACME-1") == {"Seats": 1}


class TestConnections:
    @pytest.mark.parametrize(("moment", "taken"), [("before", 0), ("after", 1)])
    def test_a_dropped_connection(self, lm, take, moment, taken):
        lm.faults.add("CheckoutLicense", drop=moment)
        with pytest.raises(ConnectionClosedError):
            take(Seats=1)
        assert lm.usage("ACME-1") == {"Seats": taken}
        (request,) = lm.requests
        assert (request.dropped, request.done, request.status) == (True, True, None)

    def test_a_drop_is_for_one_connection_only(self, lm, take):
        lm.faults.add("CheckoutLicense", drop="before")
        with pytest.raises(ConnectionClosedError):
            take(Seats=1)
        take(Seats=1)

    def test_a_slow_answer_times_out_and_still_takes_effect(self, lm, connect, take):
        slow = lm.faults.add("CheckoutLicense", hold=True, applied=True)
        using = connect(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.05))
        with pytest.raises(ReadTimeoutError):
            take(Seats=1, using=using)
        lm.wait_for_calls("CheckoutLicense")
        deadline = elapsed() + 20
        while lm.usage("ACME-1") != {"Seats": 1}:
            assert elapsed() < deadline
        slow.release()
        lm.wait_for_calls("CheckoutLicense", done=True)

    def test_latency_delays_by_real_time(self, lm, take):
        lm.clock.freeze()
        lm.faults.add("CheckoutLicense", latency=0.05)
        assert take(Seats=1)["LicenseConsumptionToken"]

    def test_requests_on_other_connections_do_not_wait(self, lm, take):
        held = lm.faults.add("CheckoutLicense", hold=True)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(take(Seats=1)))
        thread.start()
        lm.wait_for_calls("CheckoutLicense")
        take(Seats=1)
        assert (answers, lm.requests[0].done, lm.requests[1].in_flight) == ([], False, 2)
        held.release()
        thread.join(20)
        assert len(answers) == 1
        assert lm.usage("ACME-1") == {"Seats": 2}


class TestBodies:
    def test_a_garbled_body_is_complete_and_no_json(self, lm, licence, post):
        lm.faults.add("ListReceivedLicenses", body="garbled")
        status, headers, body = post({}, "ListReceivedLicenses")
        assert (status, int(headers["Content-Length"])) == (200, len(body))
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)

    @pytest.mark.parametrize("operation", ["ListReceivedLicenses", "CheckInLicense"])
    def test_a_cut_body_is_shorter_than_it_says(self, lm, take, post, operation):
        token = take(Seats=1)["LicenseConsumptionToken"]
        lm.faults.add(operation, body="cut")
        with pytest.raises(http.client.IncompleteRead):
            post({} if operation[0] == "L" else {"LicenseConsumptionToken": token}, operation)

    def test_an_empty_body(self, lm, take):
        lm.faults.add("CheckoutLicense", body="empty")
        assert set(take(Seats=1)) == {"ResponseMetadata"}
        assert lm.usage("ACME-1") == {"Seats": 1}

    def test_any_bytes(self, lm, licence, post):
        lm.faults.add("ListReceivedLicenses", body=b"\xff\xfe")
        assert post({}, "ListReceivedLicenses")[2] == b"\xff\xfe"

    def test_an_answer_without_a_member(self, lm, take):
        lm.faults.add("CheckoutLicense", strip=["LicenseConsumptionToken", "Expiration"])
        answer = take(Seats=1)
        assert "LicenseConsumptionToken" not in answer
        assert "Expiration" not in answer
        assert lm.usage("ACME-1") == {"Seats": 1}

    @pytest.mark.parametrize(
        ("partial", "allowed", "used"),
        [
            (["Seats"], [{"Name": "Export", "Unit": "None"}], 0),
            ("Export", [{"Name": "Seats", "Value": "3", "Unit": "Count"}], 3),
            (
                {"Seats": 2},
                [{"Name": "Seats", "Value": "2", "Unit": "Count"}, {"Name": "Export", "Unit": "None"}],
                2,
            ),
            ({"Seats": None, "Export": 0}, [], 0),
        ],
    )
    def test_an_answer_that_allows_less_takes_what_it_allows(self, lm, take, client, partial, allowed, used):
        lm.faults.add("CheckoutLicense", partial=partial)
        answer = take(Seats=3, Export=None)
        assert answer["EntitlementsAllowed"] == allowed
        assert lm.usage("ACME-1") == {"Seats": used}
        client.check_in_license(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
        assert lm.usage("ACME-1") == {"Seats": 0}


class TestTimes:
    @pytest.fixture(autouse=True)
    def noon(self, lm, licence):
        lm.clock.freeze("2026-03-01T12:00:00Z")
        lm.update_license(licence, begin="2026-01-01")

    @pytest.mark.parametrize(("skew", "hour"), [(3600, "13"), (-3600, "11")])
    def test_a_service_whose_clock_is_wrong(self, lm, take, client, skew, hour):
        with lm.faults.active("*", skew=skew):
            answer = take(Seats=1)
            again = client.extend_license_consumption(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
        assert answer["IssuedAt"] == f"2026-03-01T{hour}:00:00"
        assert answer["ResponseMetadata"]["HTTPHeaders"]["date"] == f"Sun, 01 Mar 2026 {hour}:00:00 GMT"
        assert again["Expiration"] == f"2026-03-01T{int(hour) + 1}:00:00Z"
        lifetime = datetime.fromisoformat(answer["Expiration"]) - datetime.fromisoformat(answer["IssuedAt"])
        assert lifetime.total_seconds() == 3600

    @pytest.mark.parametrize(
        ("lifetime", "expiration"),
        [(-5, "2026-03-01T11:59:55"), (0, "2026-03-01T12:00:00"), ("soon", "soon")],
    )
    def test_a_nonsense_lifetime(self, lm, take, client, lifetime, expiration):
        with lm.faults.active("*", lifetime=lifetime):
            answer = take(Seats=1)
            again = client.extend_license_consumption(LicenseConsumptionToken=answer["LicenseConsumptionToken"])
        assert answer["Expiration"] == expiration
        assert again["Expiration"] == (expiration if expiration == "soon" else expiration + "Z")
        assert answer["IssuedAt"] == "2026-03-01T12:00:00"


class TestOrder:
    def test_first_in_first_out(self, lm, licence, post):
        lm.faults.add("CheckoutLicense", status=500, times=2)
        lm.faults.add("*", status=502)
        lm.faults.add("CheckoutLicense", status=503)
        statuses = [post({})[0] for _ in range(5)]
        assert statuses == [500, 500, 502, 503, 400]

    def test_for_ever_until_it_is_taken_back(self, lm, post):
        fault = lm.faults.add("*", status=500, times=None)
        assert [post({})[0] for _ in range(3)] == [500] * 3
        lm.faults.remove(fault)
        assert post({})[0] == 400
        assert fault.used == 3

    def test_some_can_be_spared(self, lm, post):
        lm.faults.add("CheckoutLicense", status=500, skip=2)
        assert [post({})[0] for _ in range(4)] == [400, 400, 500, 400]

    def test_some_can_be_picked(self, lm, post):
        lm.faults.add("CheckoutLicense", status=500, when=lambda parameters: parameters.get("NodeId") == "b")
        assert [post({"NodeId": node})[0] for node in "aba"] == [400, 500, 400]

    def test_other_operations_are_not_meant(self, lm, post):
        lm.faults.add("CheckInLicense", status=500)
        assert [post({}, one)[0] for one in ("CheckoutLicense", "CheckInLicense")] == [400, 500]

    def test_clear_takes_back_all(self, lm, post):
        lm.faults.add("*", status=500, times=None)
        lm.down()
        lm.faults.clear()
        assert (post({})[0], len(lm.faults)) == (400, 0)

    def test_a_block_with_a_fault_and_one_without(self, lm, post):
        with lm.faults.active("*", status=500):
            assert post({})[0] == 500
            with lm.faults.paused():
                assert post({})[0] == 400
            assert post({})[0] == 500
        assert post({})[0] == 400

    def test_an_outage_stands_before_the_rest(self, lm, post):
        lm.faults.add("*", status=500)
        lm.down()
        assert [post({})[0] for _ in range(2)] == [503, 503]
        lm.up()
        assert [post({})[0] for _ in range(2)] == [500, 400]

    def test_an_outage_for_a_block(self, lm, take):
        with lm.down(drop="before"), pytest.raises(ConnectionClosedError):
            take(Seats=1)
        take(Seats=1)


@pytest.mark.parametrize(
    ("operation", "options", "named"),
    [
        ("CheckOutLicence", {"status": 500}, "CheckOutLicence"),
        ("*", {"drop": "during"}, "drop"),
        ("*", {"body": "eaten"}, "body"),
        ("*", {"status": 42}, "status"),
        ("*", {"times": 0}, "times"),
        ("*", {"latency": -1}, "latency"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(operation, options, named):
    with pytest.raises(ValueError, match=named):
        Emulator().faults.add(operation, **options)


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"latancy.*latency"):
        Emulator().faults.add("*", latancy=1)


def test_a_fault_that_fails_is_a_bug_that_is_noticed(environment, connect, take, caplog):
    lm = Emulator()

    def broken(parameters):
        raise RuntimeError("broken")

    with pytest.raises(EmulatorBug) as bug, lm:  # noqa: PT012 - it is told at the end of the block
        one = lm.add_license("ONE", [("Seats", 1, "Count")])
        lm.faults.add("*", error="ThrottlingException", when=broken)
        with pytest.raises(ClientError, match="InternalFailure"):
            take(Seats=1, of=one, using=connect(url=lm.url))
    assert str(bug.value.__cause__) == "broken"
    assert "the emulator failed" in caplog.text
