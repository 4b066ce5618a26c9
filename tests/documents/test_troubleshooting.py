"""The page of messages has every message that can be provoked here, and none that cannot."""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import flask
import pytest
import time_machine

import meterguard
from meterguard import Entitlement, requires_entitlement
from meterguard.core import messages
from meterguard.ports import ServiceFault
from meterguard.rows import Row
from meterguard.runtime.execution import lease_in
from meterguard.stores.memory_rows import MemoryRows
from meterguard.stores.redis_server import Facts, check
from meterguard.stores.sqlite_hosts import Host
from meterguard.stores.sqlite_ledger import SqliteLedger
from tests.documents.pages import DOCS

HEADINGS = re.findall(r"^### `(.+)`$", (DOCS / "how-to/troubleshooting.md").read_text("utf-8"), re.MULTILINE)

WANTED = (Entitlement("Export"),)

# What the service is made to do, for a guard that is set up well.
FAULTS = {
    "denied": {"error": "NoEntitlementsAllowedException"},
    "no licence": {"error": "ResourceNotFoundException"},
    "less": {"partial": ["Export"]},
    "iam": {"error": "AccessDeniedException"},
    "expired": {"error": "ExpiredTokenException"},
    "unrecognised": {"error": "UnrecognizedClientException"},
    "signature": {"error": "InvalidSignatureException"},
    "clock": {"error": "RequestTimeTooSkewed", "status": 403},
    "lifetime": {"lifetime": -5},
    "wrong": {"error": "ValidationException"},
}
# These are retried until time is up, and what a caller hears then depends on the moment: so, one attempt.
UNKNOWNS = {
    "broken": {"drop": "before"},
    "silent": {"latency": 2},
    "throttled": {"error": "RateLimitExceededException"},
    "trouble": {"status": 503},
    "empty": {"body": "empty"},
    "redirect": {"error": "RedirectException", "location": "eu-west-1"},
}


def message(act):
    with pytest.raises((meterguard.MeterGuardError, TypeError)) as caught:
        act()
    return str(caught.value)


def attempt(service):
    with pytest.raises(ServiceFault) as caught:
        service.check_out(WANTED, "token")
    return str(messages.failed(WANTED, caught.value))


def enter(gate):
    with gate:
        pass


@pytest.fixture
def asked(lm, make_guard):
    """The messages of calls that reach the service."""
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Export", None, "None")])
    guard = make_guard(lm, licence, timeout=4, denial_ttl=0)
    service = guard.engine.registry.exchange.service
    service.connect()
    told = []
    for name, fault in FAULTS.items():
        gate = guard.requires_entitlement("Export", per=name) & guard.requires_entitlement("Seats", 1, per=name)
        with lm.faults.active("CheckoutLicense", **fault):
            told.append(message(lambda gate=gate: enter(gate)))
    for fault in UNKNOWNS.values():
        with lm.faults.active("CheckoutLicense", **fault):
            told.append(attempt(service))
    lm.stop()
    told.append(attempt(service))
    asleep = SimpleNamespace(checkout_license=lambda **_: time.sleep(0.5))
    slow = make_guard(lm, licence, client=asleep, timeout=0.2)
    return [*told, message(lambda: enter(slow.requires_entitlement("Export")))]


@pytest.fixture
def drawn(lm, make_guard, tmp_path):
    """The messages of draws and ledgers. It comes before ``asked``, which stops the service."""
    licence = lm.add_license("ACME-2", entitlements=[("Pages", 3, "Count")])
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1000)
    guard = make_guard(lm, licence)
    draw = guard.consumes_entitlement("Pages", 2)
    with draw as charge:
        charge.settle(1)
        told = [message(lambda: charge.settle(1))]
    told.append(message(lambda: enter(guard.consumes_entitlement("Pages", 5))))
    told.append(message(lambda: draw & guard.requires_entitlement("Pages", 1)))
    told += [
        message(lambda url=url: enter(make_guard(lm, licence, ledger=url).consumes_entitlement("Pages", 1)))
        for url in (f"sqlite:///{broken}", "redis://127.0.0.1:1")
    ]
    elsewhere = Host("another boot", "another host", lambda: 1e6)
    SqliteLedger(str(tmp_path / "shared.db"), host=elsewhere).post([])
    shared = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/shared.db")
    with pytest.raises(meterguard.ConfigurationError) as forgetful:
        check(Facts("7.0", appendonly=False, policy="noeviction"), "127.0.0.1:6379")
    return [*told, message(lambda: enter(shared.consumes_entitlement("Pages", 1))), str(forgetful.value)]


@pytest.fixture
def stored(lm, make_guard, caplog):
    """The messages of stores of leases. It comes before ``asked``, too."""
    licence, rows = lm.add_license("ACME-3", entitlements=[("Export", None, "None")]), MemoryRows()
    with make_guard(lm, licence, store=rows).requires_entitlement("Export"):
        rows.is_fleet = True
        with caplog.at_level("WARNING", "meterguard"):
            enter(make_guard(lm, licence, store=rows).requires_entitlement("Export"))
    return [caplog.text, message(lambda: lease_in(Row("1", "written with another key"), rows, str))]


