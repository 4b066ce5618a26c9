"""Django's debug page shows the local variables of every frame: what it shows of ours holds nothing secret."""

from __future__ import annotations

import asyncio
import pprint
import sys

import django
import pytest
from django.conf import settings
from django.views.debug import ExceptionReporter

import meterguard
from meterguard import MeterGuard, MeterGuardError, config

FINGERPRINT = "aws:294406891311:AWS/Marketplace:f1ngerpr1nt"
BENEFICIARY = "benef1ciary"
PASSWORD = "hunter2"
SECRETS = (FINGERPRINT, "f1ngerpr1nt", BENEFICIARY, PASSWORD)


@pytest.fixture(scope="module", autouse=True)
def a_project():
    if not settings.configured:
        settings.configure(DEBUG=True)
        django.setup()


def page_of(call):
    """The debug page for what ``call`` raises; the variables of this test's frames, whose secrets they are, aside."""
    try:
        call()
    except (MeterGuardError, TypeError, RuntimeError):
        kind, error, trace = sys.exc_info()
    else:
        pytest.fail("nothing was raised")
    frames = ExceptionReporter(None, kind, error, trace).get_traceback_frames()
    ours = [one for one in frames if "/meterguard/" in one["filename"].replace("\\", "/")]
    assert ours
    shown = [f"{name} = {pprint.pformat(value)}" for one in ours for name, value in one["vars"]]  # as the page has it
    return "\n".join([str(error), *shown])


def check(call, *secrets):
    page = page_of(call)
    assert [secret for secret in (*SECRETS, *secrets) if secret in page] == []


OPTIONS = {"key_fingerprint": FINGERPRINT, "beneficiary": BENEFICIARY, "endpoint_url": f"http://me:{PASSWORD}@host"}
MISTAKES = {
    "another option": {"timeout": -1},
    "no such option": {"tiemout": 1},
    "the fingerprint as bytes": {"key_fingerprint": FINGERPRINT.encode()},
    "the beneficiary in a list": {"beneficiary": [BENEFICIARY]},
    "a store": {"store": f"mysql://:{PASSWORD}@host"},
    "a ledger": {"ledger": f"mysql://:{PASSWORD}@host"},
}


@pytest.mark.parametrize("make", [MeterGuard, meterguard.configure])
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_guard_that_is_not_made(make, mistake):
    check(lambda: make("ACME-1", **OPTIONS | mistake))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"METERGUARD_PRODUCT_SKU": "ACME-1", "METERGUARD_GRACE": "soon"},
        {"METERGUARD_PRODUCT_SKU": "ACME-1", "METERGUARD_ON_UNKNOWN": "shrug"},
        {"METERGUARD_PRODUCT_SKU": "ACME-1", "METERGUARD_STORE": f"mysql://:{PASSWORD}@host"},
    ],
    ids=lambda environ: " ".join(environ) or "incomplete",
)
def test_a_guard_that_is_not_set_up(environ, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    guard = MeterGuard(**OPTIONS)
    check(lambda: guard.decide("Seats", 1), "s3cret")


def test_the_fingerprint_of_the_environment(monkeypatch):
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", FINGERPRINT)
    monkeypatch.setenv("METERGUARD_BENEFICIARY", BENEFICIARY)
    check(lambda: MeterGuard().decide("Seats", 1))
    assert FINGERPRINT not in repr(config.settle(config.check({"product_sku": "ACME-1"})))


def test_settings_show_nothing():
    checked = config.check({"product_sku": "ACME-1"} | OPTIONS)
    shown = repr(checked) + repr(config.settle(checked, {}))
    assert [secret for secret in SECRETS if secret in shown] == []
    assert "ACME-1" in shown


def test_a_half_made_guard_has_a_repr():
    assert repr(MeterGuard.__new__(MeterGuard)) == "<MeterGuard that was not made>"


def test_a_closed_guard(guard, licence):
    guard.close()
    check(lambda: guard.decide("Seats", 1), licence.key_fingerprint)


STYLES = {
    "function": lambda gate, work: gate(work)(),
    "generator": lambda gate, work: list(gate(lambda: iter([work()]))()),
    "with": lambda gate, _: gate.__enter__(),
    "coroutine": lambda gate, _: asyncio.run(coroutine(gate)),
    "async generator": lambda gate, _: asyncio.run(async_generator(gate)),
}


async def coroutine(gate):
    @gate
    async def work(): ...

    await work()


async def async_generator(gate):
    @gate
    async def work():
        yield

    await anext(work())


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("name", ["Nope", "Seats"])
def test_a_call_that_is_denied_or_gets_no_answer(new_guard, lm, licence, unreachable, style, name):
    guard = new_guard(on_unknown="deny")
    with guard.requires_entitlement("Seats", 1) as lease:  # so that there is something to hide
        tokens = lease.token, lease.license_arn, lease.signed_token or lease.token
        gate = guard.requires_entitlement(name, 2)
        with unreachable():
            check(lambda: style(gate, lambda: 1), licence.key_fingerprint, licence.arn, *tokens)
        if name == "Nope":
            check(lambda: style(gate, lambda: 1), licence.key_fingerprint, licence.arn, *tokens)


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_a_body_that_raises_under_a_lease(guard, licence, hold):
    gate = guard.requires_entitlement("Seats", 1, hold=hold)
    seen = []

    @guard.requires_entitlement("Seats", 1, hold=hold, pass_lease="lease")
    def work(lease):
        seen.extend([lease.token, lease.license_arn])
        raise RuntimeError("mine")

    @gate
    def raises():
        raise RuntimeError("mine")

    for fn in work, raises:
        check(fn, licence.key_fingerprint, licence.arn, *seen)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("name", ["Nope", "Pages"])
def test_a_draw_that_is_denied_or_gets_no_answer(guard, lm, licence, unreachable, style, name):
    with guard.consumes_entitlement("Tokens", 1):  # so that there is something to hide
        pass
    draw = guard.consumes_entitlement(name, 101)
    with unreachable():
        check(lambda: style(draw, lambda: 1), licence.key_fingerprint, licence.arn)
    check(lambda: style(guard.consumes_entitlement("Nope", 1), lambda: 1), licence.key_fingerprint, licence.arn)
    tokens = [one.parameters["ClientToken"] for one in lm.requests if one.operation == "CheckoutLicense"]
    consumed = [(one.answer or {}).get("LicenseConsumptionToken") for one in lm.requests]
    assert len(tokens) > 1
    check(lambda: style(draw, lambda: 1), licence.key_fingerprint, licence.arn, *tokens, *filter(None, consumed))


def test_a_body_that_raises_under_a_charge(guard, lm, licence):
    @guard.meters_usage("Requests")
    @guard.consumes_entitlement("Pages", 1, pass_charge="charge")
    def work(charge):
        raise RuntimeError("mine")

    check(work, licence.key_fingerprint, licence.arn)
    tokens = [one.parameters["ClientToken"] for one in lm.requests if one.operation == "CheckoutLicense"]
    assert len(tokens) == 1
    check(work, licence.key_fingerprint, licence.arn, *tokens)
