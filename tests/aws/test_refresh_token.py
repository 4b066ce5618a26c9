"""Customers without an AWS account: credentials from a refresh token, over HTTP, to the open gate."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import logging
import os
import pickle
import threading
import time
import traceback

import boto3
import pytest

from meterguard import AuthorizationRefused, ConfigurationError, EntitlementUnavailable, assembly
from meterguard.aws import boto_credentials
from meterguard.aws.settings import PARTING
from meterguard.model import Entitlement
from meterguard.ports import FaultKind, ServiceFault
from meterguard.telemetry.redaction import RedactingFilter
from tests.rights import as_nobody_special

SEAT = (Entitlement("Seats", 1, "Count"),)
DAY = 24 * 3600
ACCESS, ASSUME, CHECK_OUT = "GetAccessToken", "AssumeRoleWithWebIdentity", "CheckoutLicense"
EXCHANGE = [ACCESS, ASSUME]


@pytest.fixture(autouse=True)
def _no_credentials(environment, monkeypatch, tmp_path):
    """As on the machine of a customer without an AWS account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def vendor(lm):
    return boto3.client(
        "license-manager",
        endpoint_url=lm.url,
        region_name=lm.region,
        aws_access_key_id="vendor",
        aws_secret_access_key="any",
    )


@pytest.fixture
def role(lm):
    return f"arn:aws:iam::{lm.account_id}:role/AWSLicenseManagerConsumptionRole"


@pytest.fixture
def mine(lm):
    return lm.add_license("ACME-1", [("Seats", 20, "Count")], issuer_account=lm.account_id, beneficiary="Jo", ttl=600)


@pytest.fixture
def create(vendor, mine, role):
    """``create()``: the answer of CreateToken for the vendor's own licence and role."""
    tokens = itertools.count()

    def create_token(**more):
        asked = {"LicenseArn": mine.arn, "ClientToken": f"t-{next(tokens)}", "RoleArns": [role], **more}
        return vendor.create_token(**asked)

    return create_token


@pytest.fixture
def token(create):
    return create()["Token"]


@pytest.fixture
def new_guard(lm, mine, make_guard):
    """``new_guard(refresh_token=...)``."""
    return lambda **options: make_guard(lm, mine, **{"beneficiary": "Jo", "denial_ttl": 0, **options})


@pytest.fixture
def seen(lm, vendor):
    """``seen()``: the operations that customers asked for, in order."""
    return lambda: [one.operation for one in lm.requests if one.caller.access_key != "vendor"]


def service_of(guard):
    """A client of its own with a guard's settings, which asks once a call."""
    return assembly.license_service(guard.settings)


def enter(guard):
    with guard.requires_entitlement("Seats", 1):
        return "open"


def refused(call, *args):
    with pytest.raises(ServiceFault) as caught:
        call(*args)
    fault = caught.value
    assert (fault.kind, fault.may_have_acted, fault.__context__) == (FaultKind.REFUSED, False, None)
    return str(fault)


# -- the way to the open gate --------------------------------------------------------------------


def test_a_gate_opens_without_any_aws_credentials(lm, token, new_guard, seen, role):
    guard = new_guard(refresh_token=token)
    assert enter(guard) == "open"
    guard.close()
    assert seen() == [*EXCHANGE, CHECK_OUT, "CheckInLicense"]
    by_name = {one.operation: one for one in lm.requests}
    for operation in EXCHANGE:
        assert "authorization" not in by_name[operation].headers
    assert by_name[ASSUME].parameters["RoleArn"] == role
    assert by_name[ASSUME].parameters["RoleSessionName"] == "meterguard"


def test_without_one_there_are_none(new_guard):
    with pytest.raises(AuthorizationRefused, match="no AWS credentials were found"):
        enter(new_guard())


