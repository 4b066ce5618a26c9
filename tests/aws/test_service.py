"""The service through real boto3 and HTTP, against the emulator."""

from __future__ import annotations

import threading
from datetime import timedelta

import boto3
import pytest
from botocore.config import Config

import meterguard.aws.clients
from meterguard.model import Entitlement
from meterguard.ports import Allowed, FaultKind, ServiceFault
from meterguard.units import Unit

SEAT = (Entitlement("Seats", 1, "Count"),)
EXPORT = (Entitlement("Export"),)


def fault_of(call, *args, **options):
    with pytest.raises(ServiceFault) as caught:
        call(*args, **options)
    return caught.value


# -- what goes well ------------------------------------------------------------------------------


def test_a_lease_is_checked_out_renewed_and_checked_in(lm, licence, service):
    answer = service.check_out(SEAT, "intent-1")
    assert answer.allowed == (Allowed("Seats", "1", Unit.COUNT),)
    assert answer.expires_at - answer.issued_at == timedelta(hours=1)
    assert abs(answer.served_at - answer.issued_at) <= timedelta(seconds=1)
    assert answer.license_arn == licence.arn
    assert lm.usage("ACME-1") == {"Seats": 1}

    lm.clock.advance(1800)
    renewed = service.extend(answer.token)
    assert timedelta(minutes=29) < renewed.expires_at - answer.expires_at < timedelta(minutes=31)
    assert renewed.served_at is not None

    service.check_in(renewed.token or answer.token)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_feature_is_asked_for_without_a_value(lm, service):
    answer = service.check_out(EXPORT, "intent-1")
    assert [line.name for line in answer.allowed] == ["Export"]
    assert lm.requests[0].parameters["Entitlements"] == [{"Name": "Export", "Unit": "None"}]


def test_one_call_is_one_request(lm, service, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    lm.faults.add("CheckoutLicense", status=503)
    assert fault_of(service.check_out, SEAT, "intent-1").kind is FaultKind.UNKNOWN
    assert lm.calls() == 1


def test_the_same_intent_sends_the_same_request(lm, service):
    first = service.check_out(SEAT, "intent-1")
    second = service.check_out(SEAT, "intent-1")
    assert first.token == second.token
    assert lm.requests[0].parameters == lm.requests[1].parameters
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_the_service_is_told_who_asks(lm, service):
    service.check_out(SEAT, "intent-1")
    assert " meterguard/" in lm.requests[0].headers["user-agent"]


def test_ones_own_licence_needs_the_beneficiary(lm, make_service):
    own = lm.add_license("OWN-1", [("Seats", 1, "Count")], issuer_account=lm.account_id, beneficiary="Jane")
    settings = {"product_sku": "OWN-1", "key_fingerprint": own.key_fingerprint, "endpoint_url": lm.url}
    assert fault_of(make_service(**settings).check_out, SEAT, "a").kind is FaultKind.INVALID
    service = make_service(**settings, beneficiary="Jane", node_id="node-7")
    answer = service.check_out(SEAT, "b")
    assert answer.node_id == "node-7"
    service.check_in(answer.token)
    assert lm.usage("OWN-1") == {"Seats": 0}


def test_a_leaving_process_gives_back_what_it_holds(lm, service):
    answer = service.check_out(SEAT, "intent-1")
    service.check_in(answer.token, parting=True)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_leaving_process_does_not_wait(lm, service):
    answer = service.check_out(SEAT, "intent-1")
    held = lm.faults.add("CheckInLicense", hold=True)
    assert fault_of(service.check_in, answer.token, parting=True).code == "ReadTimeoutError"
    held.release()


# -- what goes wrong -----------------------------------------------------------------------------

ANSWERS = [
    ("NoEntitlementsAllowedException", FaultKind.DENIED),
    ("EntitlementNotAllowedException", FaultKind.DENIED),
    ("ResourceNotFoundException", FaultKind.NOT_FOUND),
    ("AccessDeniedException", FaultKind.REFUSED),
    ("AuthorizationException", FaultKind.REFUSED),
    ("ExpiredTokenException", FaultKind.REFUSED),
    ("UnrecognizedClientException", FaultKind.REFUSED),
    ("InvalidSignatureException", FaultKind.REFUSED),
    ("RateLimitExceededException", FaultKind.UNKNOWN),
    ("ThrottlingException", FaultKind.UNKNOWN),
    ("ServerInternalException", FaultKind.UNKNOWN),
    ("RedirectException", FaultKind.UNREACHABLE),
    ("ValidationException", FaultKind.INVALID),
    ("InvalidParameterValueException", FaultKind.INVALID),
    ("UnsupportedDigitalSignatureMethodException", FaultKind.INVALID),
]


@pytest.mark.parametrize(("code", "kind"), ANSWERS, ids=[code for code, _ in ANSWERS])
def test_an_error_of_the_service_means_what_it_means(lm, service, code, kind):
    lm.faults.add("CheckoutLicense", error=code, headers={"Retry-After": "7"})
    fault = fault_of(service.check_out, SEAT, "intent-1")
    assert (fault.kind, fault.code, fault.retry_after) == (kind, code, 7.0)
    assert fault.request_id == lm.requests[0].request_id
    assert fault.may_have_acted is (code == "ServerInternalException")
    assert lm.calls() == 1


def test_an_exhausted_pool_is_a_no(service):
    for number in range(3):
        service.check_out(SEAT, f"intent-{number}")
    assert fault_of(service.check_out, SEAT, "one-more").kind is FaultKind.DENIED


def test_a_licence_that_is_not_there_is_not_found(lm, licence, make_service):
    service = make_service(product_sku="OTHER", key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url)
    assert fault_of(service.check_out, SEAT, "intent-1").kind is FaultKind.NOT_FOUND


def test_a_lease_that_ended_is_not_found(lm, service):
    answer = service.check_out(SEAT, "intent-1")
    lm.clock.advance(3601)
    assert fault_of(service.extend, answer.token).kind is FaultKind.NOT_FOUND
    assert fault_of(service.check_in, answer.token).kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize(
    ("trouble", "taken"),
    [
        ({"drop": "before"}, 0),
        ({"drop": "after"}, 1),
        ({"body": "garbled"}, 1),
        ({"body": "cut"}, 1),
        ({"body": "empty"}, 1),
        ({"strip": "LicenseConsumptionToken"}, 1),
        ({"status": 502, "applied": True}, 1),
        ({"hold": True, "applied": True}, 1),
    ],
    ids=str,
)
def test_a_lost_answer_may_have_taken_a_seat_and_the_next_attempt_gets_the_same(
    lm, licence, make_service, trouble, taken
):
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url, timeout=1)
    lost = lm.faults.add("CheckoutLicense", **trouble)
    fault = fault_of(service.check_out, SEAT, "intent-1")
    lost.release()
    assert (fault.kind, fault.may_have_acted) == (FaultKind.UNKNOWN, True)
    assert lm.usage("ACME-1") == {"Seats": taken}
    service.check_out(SEAT, "intent-1")
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_an_extension_without_an_end_is_no_answer(lm, service):
    answer = service.check_out(SEAT, "intent-1")
    lm.faults.add("ExtendLicenseConsumption", strip="Expiration")
    assert fault_of(service.extend, answer.token).kind is FaultKind.UNKNOWN


