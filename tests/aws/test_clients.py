"""Regions, endpoints, profiles, credentials: what is used, and what is said where it cannot be."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import boto3
import pytest

from meterguard.aws.clients import boto_import_lock
from meterguard.aws.settings import TimeOuts, time_outs
from meterguard.errors import ConfigurationError
from meterguard.model import Entitlement
from meterguard.ports import FaultKind, ServiceFault

SEAT = (Entitlement("Seats", 1, "Count"),)
ROOT = Path(__file__).resolve().parents[2]


def mistake_of(service):
    with pytest.raises(ConfigurationError) as caught:
        service.connect()
    assert caught.value.__context__ is None
    return str(caught.value)


def refusal_of(call, *args):
    with pytest.raises(ServiceFault) as caught:
        call(*args)
    assert caught.value.kind is FaultKind.REFUSED
    assert not caught.value.may_have_acted
    return caught.value.detail


def profile(monkeypatch, tmp_path, text):
    config = tmp_path / "config"
    config.write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


# -- the Region ----------------------------------------------------------------------------------


def test_the_nearest_word_on_the_region_counts(make_service, monkeypatch, tmp_path):
    def region(**options):
        return make_service(**options)._clients.client().meta.region_name

    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-4")
    profile(monkeypatch, tmp_path, "[default]\nregion = eu-west-5\n")
    session = boto3.Session(region_name="eu-west-2")
    assert region(region_name="eu-west-1", session=session) == "eu-west-1"
    assert region(session=session) == "eu-west-2"
    assert region() == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", " ")
    assert region() == "eu-west-4"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert region() == "eu-west-5"


def test_no_region_at_all_is_a_mistake_that_says_what_to_set(make_service, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for options in ({}, {"endpoint_url": "http://127.0.0.1:9"}, {"session": boto3.Session()}):
        said = mistake_of(make_service(**options))
        assert "region_name" in said
        assert "AWS_REGION" in said


@pytest.mark.parametrize("region", ["", " ", "us_east_1", "us-east-1.evil.example/", "1234", "-a", 5, True], ids=repr)
def test_a_malformed_region_is_a_mistake(make_service, region):
    assert "region_name" in mistake_of(make_service(region_name=region))


# -- endpoints, profiles, sessions ---------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "localhost:4020", "ftp://host", "http://", "https://me:s3cret@[::1", 5, "http//x"], ids=repr
)
def test_a_malformed_endpoint_is_a_mistake(make_service, url):
    said = mistake_of(make_service(endpoint_url=url))
    assert "endpoint_url" in said
    assert "s3cret" not in said


def test_a_malformed_endpoint_in_a_variable_is_a_mistake(make_service, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    assert "AWS_ENDPOINT_URL" in mistake_of(make_service())


def test_an_unknown_profile_is_a_mistake_that_can_be_mended(make_service, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    service = make_service()
    said = mistake_of(service)
    assert "AWS_PROFILE" in said
    assert "nobody" in said
    monkeypatch.delenv("AWS_PROFILE")
    service.connect()


def test_a_setting_that_cannot_be_used_is_a_mistake(make_service, monkeypatch, tmp_path):
    profile(monkeypatch, tmp_path, "[default]\nregion = us-east-1\ndefaults_mode = odd\n")
    assert "AWS configuration" in mistake_of(make_service())


def test_what_is_no_session_or_client_is_a_mistake(make_service):
    assert "session" in mistake_of(make_service(session=object()))
    service = make_service(client=object())
    with pytest.raises(ConfigurationError, match="client must be"):
        service.check_out(SEAT, "intent-1")


# -- credentials ---------------------------------------------------------------------------------


def test_missing_credentials_are_a_refusal_that_ends_when_they_come(lm, licence, make_service, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url)
    assert "AWS_ACCESS_KEY_ID" in refusal_of(service.check_out, SEAT, "intent-1")
    assert lm.calls() == 0
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    service.check_out(SEAT, "intent-1")


def test_half_a_credential_is_a_refusal_that_ends_too(lm, licence, make_service, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url)
    assert "incomplete" in refusal_of(service.check_out, SEAT, "intent-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    service.check_out(SEAT, "intent-1")


@pytest.mark.parametrize(
    "text",
    [
        "credential_process = /bin/false",
        "credential_process = /bin/echo s3cret",
        "sso_start_url = https://x/\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r",
        "web_identity_token_file = /nowhere\nrole_arn = arn:aws:iam::111122223333:role/r",
    ],
    ids=lambda text: text.split()[0] + text[-8:],
)
def test_a_credential_source_that_fails_is_a_refusal(lm, make_service, monkeypatch, tmp_path, text):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    profile(monkeypatch, tmp_path, f"[default]\n{text}\n")
    said = refusal_of(make_service(endpoint_url=lm.url).check_out, SEAT, "intent-1")
    assert "s3cret" not in said
    assert "1111" not in said


@pytest.mark.parametrize("status", ["403 Forbidden", None])
def test_a_role_that_cannot_be_assumed(lm, stranger, make_service, monkeypatch, tmp_path, status):
    """A no of STS is a refusal; an STS that does not answer is an unknown, and nothing was sent."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    keys = "[base]\naws_access_key_id = a\naws_secret_access_key = b\n"
    (tmp_path / "credentials").write_text(keys)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    role = "role_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base"
    profile(monkeypatch, tmp_path, f"[default]\n{role}\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", stranger.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    stranger.reply = None
    if status is not None:
        code = "<Code>AccessDenied</Code><Message>arn:aws:iam::111122223333:user/j may not</Message>"
        stranger.says(f"<ErrorResponse><Error>{code}</Error></ErrorResponse>".encode(), status)
    with pytest.raises(ServiceFault) as caught:
        make_service(endpoint_url=lm.url).check_out(SEAT, "intent-1")
    assert caught.value.kind is (FaultKind.UNKNOWN if status is None else FaultKind.REFUSED)
    assert not caught.value.may_have_acted
    assert ("AssumeRole" in caught.value.detail) is (status is not None)
    assert "1111" not in caught.value.detail
    assert lm.calls() == 0


def test_rotated_credentials_are_picked_up(lm, licence, make_service, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    secrets = tmp_path / "credentials"
    secrets.write_text("[default]\naws_access_key_id = first\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(secrets))
    service = make_service(key_fingerprint=licence.key_fingerprint, endpoint_url=lm.url)
    answer = service.check_out(SEAT, "intent-1")
    secrets.write_text("[default]\naws_access_key_id = second\naws_secret_access_key = s\n")
    lm.faults.add("ExtendLicenseConsumption", error="ExpiredTokenException")
    assert "expired" in refusal_of(service.extend, answer.token)
    service.extend(answer.token)
    keys = [one.headers["authorization"].partition("Credential=")[2].partition("/")[0] for one in lm.requests]
    assert keys == ["first", "first", "second"]


# -- when and how clients are made ---------------------------------------------------------------


def test_time_outs_leave_room_for_a_second_attempt():
    assert time_outs(10) == TimeOuts(3.0, 4.5)
    assert time_outs(100) == TimeOuts(3.0, 5.0)
    assert time_outs(1) == TimeOuts(0.3, 0.45)


def test_a_client_makes_one_attempt_within_its_time_outs(make_service):
    connection = make_service(timeout=10)._clients
    for client, waits in ((connection.client(), (3.0, 4.5)), (connection.client(parting=True), (0.4, 0.6))):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == waits
        assert config.retries["total_max_attempts"] == 1
        assert config.max_pool_connections >= 32


def test_a_child_is_not_kept_out_by_a_thread_of_its_parents(make_service):
    held, over = threading.Event(), threading.Event()
    inherited = boto_import_lock._lock

    def hold():
        with inherited:
            held.set()
            over.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    service = make_service()
    service.reset()
    service.connect()
    over.set()
    thread.join()


def run(program, *args):
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_boto3_is_imported_on_first_use():
    program = """
import sys
from meterguard.aws.service import LicenseManager
service = LicenseManager(product_sku="A", key_fingerprint="F", timeout=10)
print("boto3" in sys.modules or "botocore" in sys.modules)
service.connect()
print("boto3" in sys.modules)
"""
    assert run(program).split() == ["False", "True"]


START = """
import atexit, os, sys
from meterguard.aws.service import LicenseManager
from meterguard.model import Entitlement
SEAT = (Entitlement("Seats", 1, "Count"),)
url, fingerprint = sys.argv[1:]
def make(**options):
    return LicenseManager(product_sku="ACME-1", key_fingerprint=fingerprint, **{"timeout": 10, **options})
"""


def test_a_lease_is_given_back_at_exit(lm, licence):
    program = (
        START
        + """
service = make(endpoint_url=url)
token = service.check_out(SEAT, "intent-1").token
atexit.register(service.check_in, token, parting=True)
"""
    )
    run(program, lm.url, licence.key_fingerprint)
    assert lm.calls("CheckInLicense") == 1
    assert lm.usage("ACME-1") == {"Seats": 0}


@pytest.mark.parametrize("options", ["endpoint_url=url", "client=boto3.client('license-manager', endpoint_url=url)"])
@pytest.mark.parametrize("child", ["service", "make(**options)"])
def test_parent_and_child_share_no_clients(lm, licence, options, child):
    """Whether the child goes on with the service it inherited, or has one of its own over the same client."""
    program = (
        START
        + f"""
import boto3, socket
options = dict({options})
service = make(**options)
service.check_out(SEAT, "parent-1")
opened, connect = [], socket.socket.connect
socket.socket.connect = lambda self, address: (opened.append(address), connect(self, address))[1]
child = os.fork()
if child == 0:
    service.reset()
    ({child}).check_out(SEAT, "child-1")
    os._exit(0 if len(opened) == 1 else 1)
assert os.waitpid(child, 0)[1] == 0
service.check_out(SEAT, "parent-2")
assert opened == [], opened
"""
    )
    run(program, lm.url, licence.key_fingerprint)
    assert lm.usage("ACME-1") == {"Seats": 3}