def test_two_guards_and_sixteen_threads_exchange_once(token, new_guard, seen):
    services = [service_of(new_guard(refresh_token=token)) for _ in range(2)]
    barrier, failures = threading.Barrier(16), []

    def ask(number):
        barrier.wait(30)
        try:
            services[number % 2].check_out(SEAT, f"intent-{number}")
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert sorted(seen()) == sorted([*EXCHANGE, *[CHECK_OUT] * 16])


def test_those_who_waited_share_a_failure(lm, token, new_guard, seen):
    services = [service_of(new_guard(refresh_token=token)) for _ in range(2)]
    for service in services:
        service.connect()
    faults = []
    with lm.faults.active(ACCESS, error="AuthorizationException", latency=1):

        def ask(number):
            with pytest.raises(ServiceFault) as caught:
                services[number % 2].check_out(SEAT, f"intent-{number}")
            faults.append(caught.value)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [fault.kind for fault in faults] == [FaultKind.REFUSED] * 8
    assert len({id(fault) for fault in faults}) == 8, "a traceback belongs to one thread"
    assert len(seen()) < 8


def test_other_tokens_and_other_regions_have_keys_of_their_own(create, new_guard, seen):
    for _ in range(2):
        service_of(new_guard(refresh_token=create()["Token"])).check_out(SEAT, "intent")
    assert seen().count(ACCESS) == 2


# -- which credentials count ---------------------------------------------------------------------


def test_the_argument_beats_all_other_credentials(lm, token, new_guard, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    enter(new_guard(refresh_token=token))
    assert lm.requests[-1].caller.access_key.startswith("ASIA")


def test_the_variable_comes_last(lm, token, new_guard, monkeypatch, tmp_path, seen):
    file = tmp_path / "token"
    file.write_text(token + "\n")
    monkeypatch.setenv("METERGUARD_REFRESH_TOKEN_FILE", str(file))
    enter(new_guard())
    assert seen()[:2] == EXCHANGE
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    service_of(new_guard()).check_out(SEAT, "intent")
    assert lm.requests[-1].caller.access_key == "other"


def test_without_trust_in_the_environment_nothing_leads_elsewhere(lm, token, new_guard, monkeypatch, seen):
    nowhere = "http://127.0.0.1:9"
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert enter(new_guard(refresh_token=token, trust_env=False)) == "open"
    assert seen()[:2] == EXCHANGE
    service_of(new_guard(refresh_token=token)).check_out(SEAT, "intent")
    assert seen().count(ACCESS) == 2, "who trusts it shares no keys with who does not"


def test_a_file_of_the_argument_beats_the_one_of_the_variable(token, new_guard, monkeypatch, tmp_path, seen):
    file = tmp_path / "token"
    file.write_text(token)
    monkeypatch.setenv("METERGUARD_REFRESH_TOKEN_FILE", str(tmp_path / "none"))
    assert enter(new_guard(refresh_token=file)) == "open"


# -- the role ------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [0, 2])
def test_a_token_that_names_not_one_role_takes_the_one_of_the_environment(
    lm, create, new_guard, monkeypatch, role, named, seen
):
    token = create(RoleArns=[role, f"{role}2"][:named])["Token"]
    guard = new_guard(refresh_token=token)
    with pytest.raises(ConfigurationError, match="set AWS_ROLE_ARN to the role"):
        enter(guard)
    assert seen() == []
    monkeypatch.setenv("AWS_ROLE_ARN", "role")
    with pytest.raises(ConfigurationError, match="AWS_ROLE_ARN holds something that is no ARN of a role"):
        enter(new_guard(refresh_token=token))
    monkeypatch.setenv("AWS_ROLE_ARN", role)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "till 7")
    with pytest.raises(ConfigurationError, match="AWS_ROLE_SESSION_NAME must have"):
        enter(new_guard(refresh_token=token))
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "till-7")
    enter(new_guard(refresh_token=token))
    asked = next(one.parameters for one in lm.requests if one.operation == ASSUME)
    assert (asked["RoleArn"], asked["RoleSessionName"]) == (role, "till-7")


