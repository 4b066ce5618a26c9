"""The scenarios of OpenFeature's provider conformance suite, in words of our own, against the emulator."""

from __future__ import annotations

import dataclasses
import json
import queue
import re
import socket
import time
from types import SimpleNamespace

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.provider import ProviderStatus
from pytest_bdd import given, parsers, scenarios, then, when

from meterguard.integrations.openfeature import EntitlementProvider
from tests.conformance.declared import DECLARED, DEVIATIONS, UNDECLARED
from tests.house.source import ROOT

EVENTS = {
    "ready": ProviderEvent.PROVIDER_READY,
    "error": ProviderEvent.PROVIDER_ERROR,
    "stale": ProviderEvent.PROVIDER_STALE,
    "change": ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
}
LARGE, HUGE = 2**31 - 1, 2**53 - 1
LICENCE = [
    *[("boolean-flag", None, "None"), ("string-flag", "hi", "None"), ("wrong-flag", "uno", "None")],
    *[("changing-flag", "foo", "None"), ("integer-flag", 10, "Count")],
    *[("large-integer-flag", LARGE, "Count"), ("huge-integer-flag", HUGE, "Count")],
]
FLAGS = {
    **{name: (name,) for name, _, unit in LICENCE if unit == "None"},
    **{name: (name, units, unit) for name, units, unit in LICENCE if unit == "Count"},
    # declared by the application, and not in the licence
    "boolean-zero-flag": ("boolean-zero-flag",),
    "string-zero-flag": ("string-zero-flag",),
    "integer-zero-flag": ("integer-zero-flag", 1, "Count"),
}
VALUES = {
    "Boolean": lambda text: text == "true",
    "Integer": int,
    "Float": float,
    "String": str,
    "Object": json.loads,
}
TYPES = {"String": str, "Integer": int, "Boolean": bool, "Float": float}

scenarios("features")


@pytest.fixture
def told():
    """What handlers were told, by the word for their event."""
    yield {}
    api.shutdown()


@pytest.fixture
def now(told):
    """What a scenario is about."""
    return SimpleNamespace(context=None, got=None, took=0.0)


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=LICENCE)


# -- given -------------------------------------------------------------------------------------------


@given("a stable provider")
def stable_provider(lm, licence, make_guard, now):
    now.guard = make_guard(lm, licence, timeout=6, grace=7200, denial_ttl=0)
    now.provider = EntitlementProvider(now.guard, FLAGS)
    api.set_provider_and_wait(now.provider)
    now.client = api.get_client()


