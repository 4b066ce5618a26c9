"""What is still missing at first use is told then: by the argument's name and the variable's."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import meterguard
from meterguard import ConfigurationError, MeterGuard, requires_entitlement

SKU = "product_sku is missing: pass product_sku= to MeterGuard or configure(), or set METERGUARD_PRODUCT_SKU"
FINGERPRINT = (
    "key_fingerprint is missing: pass key_fingerprint= to MeterGuard or configure(), or set METERGUARD_KEY_FINGERPRINT"
)
gate = requires_entitlement("Seats", 1)


@gate
def plain():
    return "ran"


@gate
async def coroutine():
    return "ran"


@gate
def generator():
    yield "ran"


async def block():
    async with gate:
        return "ran"


CALLS = {
    "a function": plain,
    "a coroutine": lambda: asyncio.run(coroutine()),
    "a generator": lambda: list(generator()),
    "a block": gate.__enter__,
    "an async block": lambda: asyncio.run(block()),
    "has_entitlement": lambda: meterguard.has_entitlement("Seats", 1),
    "ahas_entitlement": lambda: asyncio.run(meterguard.ahas_entitlement("Seats", 1)),
    "decide": lambda: meterguard.get_guard().decide("Seats", 1),
    "prewarm": lambda: meterguard.get_guard().prewarm(),
}


def said_by(call):
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nothing_configured(call, monkeypatch):
    assert said_by(call) == SKU
    assert said_by(call) == SKU, "also the second time"
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", "ACME-1")
    assert said_by(call) == FINGERPRINT


def test_a_guard_without_a_fingerprint():
    with MeterGuard("ACME-1") as guard:
        assert said_by(lambda: guard.decide("Seats", 1)) == FINGERPRINT


def test_what_was_missing_may_be_set_later(lm, licence, monkeypatch):
    """Nothing of the failure is remembered."""
    assert said_by(plain) == SKU
    monkeypatch.setenv("METERGUARD_PRODUCT_SKU", licence.product_sku)
    monkeypatch.setenv("METERGUARD_KEY_FINGERPRINT", licence.key_fingerprint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LICENSE_MANAGER", lm.url)
    assert plain() == "ran"


def test_a_wrong_variable_is_named_at_first_use(monkeypatch):
    monkeypatch.setenv("METERGUARD_ON_UNKNOWN", "shrug")
    said = "METERGUARD_ON_UNKNOWN: on_unknown must be 'grace', 'deny' or 'allow'; got 'shrug'"
    assert said_by(MeterGuard("ACME-1", "fingerprint").prewarm) == said


CLOSED = "this guard is closed; call meterguard.configure() or make a new MeterGuard"


def test_a_closed_guard(lm, guard):
    gate = guard.requires_entitlement("Seats", 1)
    guarded = gate(lambda: "ran")
    assert guarded() == "ran"
    guard.close()
    for call in guarded, gate.__enter__, lambda: guard.decide("Seats", 1):
        assert said_by(call) == CLOSED


def test_a_guard_that_was_closed_before_its_first_use():
    guard = MeterGuard("ACME-1", "fingerprint")
    guard.close()
    assert said_by(lambda: guard.decide("Seats", 1)) == CLOSED


def test_configure_shows_the_arguments_of_a_guard():
    assert inspect.signature(meterguard.configure) == inspect.signature(meterguard.MeterGuard)


def test_gates_follow_the_default_guard(lm, client):
    """Declared before there is one, they ask the one there is; the one it replaces is closed."""
    licences = [lm.add_license(f"FOLLOW-{number}", [("Seats", 1, "Count")]) for number in range(2)]
    guarded = requires_entitlement("Seats", 1)(lambda: [lm.usage(licence)["Seats"] for licence in licences])
    guards = []
    for licence, expected in zip(licences, ([1, 0], [0, 1]), strict=True):
        guards.append(meterguard.configure(licence.product_sku, licence.key_fingerprint, client=client))
        assert meterguard.get_guard() is guards[-1]
        assert [guarded(), guarded()] == [expected] * 2
    assert said_by(lambda: guards[0].decide("Seats", 1)) == CLOSED