@pytest.mark.parametrize("trust_env", [True, False])
def test_sts_is_asked_in_the_same_region_or_on_this_machine(trust_env):
    for region, url, at in [
        ("us-west-2", None, "https://sts.us-west-2.amazonaws.com"),
        ("cn-north-1", None, "https://sts.cn-north-1.amazonaws.com.cn"),
        ("us-west-2", "https://vpce.example", "https://sts.us-west-2.amazonaws.com"),
        ("us-west-2", "http://127.0.0.1:4020", "http://127.0.0.1:4020"),
    ]:
        license_manager, sts = boto_credentials.requesters(region, url, PARTING, trust_env=trust_env)
        assert sts.meta.endpoint_url == at
        assert license_manager.meta.endpoint_url == (url or f"https://license-manager.{at[12:]}")


# -- for an hour ---------------------------------------------------------------------------------


def test_keys_are_renewed_ahead_of_their_end(lm, token, new_guard, clock, seen):
    service = service_of(new_guard(refresh_token=token))

    def key():
        service.licenses()
        return lm.requests[-1].caller.access_key

    first = key()
    clock.shift(2600)
    assert key() == first
    clock.shift(100)
    second = key()
    assert second != first
    clock.shift(3570)  # longer than they are used, and shorter than they live: nobody tries keys that may be over
    assert key() not in (first, second)
    assert [one for one in seen() if one in EXCHANGE] == EXCHANGE * 3


def test_a_renewal_that_fails_leaves_the_old_keys_and_is_tried_again_a_minute_later(lm, token, new_guard, clock):
    service = service_of(new_guard(refresh_token=token))
    service.licenses()
    clock.shift(2700)
    with lm.faults.active(ASSUME, error="AccessDenied"):
        for _ in range(3):
            service.licenses()
        assert lm.calls(ASSUME) == 2
        clock.shift(61)
        service.licenses()
        assert lm.calls(ASSUME) == 3
        clock.shift(1000)
        assert "the role may not be assumed" in refused(service.licenses)
    service.licenses()


def test_a_file_is_read_for_each_exchange(create, vendor, new_guard, clock, tmp_path):
    first, second = create(), create()
    file = tmp_path / "token"
    file.write_text(first["Token"])
    service = service_of(new_guard(refresh_token=file))
    service.licenses()
    vendor.delete_token(TokenId=first["TokenId"])
    file.write_text(f"{second['Token']}\r\n")
    clock.shift(3600)
    service.licenses()


def test_keys_that_the_service_does_not_take_are_exchanged_anew(lm, token, new_guard, seen):
    service = service_of(new_guard(refresh_token=token))
    service.licenses()
    lm.faults.add(lm.requests[-1].operation, error="ExpiredTokenException")
    refused(service.licenses)
    service.licenses()
    assert seen().count(ASSUME) == 2


# -- a no ----------------------------------------------------------------------------------------


def test_an_expired_token_is_told_by_its_day(create, new_guard, clock, seen):
    service = service_of(new_guard(refresh_token=create(ExpirationInDays=1)["Token"]))
    clock.shift(DAY)
    said = refused(service.licenses)
    assert said.startswith("the refresh token has expired, on 20")
    assert "ask the vendor for a new refresh token" in said
    assert seen() == [ACCESS], "clocks may be wrong, so it was asked all the same"


def test_a_wrong_clock_of_this_machine_refuses_nobody(lm, create, new_guard, clock):
    service = service_of(new_guard(refresh_token=create(ExpirationInDays=1)["Token"]))
    clock.shift(2 * DAY)
    lm.clock.advance(-2 * DAY)
    service.licenses()


