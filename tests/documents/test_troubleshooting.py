"""The page of messages has every message that can be provoked here, and none that cannot."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import flask
import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import meterguard
from meterguard import Entitlement, requires_entitlement
from meterguard.core import messages
from meterguard.emulator import Behavior, Emulator
from meterguard.ports import ServiceFault
from meterguard.rows import Row
from meterguard.runtime import clock
from meterguard.runtime.execution import is_of_lease, lease_in
from meterguard.stores.memory_rows import MemoryRows
from meterguard.stores.redis_server import Facts, check
from meterguard.stores.sqlite_hosts import Host
from meterguard.stores.sqlite_ledger import SqliteLedger
from meterguard.stores.sqlite_rows import SqliteRows
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
            told.append(tell(good, timeout=1 if error == "IDPCommunicationError" else 15))
    with (
        lm.faults.active("GetAccessToken", error="AuthorizationException"),
        time_machine.travel(datetime.now(UTC) + timedelta(days=400)),
    ):
        told.append(tell(good))
    return told


@pytest.fixture
def signed(make_guard, tmp_path):
    """The messages about signatures, of an issuer who signs."""
    with Emulator(behavior=Behavior(sign_checkouts=True)) as issuer:
        licence = issuer.add_license("ACME-5", [("Seats", 9, "Count"), ("Pages", 9, "Count")], ttl=3600)

        def make(**options):
            return make_guard(issuer, licence, **{"trusted_keys": licence.public_key_pem, "denial_ttl": 0} | options)

        def tell(gate, **fault):
            with issuer.faults.active("CheckoutLicense", **fault):
                return message(lambda: enter(gate))

        guard, strict = make(), make(verify_signature="required")
        gate = guard.requires_entitlement("Seats", 1)
        forged = ({"tamper": "key"}, {"tamper": "none"}, {"claims": {"nodeId": "another"}})
        told = [tell(gate, **fault) for fault in forged]
        told.append(tell(strict.requires_entitlement("Seats", 1), strip=["SignedToken"]))
        told.append(tell(guard.consumes_entitlement("Pages", 1), tamper="key"))
        with moved(360):
            told.append(message(lambda: enter(strict.requires_entitlement("Seats", 1))))
        store = f"sqlite:///{tmp_path}/leases.db"
        first, second = (make(store=store, verify_signature="required") for _ in range(2))
        with first.requires_entitlement("Seats", 1), closing(SqliteRows(str(tmp_path / "leases.db"))) as rows:
            ((place, row),) = [(place, row) for place, row in rows.rows("") if is_of_lease(place)]
            longer = json.loads(row.body)
            longer["lease"]["lifetime"] = 10 * 86_400
            rows.replace(place, row.version, Row("changed", json.dumps(longer)), 3600)
            told.append(message(lambda: enter(second.requires_entitlement("Seats", 1))))
        return told


@contextmanager
def moved(seconds):
    clock.move(seconds)
    try:
        yield
    finally:
        clock.move(-seconds)


@pytest.fixture
def borrowed(lm, make_guard, tmp_path):
    """The messages of borrowed licences. It comes before ``asked``, too."""
    terms = {"ttl": 3600, "borrow_ttl": 86_400, "borrow_early_check_in": False}
    licence = lm.add_license("ACME-6", [("Seats", 9, "Count")], **terms)
    file, seen = tmp_path / "licence.jwt", tmp_path / "licence.jwt.seen"

    def make(**options):
        defaults = {"trusted_keys": licence.public_key_pem, "borrowed": file, "denial_ttl": 0}
        return make_guard(lm, licence, **defaults | options)

    def tell(**options):
        return message(lambda: enter(make(**options).requires_entitlement("Seats", 1)))

    told = [message(make().return_borrowed), message(lambda: make().borrow("Seats", 10))]
    told.append(message(lambda: make(product_sku="ACME-7").borrow("Seats", 1)))
    (tmp_path / "file").touch()
    told.append(message(lambda: make().borrow("Seats", 1, path=tmp_path / "file" / "licence.jwt")))
    told.append(message(lambda: make(trusted_keys=None, borrowed=None).borrow("Seats", 1)))
    make().borrow("Seats", 1)
    told += [message(make().return_borrowed), tell(node_id="another"), tell(product_sku="ACME-7")]
    with moved(-3600):
        told.append(tell())
    seen.write_text("soon\n")
    told.append(tell())
    seen.unlink()
    file.write_text("something else\n")
    told += [tell(), message(make().return_borrowed)]
    file.unlink()
    file.mkdir()
    return [*told, tell()]


@pytest.fixture
def keyed(lm, make_guard, tmp_path):
    """The messages of keys that are none. It comes before ``asked``, too."""
    licence = lm.add_license("ACME-8", [("Export", None, "None")])
    told = [
        message(lambda options=options: meterguard.MeterGuard(**options))
        for options in ({"borrowed": True}, {"verify_signature": "required"}, {"trusted_keys": "issuer.pem"})
    ]
    private = rsa.generate_private_key(65_537, 1024)
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    short = private.public_key().public_bytes(forms[0], serialization.PublicFormat.SubjectPublicKeyInfo)
    for wrong in (b"no key", private.private_bytes(*forms), short, tmp_path / "nothing.pem"):
        guard = make_guard(lm, licence, trusted_keys=wrong)
        told.append(message(lambda guard=guard: enter(guard.requires_entitlement("Export"))))
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


def test_the_page_and_the_messages_are_the_same(drawn, stored, lent, signed, borrowed, keyed, asked, monkeypatch):
    told = [*asked, *drawn, *stored, *lent, *signed, *borrowed, *keyed, *unasked(monkeypatch)]
    unlisted = [one for one in told if not any(heading in one for heading in HEADINGS)]
    assert unlisted == []
    unheard = {heading for heading in HEADINGS if not any(heading in one for one in told)}
    assert unheard == UNPROVOKED
