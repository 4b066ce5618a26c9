"""Every public entry point names the argument that is wrong, where it is given."""

from __future__ import annotations

import asyncio

import pytest

import meterguard
from meterguard import ConfigurationError, MeterGuard, requires_entitlement

gate = requires_entitlement("Seats", 1)


def run(call):
    made = call()
    if asyncio.iscoroutine(made):
        asyncio.run(made)


NO_GUARDS = [gate, 1, 0, "", "ACME-1", MeterGuard, object(), [], False]
ASKED = {
    "requires_entitlement": lambda guard: requires_entitlement("Seats", 1, guard=guard),
    "has_entitlement": lambda guard: meterguard.has_entitlement("Seats", 1, guard=guard),
    "ahas_entitlement": lambda guard: meterguard.ahas_entitlement("Seats", 1, guard=guard),
    "decide": lambda guard: meterguard.decide("Seats", 1, guard=guard),
    "adecide": lambda guard: meterguard.adecide("Seats", 1, guard=guard),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("guard", NO_GUARDS, ids=lambda guard: repr(guard)[:20])
def test_a_guard_is_a_guard(ask, guard):
    with pytest.raises(ConfigurationError, match=r"^guard must be a MeterGuard; got "):
        run(lambda: ask(guard))


QUESTIONS = {
    "has_entitlement": lambda one: one.has_entitlement,
    "ahas_entitlement": lambda one: one.ahas_entitlement,
    "decide": lambda one: one.decide,
    "adecide": lambda one: one.adecide,
    "requires_entitlement": lambda one: one.requires_entitlement,
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("",), "name"),
        ((None,), "name"),
        ((7,), "name"),
        (("Seats", 0), "value"),
        (("Seats", True), "value"),
        (("Seats", [1]), "value"),
        (("Seats", 1, "Seats"), "unit"),
        (("Seats", 1, 7), "unit"),
        (("Seats", None, "Count"), "value"),
    ],
    ids=str,
)
def test_questions_name_what_is_wrong_with_them(guard, lm, question, arguments, named):
    for one in guard, meterguard:
        with pytest.raises(ConfigurationError, match=rf"\b{named}\b"):
            run(lambda one=one: question(one)(*arguments))
    assert list(lm.requests) == []


@pytest.mark.parametrize("callback", [None, 1, "print", []], ids=repr)
def test_a_subscriber_can_be_called(guard, callback):
    with pytest.raises(ConfigurationError, match=r"^callback must be callable with an event; got "):
        guard.subscribe(callback)


@pytest.mark.parametrize("make", [MeterGuard, meterguard.configure])
@pytest.mark.parametrize(
    ("name", "value"),
    [("client", 1), ("client", "license-manager"), ("session", 1), ("session", {}), ("session", "profile")],
    ids=str,
)
def test_what_is_no_client_is_told_at_once(make, name, value):
    with pytest.raises(ConfigurationError, match=rf"^{name} must "):
        make(**{name: value})


def test_a_default_guard_is_not_replaced_by_a_mistake():
    before = meterguard.configure("ACME-1", "fingerprint")
    with pytest.raises(ConfigurationError, match=r"^timeout must "):
        meterguard.configure(timeout=-1)
    assert meterguard.get_guard() is before
    assert not before.is_closed