@pytest.fixture
def port_of_nobody():
    """A port that refuses connections. It stays taken, or an emulator of another test might be given it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@given("a unavailable provider")
def unavailable_provider(lm, licence, make_guard, now, port_of_nobody):
    url = f"http://127.0.0.1:{port_of_nobody}"
    now.provider = EntitlementProvider(make_guard(lm, licence, timeout=2, endpoint_url=url), FLAGS)
    api.set_provider(now.provider)
    now.client = api.get_client()


@given(parsers.re(r'a (?P<kind>\w+)-flag with key "(?P<key>.*)" and a default value "(?P<default>.*)"'))
def flag(now, kind, key, default):
    now.kind, now.key, now.default = kind, key, VALUES[kind](default)


@given(parsers.parse('a context containing a targeting key with value "{value}"'))
def context(now, value):
    now.context = EvaluationContext(value)


@given(parsers.parse("a {word} event handler"))
def handler(told, word):
    told[word] = queue.Queue()
    api.add_handler(EVENTS[word], told[word].put)


# -- when --------------------------------------------------------------------------------------------


@when("the flag was evaluated with details")
def evaluate(now):
    now.got = getattr(now.client, f"get_{now.kind.lower()}_details")(now.key, now.default, now.context)


@when("the resolved value is remembered")
def remember(now):
    now.remembered = now.got.value


@when("the flag was modified")
def modify(lm, licence, now):
    changed = [(name, "bar" if name == now.key else value, unit) for name, value, unit in LICENCE]
    lm.update_license(licence, entitlements=changed)


@when("the lease has ended")
def end_lease(meterguard_clock):
    meterguard_clock.shift(3601)


@when(parsers.parse("a {word} event was fired"))
def event_was_fired(told, word):
    told[word].get(timeout=10)


@when("the connection is lost")
def lose(lm, now, meterguard_clock):
    exchange = now.guard.engine.registry.exchange
    exchange.policy = dataclasses.replace(exchange.policy, timeout=1)  # what is in vain from here on ends sooner
    lm.down(drop="before")
    meterguard_clock.shift(0.86 * 3600)  # until leases are due; a use is what they are renewed for
    now.client.get_boolean_value("boolean-flag", False)


@when("the connection is restored")
def restore(lm):
    lm.up()


@when("the provider was shut down")
def shut_down(now):
    began = time.monotonic()
    now.provider.shutdown()
    now.took = time.monotonic() - began


@when("the provider was initialized again")
def initialize_again(now):
    now.provider.initialize(EvaluationContext())


# -- then --------------------------------------------------------------------------------------------


@then(parsers.re(r'the resolved details value should be "(?P<value>.*)"'))
def value_is(now, value):
    expected = VALUES[now.kind](value)
    assert (now.got.value, type(now.got.value)) == (expected, type(expected))


@then("the resolved details value should have changed")
def value_changed(now):
    assert now.got.value != now.remembered


@then(parsers.re(r'the (?P<field>reason|variant|error-code) should be "(?P<value>.*)"'))
def field_is(now, field, value):
    assert (getattr(now.got, field.replace("-", "_")) or "") == value


@then("the error message should be empty")
def no_message(now):
    assert not now.got.error_message


@then("no exception should have been thrown")
def nothing_thrown():
    """It would have ended the scenario."""


@then(parsers.re(r"the (?P<word>\w+) event handler should have been executed( within (?P<limit>\d+)ms)?"))
def handler_ran(told, now, word, limit):
    now.event = told[word].get(timeout=int(limit or 10_000) / 1000)


@then("the flag should be part of the event payload")
def in_payload(now):
    assert now.event.flags_changed == [now.key]


@then(parsers.parse("the client should be in {state} state"))
def state_is(now, state):
    assert now.client.get_provider_status() is ProviderStatus[state.upper()]


@then("the provider metadata name should not be empty")
def has_name(now):
    assert api.get_provider_metadata().name == "meterguard"


@then("the resolved metadata should contain")
def metadata_contains(now, datatable):
    expected = {key: TYPES[kind] for key, kind in datatable[1:]}
    assert {key: type(value) for key, value in now.got.flag_metadata.items()} == expected


@then("the resolved metadata is empty")
def no_metadata(now):
    assert now.got.flag_metadata == {}


@then(parsers.parse("it should have taken less than {limit:d}ms"))
def took_less(now, limit):
    assert now.took < limit / 1000


# -- the report --------------------------------------------------------------------------------------


def test_each_tag_is_declared_or_has_a_reason():
    files = (ROOT / "tests/conformance/features").glob("*.feature")
    used = {tag for file in files for tag in re.findall(r"@([\w-]+)", file.read_text("utf-8"))}
    assert used == {*DECLARED, *UNDECLARED, *DEVIATIONS}


def test_the_documentation_shows_the_same():
    page = (ROOT / "docs/frameworks/openfeature.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (yes|not declared|deviates) \| (.*?) ?\|$", page, re.MULTILINE)
    expected = {(tag, "yes") for tag in DECLARED}
    expected |= {(tag, "not declared", reason) for tag, reason in UNDECLARED.items()}
    expected |= {(tag, "deviates", reason) for tag, reason in DEVIATIONS.items()}
    assert {row[:2] if row[1] == "yes" else row for row in rows} == expected