def test_a_deleted_token_is_refused_and_a_gate_says_so(create, vendor, new_guard):
    made = create()
    vendor.delete_token(TokenId=made["TokenId"])
    with pytest.raises(AuthorizationRefused, match="the refresh token was refused: it was deleted") as caught:
        enter(new_guard(refresh_token=made["Token"], on_unknown="allow"))
    assert caught.value.code == "AuthorizationException"
    assert caught.value.request_id


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("AccessDenied", "the role may not be assumed with this refresh token"),
        ("InvalidIdentityToken", "AWS STS does not take the access"),
        ("ExpiredTokenException", "AWS STS does not take the access"),
        ("RegionDisabledException", "AWS STS does not take the access"),
    ],
)
def test_a_no_of_sts(lm, token, new_guard, error, words):
    service = service_of(new_guard(refresh_token=token))
    lm.faults.add(ASSUME, error=error)
    assert refused(service.licenses).startswith(words)


def test_another_region_is_named(lm, token, new_guard):
    service = service_of(new_guard(refresh_token=token))
    lm.faults.add(ACCESS, error="RedirectException", location="eu-west-1")
    with pytest.raises(ServiceFault, match="set region_name='eu-west-1'"):
        service.licenses()


PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("", "is empty"),
        (" \n", "is empty"),
        (PRIVATE_KEY, "holds no refresh token"),
        ("\0\xff", "holds no refresh token"),
        ("x" * 100_000, "holds no refresh token"),
    ],
    ids=["missing", "empty", "blank", "a key", "binary", "long"],
)
def test_a_file_without_a_token(new_guard, tmp_path, seen, content, words):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, "latin-1")
    said = refused(service_of(new_guard(refresh_token=file)).licenses)
    assert said == f"the file {file} {said_of(words)}"
    assert seen() == [], "nothing of such a file is sent to anybody"


def said_of(words):
    more = ", which is a JWT: three parts with a dot between them" if "holds" in words else ""
    return f"{words}{more}; ask the vendor for a new refresh token, or name the right file"


