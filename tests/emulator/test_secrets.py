"""No repr, error text or frame of the emulator shows a token, a fingerprint or an ARN."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection, Mapping
from dataclasses import is_dataclass

import boto3
import pytest

from meterguard.emulator import Behavior, Emulator, EmulatorBug, Seed

OURS = re.compile(r"[/\\]meterguard[/\\]emulator[/\\]")
SECRET = re.compile(r"arn:|issuer-fingerprint|eyJ[\w-]{20}")


@pytest.fixture
def world(lm, connect):
    """An emulator with every kind of record, and the tokens that must not be shown."""
    me, seller = lm.account_id, connect("444455556666")
    licence = lm.add_license("A", [("Seats", 9, "Count"), ("Export", "on", "None")], borrow_ttl=600)
    client = connect()
    asked = {"ProductSKU": "A", "KeyFingerprint": licence.key_fingerprint, "ClientToken": "one"}
    seats = [{"Name": "Seats", "Value": "1", "Unit": "Count"}]
    held = client.checkout_license(**asked, CheckoutType="PROVISIONAL", Entitlements=seats)
    borrowed = client.checkout_borrow_license(
        LicenseArn=licence.arn, Entitlements=seats, DigitalSignatureMethod="JWT_PS384", ClientToken="two"
    )
    made = seller.create_token(LicenseArn=licence.arn, RoleArns=[f"arn:aws:iam::{me}:role/r"], ClientToken="three")
    client.get_access_token(Token=made["Token"])
    seller.tag_resource(ResourceArn=licence.arn, Tags=[{"Key": "a", "Value": licence.arn}])
    seller.create_grant(
        ClientToken="four",
        GrantName="g",
        LicenseArn=licence.arn,
        Principals=["arn:aws:iam::222222222222:root"],
        HomeRegion=lm.region,
        AllowedOperations=["CheckoutLicense"],
    )
    client.extend_license_consumption(LicenseConsumptionToken=held["LicenseConsumptionToken"])
    with pytest.raises(client.exceptions.ClientError):
        client.get_license(LicenseArn=licence.arn + "0")
    tokens = [held["LicenseConsumptionToken"], borrowed["LicenseConsumptionToken"], made["Token"]]
    return lm, licence, [*tokens, borrowed["SignedToken"]]


def require_silent(text, tokens=()):
    assert not SECRET.search(text), text
    assert [token for token in tokens if token in text] == []


def records(thing, seen, depth=0):
    """Every record that can be reached from an emulator."""
    if id(thing) in seen or depth > 12 or isinstance(thing, (str, bytes, type)) or callable(thing):
        return
    seen[id(thing)] = thing
    if is_dataclass(thing):
        yield thing
    parts = []
    if isinstance(thing, Mapping):
        parts = [*thing.keys(), *thing.values()]
    elif isinstance(thing, Collection):
        parts = list(thing)
    elif type(thing).__module__.startswith("meterguard."):
        names = [*getattr(thing, "__slots__", ()), *getattr(thing, "__dict__", ())]
        parts = [getattr(thing, name) for name in names if hasattr(thing, name)]
    for part in parts:
        yield from records(part, seen, depth + 1)


def test_every_record_is_silent(world):
    lm, licence, tokens = world
    found = list(records(lm, {}))
    kinds = {type(one).__name__ for one in found}
    assert kinds >= {"License", "Entitlement", "Checkout", "Item", "Grant", "RefreshToken", "Remembered", "Request"}
    for one in [*found, lm, lm.clock, lm.faults.add("*", times=1), licence, Behavior()]:
        require_silent(repr(one), tokens)


def test_public_answers_are_silent(world):
    lm, _, tokens = world
    for answer in (lm.checkouts(), lm.requests, lm.licenses(), lm.usage("A"), lm.faults):
        require_silent(repr(answer), tokens)
    assert "'Seats'" in repr(lm.checkouts()), "what helps is still there"
    assert "CheckoutLicense" in repr(lm.requests)


def test_a_seed_is_silent():
    licences = [{"product_sku": "A", "entitlements": [["S", 1, "Count"]], "sign_key": "arn:aws:kms:x"}]
    seed = Seed(licenses=licences, organizations={"arn:aws:organizations::1:organization/o-1": ["1"]})
    require_silent(repr(seed))
    assert repr(seed) == "<Seed with 1 licenses, 0 products and 0 faults>"


def frames(error):
    """What an error page shows: the local variables of our own frames, of an error and of those behind it."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if OURS.search(frame.f_code.co_filename):
                yield from ((frame.f_code.co_name, name, repr(value)) for name, value in frame.f_locals.items())
        error = error.__cause__ or error.__context__


def require_silent_frames(error, tokens=()):
    shown = list(frames(error))
    assert shown, "frames of ours are looked at"
    for where in shown:
        require_silent(" ".join(where), tokens)


@pytest.fixture
def attached():
    """``attached(emulator)``: a client that it answers without a socket."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.Session().client("license-manager", region_name="us-east-1", **keys)
    yield lambda emulator: emulator.attach(client) or client
    client.close()


def test_frames_of_a_dropped_request(lm, attached):
    licence, client = lm.add_license("A", [("Seats", 9, "Count")]), attached(lm)
    with lm.faults.active("*", drop="after"):
        with pytest.raises(Exception, match="Connection was closed") as dropped:
            client.check_in_license(LicenseConsumptionToken="a-consumption-token")
        require_silent_frames(dropped.value, ["a-consumption-token"])
        with pytest.raises(Exception, match="Connection was closed") as dropped:
            client.get_license(LicenseArn=licence.arn)
        require_silent_frames(dropped.value)


def test_frames_of_a_bug(attached, monkeypatch):
    lm = Emulator()
    client = attached(lm)
    monkeypatch.setattr(type(lm._state), "extend", lambda *_, **__: 1 / 0)
    with pytest.raises(client.exceptions.ClientError, match="InternalFailure"):
        client.extend_license_consumption(LicenseConsumptionToken="a-consumption-token")
    with pytest.raises(EmulatorBug) as bug, lm:
        pass
    require_silent_frames(bug.value, ["a-consumption-token"])
    assert "ZeroDivisionError" in "".join(traceback.format_exception(bug.value))


def test_errors_of_wrong_calls(world):
    lm, licence, tokens = world
    stranger = Emulator().add_license("A", [("Seats", 9, "Count")])
    arn = stranger.arn
    for call in (
        lambda: lm.usage(stranger),
        lambda: lm.usage(arn),
        lambda: lm.add_license("A", [("Seats", 9, licence.arn)]),
        lambda: lm.update_license(licence, status=licence.arn),
        lambda: lm.update_license(licence, ttl=licence.key_fingerprint),
        lambda: lm.receive(licence, status=licence.arn),
        lambda: lm.faults.add(licence.arn),
        lambda: lm.clock.set(licence.arn),
        lambda: Emulator(organizations={licence.arn: 5}),
        lambda: Behavior(extend_from=licence.arn),
    ):
        with pytest.raises(Exception) as error:  # noqa: PT011 - which one is no matter
            call()
        require_silent(str(error.value), tokens)