def test_a_partial_answer_is_left_for_the_core_to_judge(lm, service):
    lm.faults.add("CheckoutLicense", partial="Export")
    answer = service.check_out(SEAT + EXPORT, "intent-1")
    assert [line.name for line in answer.allowed] == ["Seats"]


def test_a_service_that_is_away_was_never_asked(lm, service):
    lm.stop()
    fault = fault_of(service.check_out, SEAT, "intent-1")
    assert (fault.kind, fault.may_have_acted) == (FaultKind.UNKNOWN, False)
    lm.start()
    service.check_out(SEAT, "intent-1")


# -- clients and sessions of the user's own ------------------------------------------------------


def test_a_client_that_is_handed_in_is_used(lm, licence, make_service):
    client = boto3.client("license-manager", endpoint_url=lm.url, config=Config(user_agent_extra="theirs"))
    service = make_service(key_fingerprint=licence.key_fingerprint, client=client)
    service.connect()
    answer = service.check_out(SEAT, "intent-1")
    service.check_in(answer.token, parting=True)
    assert all("theirs" in one.headers["user-agent"] for one in lm.requests)
    service.reset()
    service.check_out(SEAT, "intent-2")
    client.close()


def test_a_client_is_any_object_with_the_methods_used(make_service):
    class Client:
        __slots__ = ()

        def checkout_license(self, **request):
            return {"LicenseConsumptionToken": request["ClientToken"]}

        def check_in_license(self, LicenseConsumptionToken):  # noqa: N803
            raise TimeoutError

        def extend_license_consumption(self, LicenseConsumptionToken):  # noqa: N803
            raise ZeroDivisionError

    service = make_service(client=Client())
    service.connect()
    assert service.check_out(SEAT, "intent-1").token == "intent-1"
    assert fault_of(service.check_in, "t").kind is FaultKind.UNKNOWN
    with pytest.raises(ZeroDivisionError):
        service.extend("t")
    service.reset()
    assert service.check_out(SEAT, "intent-1").token == "intent-1"


def test_a_session_that_is_handed_in_makes_the_client(lm, licence, make_service):
    session = boto3.Session("333344445555", "s3cret", region_name="eu-west-1")
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url, session=session)
    fault_of(service.check_out, SEAT, "intent-1")  # that account has no licence
    assert lm.requests[0].account == "333344445555"
    assert "/eu-west-1/license-manager/" in lm.requests[0].headers["authorization"]


# -- threads -------------------------------------------------------------------------------------


def test_many_threads_make_one_client(lm, service, monkeypatch):
    made = []
    make = meterguard.aws.clients.Clients._in

    def counted(connection, region, parting):
        made.append(parting)
        return make(connection, region, parting)

    monkeypatch.setattr(meterguard.aws.clients.Clients, "_in", counted)
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        service.check_out(EXPORT, f"intent-{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [False]
    assert lm.calls("CheckoutLicense") == 8


def test_a_child_makes_a_client_of_its_own(service):
    before = service._clients.client()
    service.reset()
    assert service._clients.client() is not before
