"""A debug page shows the local variables of every frame of a traceback: those of ours hold nothing secret."""

from __future__ import annotations

import itertools

import boto3
import pytest

from meterguard.aws.error_codes import KINDS
from meterguard.errors import ConfigurationError
from meterguard.model import Entitlement
from meterguard.ports import ServiceFault

SEAT = (Entitlement("Seats", 1, "Count"),)
CLIENT_TOKEN, TOKEN = "c1ientT0ken", "c0nsumpti0n"
BENEFICIARY = "benef1ciary"
ARN = "arn:aws:license-manager::444455556666:license:l-0123456789abcdef"
PASSWORD = "hunter2"


class Boom(Exception):
    """Nothing that boto3 or meterguard knows."""


def locals_of(exc):
    """The repr of every local variable of ours that the traceback of an exception, or of its context, shows."""
    shown, seen = [], set()
    while exc is not None and exc not in seen:
        seen.add(exc)
        trace = exc.__traceback__
        while trace is not None:
            module = trace.tb_frame.f_globals.get("__name__", "")
            if module.startswith("meterguard."):
                for name, value in trace.tb_frame.f_locals.items():
                    shown.append(f"{module}.{trace.tb_frame.f_code.co_name}: {name} = {value!r}")
            trace = trace.tb_next
        exc = exc.__cause__ or exc.__context__
    return shown


def check(caught, *secrets):
    shown = locals_of(caught.value)
    assert shown != []
    assert [line for line in shown for secret in secrets if secret in line] == []


def calls_of(service):
    return {
        "CheckoutLicense": lambda: service.check_out(SEAT, CLIENT_TOKEN),
        "ExtendLicenseConsumption": lambda: service.extend(TOKEN),
        "CheckInLicense": lambda: service.check_in(TOKEN),
        "GetLicenseUsage": lambda: service.usage(ARN),
        "ListLicenses": lambda: service.usage(None),
    }


@pytest.fixture
def options(lm, licence):
    return {"key_fingerprint": licence.key_fingerprint, "beneficiary": BENEFICIARY, "endpoint_url": lm.url}


@pytest.fixture
def secrets(licence):
    return licence.key_fingerprint, licence.arn, BENEFICIARY, CLIENT_TOKEN, TOKEN, ARN, PASSWORD


def test_every_error_of_the_service(lm, make_service, options, secrets):
    service = make_service(**options)
    for code, (operation, call) in itertools.product(KINDS, calls_of(service).items()):
        with lm.faults.active(operation, error=code, message=" ".join(secrets)), pytest.raises(ServiceFault) as caught:
            call()
        check(caught, *secrets)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"LicenseArn": "' + ARN.encode() + b'"}'])
def test_useless_answers(stranger, make_service, options, secrets, body):
    service = make_service(**{**options, "endpoint_url": stranger.url})
    for call in (lambda: service.check_out(SEAT, CLIENT_TOKEN), lambda: service.extend(TOKEN)):
        stranger.says(body)
        with pytest.raises(ServiceFault) as caught:
            call()
        check(caught, *secrets)


def test_what_an_answer_holds_is_hidden_while_it_is_read(lm, licence, make_service, options, monkeypatch):
    answer = make_service(**options | {"beneficiary": None}).check_out(SEAT, CLIENT_TOKEN)
    client = boto3.client("license-manager", endpoint_url=lm.url)
    seen = client.checkout_license

    def without_token(**request):
        return {**seen(**request), "LicenseConsumptionToken": " "}

    monkeypatch.setattr(client, "checkout_license", without_token)
    service = make_service(**options | {"beneficiary": None, "client": client})
    with pytest.raises(ServiceFault, match="without a consumption token") as caught:
        service.check_out(SEAT, "another")
    check(caught, licence.arn, answer.token, licence.key_fingerprint, "another")


def test_what_is_no_fault_of_the_services(make_service, options, secrets):
    def fail(**_):
        raise Boom

    client = boto3.client("license-manager", endpoint_url=options["endpoint_url"])
    client.meta.events.register("before-send.license-manager", fail)
    for call in calls_of(make_service(**options, client=client)).values():
        with pytest.raises(Boom) as caught:
            call()
        check(caught, *secrets)


def test_what_ends_the_process(make_service, options, secrets):
    def end(**_):
        raise SystemExit

    client = boto3.client("license-manager", endpoint_url=options["endpoint_url"])
    client.meta.events.register("before-send.license-manager", end)
    for call in calls_of(make_service(**options, client=client)).values():
        with pytest.raises(SystemExit) as caught:
            call()
        check(caught, *secrets)


@pytest.mark.parametrize(
    "mistake",
    [
        {"endpoint_url": f"https//me:{PASSWORD}@proxy"},
        {"endpoint_url": f"https://me:{PASSWORD}@[::1"},
        {"endpoint_url": f"http://me:{PASSWORD}@license-manager.example", "loopback_only": True},
        {"region_name": "-"},
        {"session": object()},
        {"client": object()},
    ],
    ids=["no-scheme", "half-bracket", "not-loopback", "region", "session", "client"],
)
def test_mistakes_in_the_set_up(make_service, options, secrets, mistake):
    with pytest.raises(ConfigurationError) as caught:
        make_service(**options | mistake).check_out(SEAT, CLIENT_TOKEN)
    check(caught, *secrets)


def test_a_credential_process_that_fails(make_service, options, secrets, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(f"[profile p]\nregion = us-east-1\ncredential_process = sh -c 'echo {ARN} >&2; exit 1'\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(ServiceFault) as caught:
        make_service(**options, session=boto3.Session(profile_name="p")).check_out(SEAT, CLIENT_TOKEN)
    check(caught, *secrets)


def test_the_objects_of_the_room(make_service, options, secrets):
    service = make_service(**options, session=boto3.Session("any", PASSWORD, region_name="us-east-1"))
    service.connect()
    objects = [service, *vars(service).values(), *vars(vars(service)["_clients"]).values()]
    assert [one for one in map(repr, objects) for secret in secrets if secret in one] == []


def test_a_secret_is_text_but_for_its_repr():
    import copy
    import json
    import pickle

    from meterguard.secret import Secret

    secret = Secret("text")
    assert (secret, hash(secret), f"{secret}") == ("text", hash("text"), "text")
    assert type(str(secret)) is str
    assert json.dumps([secret]) == '["text"]'
    for one in (secret, copy.copy(secret), pickle.loads(pickle.dumps(secret))):
        assert (repr(one), repr([one]), one) == ("<hidden>", "[<hidden>]", "text")