def test_a_directory_and_a_pipe_are_no_files(new_guard, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        assert "is no regular file" in refused(service_of(new_guard(refresh_token=path)).licenses)


def test_a_file_that_may_not_be_read(new_guard, tmp_path):
    file = tmp_path / "token"
    file.touch(mode=0)
    service = service_of(new_guard(refresh_token=file))
    service.connect()

    def ask():
        assert "cannot be read (Permission denied)" in refused(service.licenses)

    as_nobody_special(ask)


@pytest.mark.parametrize("payload", ["[]", "x", '{"roles": 5, "exp": "never"}', '{"exp": 1e400}'])
def test_a_token_that_says_nothing_useful_is_asked_about_all_the_same(new_guard, role, monkeypatch, payload):
    monkeypatch.setenv("AWS_ROLE_ARN", role)
    text = base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")
    said = refused(service_of(new_guard(refresh_token=f"head.{text}.signature")).licenses)
    assert said.startswith("the refresh token was refused")


# -- unknown -------------------------------------------------------------------------------------

TROUBLE = [
    {"error": "ThrottlingException"},
    {"error": "InternalFailure", "status": 500},
    {"status": 503},
    {"drop": "before"},
    {"body": "cut"},
    {"body": "garbled"},
    {"body": "empty"},
]


@pytest.mark.parametrize("operation", EXCHANGE)
@pytest.mark.parametrize("fault", TROUBLE, ids=str)
def test_trouble_is_no_refusal(lm, token, new_guard, operation, fault):
    service = service_of(new_guard(refresh_token=token))
    lm.faults.add(operation, **fault)
    with pytest.raises(ServiceFault, match=r"^the refresh token could not be exchanged") as caught:
        service.check_out(SEAT, "intent")
    assert (caught.value.kind, caught.value.may_have_acted) == (FaultKind.UNKNOWN, False)
    assert "AccessKeyId" not in " ".join(shown(caught.value)), "a text of boto3's may repeat the answer"
    service.check_out(SEAT, "intent")


def test_an_identity_provider_that_cannot_be_reached_is_no_refusal(lm, token, new_guard):
    service = service_of(new_guard(refresh_token=token))
    lm.faults.add(ASSUME, error="IDPCommunicationError", status=400)
    with pytest.raises(ServiceFault) as caught:
        service.licenses()
    assert caught.value.kind is FaultKind.UNKNOWN


def test_an_outage_of_sts_is_unknown_and_grace_applies(lm, token, new_guard, clock):
    guard = new_guard(refresh_token=token, timeout=1)
    assert enter(guard) == "open"
    clock.shift(2600)
    assert enter(guard) == "open"
    lm.faults.add(ASSUME, status=503, times=None)
    clock.shift(1000)
    assert enter(guard) == "open", "in grace"
    assert not guard.leases()
    clock.shift(801)
    with pytest.raises(EntitlementUnavailable, match="the refresh token could not be exchanged"):
        enter(guard)


def test_a_process_that_leaves_does_not_wait_for_keys(lm, mine, token, new_guard, clock):
    lm.update_license("ACME-1", ttl=7200)
    guard = new_guard(refresh_token=token)
    enter(guard)
    clock.shift(3590)
    lm.faults.add(ACCESS, latency=20, times=None)
    began = time.monotonic()
    guard.close()
    assert time.monotonic() - began < 4, "two seconds, and a busy machine"


# -- fork ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_child_exchanges_for_itself_also_when_its_parent_is_just_doing_it(lm, token, new_guard, seen):
    guard = new_guard(refresh_token=token)
    parents = service_of(guard)
    guard.engine.registry.exchange.service.connect()
    lm.faults.add(ACCESS, latency=3)
    thread = threading.Thread(target=parents.licenses)
    thread.start()
    lm.wait_for_calls(ACCESS)
    child = os.fork()
    if child == 0:
        os._exit(0 if enter(guard) == "open" else 1)
    assert os.waitpid(child, 0)[1] == 0
    thread.join(30)
    assert seen().count(ACCESS) == 2
    assert seen().count(ASSUME) == 2


# -- secrets -------------------------------------------------------------------------------------


def shown(error):
    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        yield from (repr(one), str(one), repr(one.args), repr(vars(one)), "".join(traceback.format_exception(one)))
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals["__name__"] != __name__:
            yield repr(trace.tb_frame.f_locals)
        trace = trace.tb_next


def test_no_secret_is_shown(lm, token, new_guard, caplog, role):
    caplog.set_level(logging.DEBUG)
    caplog.handler.addFilter(RedactingFilter())
    guard = new_guard(refresh_token=token)
    service = service_of(guard)
    texts = [repr(guard), repr(guard.settings), repr(service)]
    for operation, error in itertools.product([*EXCHANGE, CHECK_OUT], ["AccessDenied", "InternalFailure"]):
        lm.faults.add(operation, error=error, message=f"{role} may not, with {token}")
        with pytest.raises(ServiceFault) as caught:
            service.check_out(SEAT, "intent")
        texts += shown(caught.value)
    service.check_out(SEAT, "intent")
    keys = service._clients._lent._stand.keys
    texts += [repr(keys), repr(service._clients._lent._source), repr(vars(service._clients._lent))]
    access = [one.parameters["WebIdentityToken"] for one in lm.requests if one.operation == ASSUME]
    secrets = [token, *access, keys.access_key, keys.secret_key, keys.session_token, role]
    texts += [caplog.text, *(repr(vars(record)) for record in caplog.records)]
    assert [text[:200] for text in texts if any(one in text for one in secrets)] == []


def test_boto3_says_nothing_above_debug(lm, token, new_guard, caplog, clock):
    caplog.set_level(logging.INFO)
    service = service_of(new_guard(refresh_token=token))
    service.licenses()
    clock.shift(2700)
    lm.faults.add(ACCESS, error="AccessDenied")
    service.licenses()
    assert caplog.records == []


def test_nothing_is_asked_of_another_machine_in_tests(token, new_guard):
    far = new_guard(refresh_token=token, endpoint_url=None)
    with pytest.raises(ConfigurationError, match="METERGUARD_LOOPBACK_ONLY"):
        enter(far)


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_the_emulators_token_is_as_the_service_makes_it(token, role):
    assert claims_of(token)["roles"] == [role]