@pytest.fixture
def lent(lm, make_guard, tmp_path, monkeypatch):
    """The messages about refresh tokens. It comes before ``asked``, too."""
    licence = lm.add_license("ACME-4", [("Export", None, "None")], issuer_account=lm.account_id, beneficiary="Jo")
    vendor = boto3.client("license-manager", endpoint_url=lm.url)
    role = f"arn:aws:iam::{lm.account_id}:role/consumption"

    def made(name, **options):
        return vendor.create_token(LicenseArn=licence.arn, ClientToken=name, **options)["Token"]

    def tell(token, **options):
        guard = make_guard(lm, licence, beneficiary="Jo", refresh_token=token, denial_ttl=0, **options)
        return message(lambda: enter(guard.requires_entitlement("Export")))

    good, without = made("good", RoleArns=[role]), made("without")
    told = [
        tell(without),
        tell(tmp_path / "nothing"),
        message(lambda: make_guard(lm, licence, refresh_token=good, session=boto3.Session())),
    ]
    for variable, value in (("AWS_ROLE_ARN", "consumption"), ("AWS_ROLE_SESSION_NAME", "a b")):
        with monkeypatch.context() as set_wrongly:
            set_wrongly.setenv(variable, value)
            told.append(tell(without if variable == "AWS_ROLE_ARN" else good))
    for operation, error in (
        ("GetAccessToken", "AuthorizationException"),
        ("AssumeRoleWithWebIdentity", "AccessDenied"),
        ("AssumeRoleWithWebIdentity", "InvalidIdentityToken"),
        ("AssumeRoleWithWebIdentity", "IDPCommunicationError"),
    ):
        with lm.faults.active(operation, error=error):
            told.append(tell(good, timeout=1))
    with (
        lm.faults.active("GetAccessToken", error="AuthorizationException"),
        time_machine.travel(datetime.now(UTC) + timedelta(days=400)),
    ):
        told.append(tell(good))
    return told


def unasked(monkeypatch):
    """The messages of declarations and set-ups."""
    session = boto3.Session("any", "any", region_name="us-east-1")
    closed = meterguard.MeterGuard("ACME-1", "issuer")
    closed.close()
    app = flask.Flask(__name__)
    no_region = SimpleNamespace(client=session.client, region_name=None)
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    yield message(lambda: enter(meterguard.MeterGuard().requires_entitlement("Export")))
    placeless = meterguard.MeterGuard("ACME-1", "issuer", session=no_region)
    yield message(lambda: enter(placeless.requires_entitlement("Export")))
    yield message(lambda: enter(closed.requires_entitlement("Export")))
    yield message(lambda: meterguard.MeterGuard(store="mysql://host"))
    yield message(lambda: requires_entitlement("Seats", 0))
    yield message(lambda: requires_entitlement("Seats", 1, "Piece"))
    yield message(lambda: requires_entitlement("Seats", None, "Count"))
    yield message(lambda: requires_entitlement("Seats", 1, "None"))
    yield message(lambda: requires_entitlement("Seats")(SimpleNamespace))
    yield message(lambda: requires_entitlement("Seats")(app))
    yield message(lambda: enter(requires_entitlement("Seats", default=None)))
    yield message(lambda: enter(requires_entitlement("Seats", per=ContextVar("user"))))
    yield str(meterguard.MissingExtra("the emulator", "emulator"))
    far = meterguard.MeterGuard("ACME-1", "issuer", region_name="us-east-1")
    yield message(lambda: enter(far.requires_entitlement("Export")))
    far.close()
    with monkeypatch.context() as bare:
        bare.delenv("METERGUARD_LOOPBACK_ONLY")
        bare.delenv("AWS_ACCESS_KEY_ID")
        bare.delenv("AWS_SECRET_ACCESS_KEY")
        guard = meterguard.MeterGuard("ACME-1", "issuer", region_name="us-east-1")
        yield message(lambda: enter(guard.requires_entitlement("Export")))
        guard.close()
    monkeypatch.setenv("METERGUARD_GRACE", "30m")
    yield message(lambda: enter(meterguard.MeterGuard("ACME-1", "issuer").requires_entitlement("Export")))


# A host of a Region that does not exist is looked up in the world's DNS, which tests do not ask.
UNPROVOKED = {"boto3 knows of no License Manager in Region"}


def test_the_page_and_the_messages_are_the_same(drawn, stored, lent, asked, monkeypatch):
    told = [*asked, *drawn, *stored, *lent, *unasked(monkeypatch)]
    unlisted = [one for one in told if not any(heading in one for heading in HEADINGS)]
    assert unlisted == []
    unheard = {heading for heading in HEADINGS if not any(heading in one for one in told)}
    assert unheard == UNPROVOKED
