"""Another Region is asked once, and only one that boto3 knows; a host that an answer names never is."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
import pytest

from meterguard.model import Entitlement
from meterguard.ports import FaultKind, ServiceFault

SEAT = (Entitlement("Seats", 1, "Count"),)
HOME, AWAY = "license-manager.us-east-1.amazonaws.com", "license-manager.eu-west-1.amazonaws.com"


class World:
    """All of AWS, played by one emulator; ``hosts`` are those that were to be asked."""

    def __init__(self, url):
        self.url = url
        self.hosts = []
        self.session = boto3.Session(region_name="us-east-1")
        self.session.events.register("before-send.license-manager", self.reroute)

    def reroute(self, request, **_):
        self.hosts.append(urlsplit(request.url).netloc)
        request.url = self.url


@pytest.fixture
def world(lm):
    return World(f"{lm.url}/")


@pytest.fixture
def service(world, licence, make_service):
    return make_service(key_fingerprint=licence.key_fingerprint, session=world.session)


def redirect(lm, location="eu-west-1", operation="CheckoutLicense", **options):
    lm.faults.add(operation, error="RedirectException", location=location, **options)


def fault_of(call, *args, **options):
    with pytest.raises(ServiceFault) as caught:
        call(*args, **options)
    return caught.value


@pytest.mark.parametrize(
    "location",
    [
        "eu-west-1",
        "https://license-manager.eu-west-1.amazonaws.com/",
        "https://eu-west-1.evil.example:8080/x",
    ],
)
def test_a_redirect_is_followed_to_the_region(lm, world, service, location):
    redirect(lm, location)
    service.check_out(SEAT, "intent-1")
    assert world.hosts == [HOME, AWAY]
    assert lm.requests[0].parameters == lm.requests[1].parameters
    assert "/eu-west-1/license-manager/" in lm.requests[1].headers["authorization"]


def test_a_redirect_by_status_308_is_followed_too(lm, world, service):
    redirect(lm, None, status=308, headers={"Location": "eu-west-1"})
    service.check_out(SEAT, "intent-1")
    assert world.hosts == [HOME, AWAY]


def test_a_token_is_used_where_it_came_from(lm, world, service):
    redirect(lm)
    answer = service.check_out(SEAT, "intent-1")
    service.extend(answer.token)
    service.check_in(answer.token)
    service.check_out(SEAT, "intent-2")
    service.reset()
    service.check_out(SEAT, "intent-3")
    assert world.hosts == [HOME] + [AWAY] * 5


def test_a_process_that_was_not_there_finds_its_way_with_a_token(lm, world, service):
    answer = service.check_out(SEAT, "intent-1")
    redirect(lm, operation="CheckInLicense")
    service.check_in(answer.token)
    assert world.hosts == [HOME, HOME, AWAY]
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_process_that_is_leaving_makes_no_detour(lm, world, service):
    answer = service.check_out(SEAT, "intent-1")
    redirect(lm, operation="CheckInLicense")
    assert fault_of(service.check_in, answer.token, parting=True).kind is FaultKind.UNREACHABLE
    assert world.hosts == [HOME, HOME]


def test_a_second_redirect_is_not_followed(lm, world, service):
    redirect(lm, times=2)
    fault = fault_of(service.check_out, SEAT, "intent-1")
    assert (fault.kind, fault.code) == (FaultKind.UNREACHABLE, "RedirectException")
    service.check_out(SEAT, "intent-1")
    assert world.hosts == [HOME, AWAY, HOME]


@pytest.mark.parametrize("location", ["us-east-1", "cn-north-1", "us-gov-west-1", "us-east-9", "evil.example", None])
def test_other_redirects_are_not_followed(lm, world, service, location):
    redirect(lm, location)
    fault = fault_of(service.check_out, SEAT, "intent-1")
    assert (fault.kind, fault.may_have_acted) == (FaultKind.UNREACHABLE, False)
    assert "region_name" in fault.detail
    assert world.hosts == [HOME]


def test_a_failure_over_there_is_what_it_is(lm, world, service):
    redirect(lm)
    lm.faults.add("CheckoutLicense", error="ThrottlingException")
    assert fault_of(service.check_out, SEAT, "intent-1").code == "ThrottlingException"
    assert world.hosts == [HOME, AWAY]


# -- endpoints that somebody chose ---------------------------------------------------------------


def test_an_explicit_endpoint_is_kept_to(lm, licence, make_service):
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url)
    redirect(lm)
    fault = fault_of(service.check_out, SEAT, "intent-1")
    assert fault.kind is FaultKind.UNREACHABLE
    assert "region_name='eu-west-1'" in fault.detail
    assert lm.calls() == 1


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LICENSE_MANAGER"])
def test_an_endpoint_from_a_variable_is_kept_to(lm, licence, make_service, monkeypatch, variable):
    monkeypatch.setenv(variable, lm.url)
    service = make_service(key_fingerprint=licence.key_fingerprint)
    redirect(lm)
    assert fault_of(service.check_out, SEAT, "intent-1").kind is FaultKind.UNREACHABLE
    assert lm.calls() == 1


def test_an_endpoint_from_a_profile_is_kept_to(lm, licence, make_service, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(f"[default]\nendpoint_url = {lm.url}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    service = make_service(key_fingerprint=licence.key_fingerprint)
    redirect(lm)
    assert fault_of(service.check_out, SEAT, "intent-1").kind is FaultKind.UNREACHABLE
    assert lm.calls() == 1


def test_a_client_that_is_handed_in_is_kept_to(lm, world, licence, make_service):
    client = world.session.client("license-manager")
    service = make_service(key_fingerprint=licence.key_fingerprint, client=client)
    redirect(lm)
    assert fault_of(service.check_out, SEAT, "intent-1").kind is FaultKind.UNREACHABLE
    assert world.hosts == [HOME]
    client.close()


# -- Regions that do not exist -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "kind"),
    [("us-east-1", FaultKind.UNKNOWN), ("us-east-9", FaultKind.UNREACHABLE), ("EU", FaultKind.UNREACHABLE)],
)
def test_a_region_that_does_not_answer_and_that_boto3_does_not_know_is_named(lm, world, make_service, region, kind):
    lm.stop()
    fault = fault_of(make_service(session=world.session, region_name=region).check_out, SEAT, "intent-1")
    assert (fault.kind, fault.may_have_acted) == (kind, False)
    assert (repr(region) in fault.detail) is (kind is FaultKind.UNREACHABLE)


def test_behind_an_endpoint_of_ones_own_any_region_will_do(lm, make_service):
    lm.stop()
    service = make_service(endpoint_url=lm.url, region_name="local")
    assert fault_of(service.check_out, SEAT, "intent-1").kind is FaultKind.UNKNOWN
