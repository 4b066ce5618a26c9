"""No consumption token, signed token, fingerprint or ARN in a log, a repr, a text or an event, on any path."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable, MeterGuard, MeterGuardError
from meterguard import events as kinds

ERRORS = [
    *("NoEntitlementsAllowedException", "ResourceNotFoundException", "AccessDeniedException", "ExpiredTokenException"),
    *("InvalidParameterValueException", "ServerInternalException", "RedirectException", "ThrottlingException"),
]


class Told:
    """Everything that was shown to anybody."""

    def __init__(self):
        self.events = []
        self.texts = []
        self.secrets = set()

    def hold(self, lease):
        self.secrets |= {lease.token, lease.signed_token, lease.license_arn}
        self.show(lease, lease.entitlements, lease.checkout_type)

    def show(self, *things):
        for thing in things:
            self.texts += [repr(thing), str(thing), f"{thing}"]

    def raised(self, error):
        for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
            self.show(one, one.args, vars(one), "".join(traceback.format_exception(one)))
        assert error.__cause__ is None


def fails(told, call):
    with pytest.raises(MeterGuardError) as caught:
        call()
    told.raised(caught.value)
    return caught.value


@pytest.fixture
def told(lm, licence, caplog):
    caplog.set_level(logging.DEBUG, "meterguard")
    told = Told()
    told.secrets |= {licence.arn, licence.key_fingerprint}
    yield told
    told.texts += [caplog.text, *(repr(vars(record)) for record in caplog.records)]
    told.show(*told.events)
    told.secrets |= {(one.answer or {}).get("LicenseConsumptionToken") for one in lm.requests}
    secrets = told.secrets - {None}
    assert len(secrets) > 3
    assert [text for text in told.texts if any(secret in text for secret in secrets)] == []


def test_a_life_of_leases(lm, new_guard, unreachable, told):
    """Checked out, passed, renewed, lost, lapsed, in grace, back, not returnable, returned."""
    guard = new_guard(grace=7200)
    guard.subscribe(told.events.append)
    gate = guard.requires_entitlement("Seats", 1, pass_lease="lease")
    guarded = gate(told.hold)
    told.show(guard, gate, guarded)
    with freeze_time(datetime.now(UTC), real_asyncio=True) as frozen:

        def later(seconds):
            frozen.tick(seconds)
            lm.clock.advance(seconds)

        guarded()
        later(3590)
        guarded()
        lm.wait_for_calls("ExtendLicenseConsumption", done=True)
        later(3590)
        lm.faults.add("ExtendLicenseConsumption", error="ResourceNotFoundException")
        guarded()
        lm.wait_for_calls("CheckoutLicense", 2, done=True)
        later(3601)
        with unreachable():
            guarded()
            told.show(guard.decide("Seats", 1), asyncio.run(guard.adecide("Nope")))
            later(7200)
            told.raised(_unavailable(guarded))
        guarded()
        told.show(guard.leases(), guard.decide("Seats", 1), guard.decide("Export"))
        lm.faults.add("CheckInLicense", error="AccessDeniedException", times=None)
        with guard.requires_entitlement("Jobs", 1, hold="call") as lease:
            told.hold(lease)
        guard.close()
        told.show(guard)
    seen = {type(event) for event in told.events}
    assert seen >= {
        kinds.LeaseCheckedOut,
        kinds.LeaseRenewed,
        kinds.LeaseLost,
        kinds.ServiceUnavailable,
        kinds.GraceEntered,
        kinds.GraceEnded,
        kinds.CheckInFailed,
    }


def _unavailable(call):
    with pytest.raises(EntitlementUnavailable) as caught:
        call()
    return caught.value


def test_every_way_to_be_refused(lm, new_guard, told, licence):
    guard = new_guard(timeout=0.05)
    guard.subscribe(told.events.append)
    secrets = f"{licence.arn} {licence.key_fingerprint} token"
    for code in ERRORS:
        lm.faults.add("CheckoutLicense", error=code, message=secrets, times=None)
        fails(told, guard.requires_entitlement("Seats", 1, hold="call")(lambda: "never"))
        lm.faults.clear()
    for fault in ({"partial": ["Jobs"]}, {"lifetime": -5}, {"strip": "LicenseConsumptionToken"}, {"body": "garbled"}):
        lm.faults.add("CheckoutLicense", times=None, **fault)
        fails(told, guard.requires_entitlement("Jobs", 1, hold="call")(lambda: "never"))
        lm.faults.clear()
    with new_guard().requires_entitlement("Seats", 1) as lease:
        told.hold(lease)
    fails(told, new_guard().requires_entitlement("Nope")(lambda: "never"))


def test_no_password_of_an_url_is_shown():
    with pytest.raises(ConfigurationError, match=r"^store must be .*; got tape://\.\.\.$"):
        MeterGuard(store="tape://user:hunter2@host:6379/0")
    with pytest.raises(ConfigurationError, match=r"got mysql://\.\.\.$"):
        MeterGuard(ledger="mysql://user:hunter2@host:6379/0")


def test_a_denial_says_what_helps_without_the_services_words(lm, guard):
    lm.faults.add("CheckoutLicense", error="AccessDeniedException", message="arn:aws:iam::999988887777:user/jane")
    with pytest.raises(EntitlementDenied) as caught:
        guard.requires_entitlement("Seats", 1)(lambda: "never")()
    assert "license-manager:CheckoutLicense" in str(caught.value)
    assert "jane" not in repr(caught.value)
    assert caught.value.code == "AccessDeniedException"
    assert caught.value.request_id


# -- draws and meters ----------------------------------------------------------------------------------


def test_a_life_of_draws(lm, new_guard, unreachable, told):
    """Drawn, settled, sent again after a lost answer, used up, denied, unknown, and what all of them say."""
    guard = new_guard(timeout=5)
    guard.subscribe(told.events.append)
    draw = guard.consumes_entitlement("Pages", 10, pass_charge="charge", subject="anna")
    meter = guard.meters_usage("Requests", subject="anna")
    both = guard.consumes_entitlement("Pages", 1) & guard.consumes_entitlement("Tokens", 1)
    guarded = meter(draw(lambda charge: told.show(charge)))
    told.show(guard, draw, meter, both, draw | draw, guarded)
    guarded()
    lm.faults.add("CheckoutLicense", drop="after", times=1)
    with draw as charge, both as charges, meter as usage:
        told.show(charge, charges, usage, draw.enter())
        told.raised(_mistaken(lambda: charge.settle(-1)))
        charge.settle(30)
        told.raised(_mistaken(lambda: charge.settle(3)))
        told.raised(_mistaken(lambda: charges.settle(3)))
        told.show(charge, charges, usage)
    fails(told, guard.consumes_entitlement("Pages", 101)(lambda: "never"))
    fails(told, guard.consumes_entitlement("Nope", 1).check)
    lm.faults.add("CheckoutLicense", error="AccessDeniedException", times=1)
    fails(told, guard.consumes_entitlement("Tokens", 50).enter)
    with unreachable():
        fails(told, guard.consumes_entitlement("Jobs", 1)(lambda: "never"))
    told.show(guard.ledger, guard.ledger.summary(), guard.ledger.records(by=("entitlement", "subject")))
    guard.close()
    fails(told, guarded)
    tokens = {one.parameters["ClientToken"] for one in lm.requests if one.operation == "CheckoutLicense"}
    assert len(tokens) > 3
    told.secrets |= tokens
    assert {kinds.UnitsDrawn, kinds.UnitsCharged, kinds.EntitlementRefused} <= {type(event) for event in told.events}


def _mistaken(call):
    with pytest.raises(ConfigurationError) as caught:
        call()
    return caught.value
