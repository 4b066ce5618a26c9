"""Nothing secret gets out: not in a repr, a text, an attribute, a traceback or a log line."""

from __future__ import annotations

import itertools
import logging
import traceback

import boto3
import pytest

from meterguard.aws.error_codes import KINDS
from meterguard.errors import ConfigurationError
from meterguard.model import Entitlement
from meterguard.ports import ServiceFault

SEAT = (Entitlement("Seats", 1, "Count"),)
ARN = "arn:aws:iam::999988887777:user/jane"
SECRET_KEY = "s3cretAccessKey"
BENEFICIARY = "benef1ciary"
CLIENT_TOKEN = "c1ientT0ken"
TOKEN = "c0nsumpti0n"
MALFORMED = "https//me:hunter2@proxy"


@pytest.fixture
def service(lm, licence, make_service):
    return make_service(
        key_fingerprint=licence.key_fingerprint,
        beneficiary=BENEFICIARY,
        endpoint_url=lm.url,
        session=boto3.Session("testing", SECRET_KEY),
    )


def chain(exc):
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def shown(exc):
    """All that a log, an error page or an error tracker would show of an exception."""
    for one in chain(exc):
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
    yield "".join(traceback.format_exception(exc))


def test_no_failure_shows_what_the_service_said_or_what_we_sent(lm, licence, service, caplog):
    caplog.set_level(logging.DEBUG, "meterguard")
    secrets = [ARN, licence.key_fingerprint, licence.arn, BENEFICIARY, SECRET_KEY, CLIENT_TOKEN, TOKEN]
    calls = {
        "CheckoutLicense": lambda: service.check_out(SEAT, CLIENT_TOKEN),
        "ExtendLicenseConsumption": lambda: service.extend(TOKEN),
        "CheckInLicense": lambda: service.check_in(TOKEN),
    }
    for code, (operation, call) in itertools.product(KINDS, calls.items()):
        lm.faults.add(operation, error=code, message=" ".join(secrets))
        with pytest.raises(ServiceFault) as caught:
            call()
        assert caught.value.code == code
        assert list(chain(caught.value)) == [caught.value]
        text = "\n".join([*shown(caught.value), caplog.text, repr(service), str(service)])
        assert [secret for secret in secrets if secret in text] == []


def test_an_answer_shows_no_token(lm, make_service):
    own = lm.add_license("OWN-1", [("Seats", 1, "Count")])
    service = make_service(product_sku="OWN-1", key_fingerprint=own.key_fingerprint, endpoint_url=lm.url)
    answer = service.check_out(SEAT, CLIENT_TOKEN)
    renewed = service.extend(answer.token)
    text = repr(answer) + repr(renewed) + repr(service)
    assert answer.token not in text
    assert own.arn not in text
    assert own.key_fingerprint not in text


def test_the_repr_says_what_helps(make_service):
    service = make_service(region_name="eu-west-1", beneficiary=BENEFICIARY)
    assert repr(service) == "<LicenseManager for ACME-1, Region eu-west-1>"


def test_a_mistake_in_the_set_up_shows_no_password(make_service):
    service = make_service(endpoint_url=MALFORMED)
    with pytest.raises(ConfigurationError) as caught:
        service.connect()
    assert "hunter2" not in "".join(shown(caught.value))
