"""What botocore writes at level DEBUG, with the filter and, to know that the test would see it, without."""

from __future__ import annotations

import logging
import pickle
import re

import boto3
import pytest

from meterguard import MeterGuardError
from meterguard.telemetry.redaction import LOGGERS, RedactingFilter, redact_botocore

ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "AKIDEXAMPLEKEYID", "s3cretAccessKey", "sessi0nT0ken"


class Captured(logging.Handler):
    def __init__(self):
        super().__init__(logging.NOTSET)
        self.records = []
        self.texts = []

    def emit(self, record):
        self.records.append(record)
        self.texts.append("\n".join([self.format(record), repr(record.args), repr(record.msg), repr(vars(record))]))

    def showing(self, *secrets):
        """Which loggers showed which secret."""
        return {
            (record.name, secret)
            for record, text in zip(self.records, self.texts, strict=True)
            for secret in secrets
            if secret in text
        }


@pytest.fixture
def captured():
    """Every record that there is, of every logger."""
    handler, root = Captured(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET + 1)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def life(lm, licence, make_guard, captured):
    """``life()``: a checkout, a renewal, a check-in, and answers that are wrong. Returns the secrets in it."""
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)

    def live():
        guard = make_guard(lm, licence, session=session, denial_ttl=0, on_unknown="deny")
        secrets = {ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, licence.arn, licence.key_fingerprint}
        with guard.requires_entitlement("Seats", 1, hold="call") as lease:
            secrets.add(lease.token)
            guard.engine.registry.exchange.service.extend(lease.token)
        for fault in (
            {"error": "AccessDeniedException", "message": f"{licence.arn} {licence.key_fingerprint}"},
            {"strip": "LicenseConsumptionToken"},
            {"body": "garbled"},
            {"body": "cut"},
            {"drop": "after"},
        ):
            lm.faults.add("CheckoutLicense", **fault)
            try:
                with guard.requires_entitlement("Jobs", 1, hold="call") as lease:
                    secrets.add(lease.token)
            except MeterGuardError:
                pass
        guard.close()
        for one in lm.requests:
            secrets |= {(one.answer or {}).get("LicenseConsumptionToken"), one.parameters.get("ClientToken")}
        secrets |= {found for text in captured.texts for found in re.findall(r"Signature[=:]\s*([0-9a-f]{64})", text)}
        return secrets - {None}

    return live


def test_without_the_filter_everything_is_in_the_log(life, captured):
    secrets = life() - {SECRET_KEY}  # which not even botocore writes
    seen = captured.showing(*secrets)
    assert {secret for _, secret in seen} == secrets
    assert len(secrets) > 10
    assert {name for name, _ in seen} == {"botocore.auth", "botocore.endpoint", "botocore.parsers"} <= set(LOGGERS)


def test_with_the_filter_nothing_secret_is_in_any_record(life, captured):
    end = redact_botocore()
    secrets = life()
    end()
    assert captured.showing(*secrets, "AWS4-HMAC-SHA256", "Signature=") == set()
    names = {record.name for record in captured.records}
    assert {"botocore.auth", "botocore.endpoint", "botocore.parsers", "botocore.hooks", "meterguard"} <= names


def test_what_helps_stays(life, captured):
    end = redact_botocore()
    life()
    end()
    messages = [record.getMessage() for record in captured.records]
    assert "Making request for OperationModel(name=CheckoutLicense) with params: <hidden>" in messages
    assert any("CheckInLicense" in one for one in messages)
    assert all(
        pickle.loads(pickle.dumps(record.args)) == record.args for record in captured.records if record.name in LOGGERS
    )


def test_it_comes_off_again(life, captured):
    redact_botocore()()
    assert captured.showing(*life()) != set()


def test_twice_is_as_good_as_once(life, captured):
    ends = [redact_botocore(), redact_botocore()]
    secrets = life()
    for end in ends:
        end()
    assert captured.showing(*secrets) == set()
    assert "Response body:\n'<hidden>'" in [record.getMessage() for record in captured.records]


def test_at_a_handler_it_covers_these_loggers_and_leaves_others_alone(life, captured):
    captured.addFilter(RedactingFilter())
    logging.getLogger("application").info("%s", "arn:aws:iam::999988887777:user/jane")
    secrets = life()
    assert captured.showing(*secrets) == set()
    assert "arn:aws:iam::999988887777:user/jane" in [record.getMessage() for record in captured.records]


def filtered(*args, exc_info=None, name="botocore.credentials"):
    record = logging.LogRecord(name, logging.DEBUG, __file__, 1, "%s" * len(args) or "failed", args, exc_info)
    assert RedactingFilter().filter(record)
    return record


def test_exceptions_are_named_and_do_not_speak():
    error = ValueError("arn:aws:iam::999988887777:user/jane")
    record = filtered(error, exc_info=(ValueError, error, None))
    assert logging.Formatter().format(record) == "ValueError (ValueError)"


@pytest.mark.parametrize("argument", [{"a": "secret"}, "secret", b"secr3t", ["secret"], None, True])
def test_arguments_of_any_kind(argument):
    shown = filtered(argument).getMessage()
    assert shown == ("True" if argument is True else "<hidden>")


def test_a_message_without_arguments_and_one_outside_an_exception():
    assert filtered().getMessage() == "failed"
    assert filtered(exc_info=(None, None, None)).getMessage() == "failed"
