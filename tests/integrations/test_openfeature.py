"""Flags that follow a licence: what they say, what they cost the service, and that they keep nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.request
from datetime import timedelta

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails

import meterguard
from meterguard import ConfigurationError, Entitlement, Unit
from meterguard.emulator import Behavior, Emulator
from meterguard.integrations.openfeature import EntitlementProvider
from meterguard.integrations.openfeature import provider as integration
from meterguard.open_guard import OpenGuard
from meterguard.testing import Control
from tests.laws.test_fork import in_child

CHECK_OUT, CHECK_IN = "CheckoutLicense", "CheckInLicense"
FIFTY = tuple(f"f{number}" for number in range(50))
FLAGS = {"export": ("Export",), "seats": ("Seats", 2, "Count"), "tier": ("Tier",), "teleport": ("Teleport",)}


@pytest.fixture(autouse=True)
def nobody_else():
    """OpenFeature keeps its provider for the process."""
    yield
    api.shutdown()


@pytest.fixture
def licence(lm):
    entitlements = [("Seats", 3, "Count"), ("Export", None, "None"), ("Tier", "gold", "None")]
    return lm.add_license("ACME-1", entitlements=entitlements, ttl=3600)


def provide(provider):
    """A client of this provider, which is ready."""
    api.set_provider_and_wait(provider)
    return api.get_client()


@pytest.fixture
def client(guard):
    return provide(EntitlementProvider(guard, FLAGS))


@pytest.fixture
def heard():
    """``heard(event)``: a queue of what handlers of that event are told."""

    def listen(event):
        told = queue.Queue()
        api.add_handler(event, told.put)
        return told

    return listen


def asked(lm, since=0):
    return [request.operation for request in lm.requests[since:]]


def licence_of(lm, names, **terms):
    return lm.add_license("ACME-50", entitlements=[(name, None, "None") for name in names], **terms)


def flags_of(names):
    return {f"is-{name}": (name,) for name in names}


# -- one checkout for all of a licence's features ----------------------------------------------------


def test_ten_thousand_evaluations_of_fifty_features_are_one_checkout(lm, make_guard):
    guard = make_guard(lm, licence_of(lm, FIFTY))
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    for turn in range(10_000):
        assert client.get_boolean_value(f"is-{FIFTY[turn % 50]}", False)
    assert asked(lm) == [CHECK_OUT]
    assert len(lm.requests[0].parameters["Entitlements"]) == 50


@pytest.mark.parametrize("missing", [1, 7, 25])
def test_features_that_the_licence_lacks_cost_two_more(lm, make_guard, missing):
    guard = make_guard(lm, licence_of(lm, FIFTY[missing:]), denial_ttl=3600)
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    for turn in range(1000):
        name = FIFTY[turn % 50]
        assert client.get_boolean_value(f"is-{name}", False) is (name in FIFTY[missing:])
    assert asked(lm) == [CHECK_OUT, CHECK_IN, CHECK_OUT, CHECK_OUT], "all; the ones it has; the others"


def test_a_licence_with_none_of_them(lm, make_guard):
    guard = make_guard(lm, licence_of(lm, ["Other"]), denial_ttl=3600)
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    for _ in range(20):
        assert [client.get_boolean_value(f"is-{name}", True) for name in FIFTY] == [False] * 50
    assert len(asked(lm)) <= 2 * 50 - 1, "a refused set is halved, and each refusal is remembered"


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_service_that_refuses_a_whole_set_for_one(make_guard, missing):
    with Emulator(behavior=Behavior(partial_results=False)) as lm:
        guard = make_guard(lm, licence_of(lm, FIFTY[missing:]), denial_ttl=3600)
        client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
        for _ in range(20):
            expected = [name in FIFTY[missing:] for name in FIFTY]
            assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == expected
        assert set(asked(lm)) == {CHECK_OUT}
        assert len(asked(lm)) <= 1 + 2 * missing * math.ceil(math.log2(50))
        guard.close()


@pytest.mark.parametrize("missing", [0, 1])
def test_threads_and_loops_at_once_cost_the_same(lm, make_guard, missing):
    guard = make_guard(lm, licence_of(lm, FIFTY[missing:]), denial_ttl=3600)
    provider = EntitlementProvider(guard, flags_of(FIFTY))
    at_once = threading.Barrier(16)
    answers = []

    def on_a_thread():
        at_once.wait()
        answers.extend([client.get_boolean_value(f"is-{name}", False) for name in FIFTY] for _ in range(2))

    async def look():
        return [await client.get_boolean_value_async(f"is-{name}", False) for name in FIFTY]

    async def on_a_loop():
        at_once.wait()
        answers.extend(await asyncio.gather(*(look() for _ in range(8))))
        answers.append(await look())

    client = provide(provider)
    # what initialising learnt is forgotten, so that they all begin with nothing
    guard._engine.registry.forget()
    guard._engine = None
    provider.shutdown()
    before = len(lm.requests)
    provider._status = ProviderStatus.READY
    threads = [threading.Thread(target=on_a_thread) for _ in range(8)]
    threads += [threading.Thread(target=lambda: asyncio.run(on_a_loop())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[name in FIFTY[missing:] for name in FIFTY]] * (8 * 2 + 8 * 9)
    assert asked(lm, before).count(CHECK_OUT) == (3 if missing else 1)


def test_a_lease_in_use_is_renewed_and_evaluation_does_not_wait_for_it(lm, make_guard, meterguard_clock):
    guard = make_guard(lm, licence_of(lm, FIFTY, ttl=3600))
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    for _ in range(6):
        meterguard_clock.shift(timedelta(minutes=29))
        assert client.get_boolean_details("is-f1", False).reason == "CACHED"
        for future in guard.engine.registry.in_air():
            future.result(10)
    assert set(asked(lm)) == {CHECK_OUT, "ExtendLicenseConsumption"}
    assert asked(lm).count(CHECK_OUT) == 1


def test_without_flags_each_key_is_a_feature_and_asked_for_by_itself(lm, guard):
    client = provide(EntitlementProvider(guard))
    assert asked(lm) == []
    for _ in range(100):
        assert client.get_boolean_value("Export", False) is True
        assert client.get_string_value("Tier", "none") == "gold"
    assert asked(lm) == [CHECK_OUT, CHECK_OUT]
    assert client.get_boolean_value("Teleport", True) is False
    assert client.get_boolean_value("Seats", True) is False, "it is no feature of this licence"
    assert client.get_boolean_details(" ", True).error_code is ErrorCode.FLAG_NOT_FOUND


def test_the_three_iam_actions_of_a_gate_are_enough(make_guard):
    actions = ["CheckoutLicense", "ExtendLicenseConsumption", "CheckInLicense"]
    allowed = {"Effect": "Allow", "Action": [f"license-manager:{one}" for one in actions], "Resource": "*"}
    with Emulator(policy={"Version": "2012-10-17", "Statement": [allowed]}) as lm:
        licence = lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count"), ("Tier", "gold", "None")])
        guard = make_guard(lm, licence)
        client = provide(EntitlementProvider(guard, FLAGS))
        said = [client.get_boolean_value(key, False) for key in FLAGS]
        assert said == [False, True, True, False]
        assert client.get_string_value("tier", "none") == "gold"
        guard.close()
        assert {request.status for request in lm.requests} <= {200, 400}
        assert not [request for request in lm.requests if request.error == "AccessDeniedException"]


# -- the licence changes -----------------------------------------------------------------------------


def test_what_is_bought_later_is_noticed_and_all_is_one_lease_again(lm, make_guard, heard):
    licence = licence_of(lm, FIFTY[3:])
    guard = make_guard(lm, licence, denial_ttl=0)
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    changed = heard(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert client.get_boolean_value("is-f0", False) is False
    lm.update_license(licence, entitlements=[(name, None, "None") for name in FIFTY])
    assert client.get_boolean_value("is-f0", False) is True
    assert sorted(changed.get(timeout=10).flags_changed) == ["is-f0", "is-f1", "is-f2"]
    assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == [True] * 50
    before = len(lm.requests)
    assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == [True] * 50
    assert asked(lm, before) == []
    assert max(len(lease.entitlements) for lease in guard.leases()) == 50


def test_an_outage_after_a_purchase_takes_nothing_away(lm, make_guard):
    licence = licence_of(lm, FIFTY[1:])
    guard = make_guard(lm, licence, denial_ttl=0, timeout=6)
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    lm.update_license(licence, entitlements=[(name, None, "None") for name in FIFTY])
    assert client.get_boolean_value("is-f0", False) is True
    exchange = guard.engine.registry.exchange
    exchange.policy = dataclasses.replace(exchange.policy, timeout=1)  # what is in vain from here on ends sooner
    with lm.down():
        assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == [True] * 50


def test_what_is_taken_away_is_noticed_when_the_lease_has_ended(lm, make_guard, heard, meterguard_clock):
    licence = licence_of(lm, FIFTY)
    guard = make_guard(lm, licence)
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    changed = heard(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    lm.update_license(licence, entitlements=[(name, None, "None") for name in FIFTY[1:]])
    meterguard_clock.shift(timedelta(hours=2))
    assert client.get_boolean_value("is-f1", False) is True
    assert changed.get(timeout=10).flags_changed == ["is-f0"]
    assert client.get_boolean_value("is-f0", True) is False


@pytest.mark.parametrize("partial_results", [True, False])
def test_a_licence_that_was_suspended_is_one_lease_again(make_guard, meterguard_clock, partial_results):
    with Emulator(behavior=Behavior(partial_results=partial_results)) as lm:
        licence = licence_of(lm, FIFTY, ttl=2)
        guard = make_guard(lm, licence, denial_ttl=0, linger=60)
        client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
        lm.update_license(licence, status="SUSPENDED")
        meterguard_clock.shift(10)
        assert [client.get_boolean_value(f"is-{name}", True) for name in FIFTY] == [False] * 50
        lm.update_license(licence, status="AVAILABLE")
        for _ in range(2):
            assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == [True] * 50
        before = len(lm.requests)
        assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == [True] * 50
        assert asked(lm, before).count(CHECK_OUT) == 0
        assert max(len(lease.entitlements) for lease in guard.leases()) == 50
        guard.close()


# -- units ---------------------------------------------------------------------------------------


def test_units_are_given_back_at_once_and_a_yes_is_remembered(lm, client, seats):
    first = client.get_integer_details("seats", 0)
    assert (first.value, first.reason, first.variant) == (2, "STATIC", "granted")
    before = len(lm.requests)
    for _ in range(1000):
        assert client.get_boolean_value("seats", False) is True
        assert client.get_integer_details("seats", 0).reason == "CACHED"
    assert asked(lm, before) == []
    assert asked(lm)[-2:] == [CHECK_OUT, CHECK_IN]
    assert seats() == 0


def test_recheck_says_for_how_long(lm, guard, seats):
    client = provide(EntitlementProvider(guard, {"seats": ("Seats", 1, "Count")}, recheck=0))
    before = len(lm.requests)
    assert [client.get_integer_value("seats", 0) for _ in range(3)] == [1, 1, 1]
    assert asked(lm, before) == [CHECK_OUT, CHECK_IN] * 3
    assert seats() == 0


def test_units_in_use_by_others_are_none(lm, licence, guard, make_guard, client, seats):
    with make_guard(lm, licence).requires_entitlement("Seats", 2, "Count", hold="call"):
        taken = client.get_integer_details("seats", 9)
        assert (taken.value, taken.variant, taken.reason, taken.error_code) == (0, "denied", "STATIC", None)
        assert client.get_boolean_value("seats", True) is False
        assert seats() == 2
    assert client.get_integer_value("seats", 9) == 2
    assert seats() == 0


def test_a_lease_that_the_application_holds_answers_for_its_units(lm, guard, client, seats):
    with guard.requires_entitlement("Seats", 2, "Count"):
        before = len(lm.requests)
        assert client.get_integer_details("seats", 0).reason == "CACHED"
        assert asked(lm, before) == []
        assert seats() == 2
    assert seats() == 2, "it is the application's"


def test_many_at_once_never_take_more_than_is_asked_for_once(lm, client, seats):
    most = []
    lm_usage = threading.Thread(target=lambda: most.extend(seats() for _ in range(50)))
    at_once = threading.Barrier(16)

    def look():
        at_once.wait()
        assert client.get_integer_value("seats", 0) == 2

    threads = [lm_usage, *(threading.Thread(target=look) for _ in range(16))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 2
    assert seats() == 0


# -- what a flag says --------------------------------------------------------------------------------


def test_a_feature_with_its_text(client):
    assert client.get_boolean_value("export", False) is True
    assert client.get_string_value("tier", "none") == "gold"
    assert client.get_string_details("teleport", "none").value == ""


def test_a_text_that_the_service_does_not_tell_is_a_mismatch(make_guard):
    with Emulator(behavior=Behavior(feature_value_in_answer=False)) as lm:
        licence = lm.add_license("ACME-1", entitlements=[("Tier", "gold", "None")])
        guard = make_guard(lm, licence)
        client = provide(EntitlementProvider(guard, {"tier": ("Tier",)}))
        got = client.get_string_details("tier", "none")
        assert (got.value, got.error_code) == ("none", ErrorCode.TYPE_MISMATCH)
        assert client.get_boolean_value("tier", False) is True
        guard.close()


def test_a_flag_may_be_one_text_of_a_feature(lm, guard):
    flags = {"gold": ("Tier", "gold", "None"), "silver": ("Tier", "silver", "None"), "export": ("Export",)}
    client = provide(EntitlementProvider(guard, flags))
    assert [client.get_boolean_value(key, False) for key in flags] == [True, False, True]
    assert client.get_string_value("gold", "") == "gold"


def test_entitlements_stand_for_themselves(client, guard):
    flags = {"seats": Entitlement("Seats", 3, Unit.COUNT), "export": Entitlement("Export")}
    client = provide(EntitlementProvider(guard, flags))
    assert (client.get_integer_value("seats", 0), client.get_boolean_value("export", False)) == (3, True)


@pytest.mark.parametrize(
    ("kind", "key", "default"),
    [
        *[("integer", "export", 7), ("float", "export", 0.5), ("object", "export", {"a": 1})],
        *[("string", "export", "x"), ("string", "seats", "x"), ("float", "seats", 2.0), ("object", "seats", [])],
    ],
)
def test_another_type_is_a_mismatch_and_nobody_is_asked(lm, client, kind, key, default):
    before = len(lm.requests)
    got = getattr(client, f"get_{kind}_details")(key, default)
    assert (got.value, got.reason, got.error_code, got.variant) == (default, "ERROR", ErrorCode.TYPE_MISMATCH, None)
    assert asyncio.run(getattr(client, f"get_{kind}_details_async")(key, default)) == got
    assert asked(lm, before) == []


def test_a_key_that_is_not_declared(lm, client):
    before = len(lm.requests)
    got = client.get_boolean_details("missing", True)
    assert (got.value, got.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert asked(lm, before) == []


def test_sync_and_async_say_the_same(client):
    async def ask(kind, key, default):
        return await getattr(client, f"get_{kind}_details_async")(key, default)

    for kind, key, default in [
        *[("boolean", key, True) for key in (*FLAGS, "missing")],
        *[("integer", "seats", 5), ("string", "tier", "x"), ("string", "teleport", "x")],
    ]:
        getattr(client, f"get_{kind}_details")(key, default)  # so that both are answered from memory
        once = getattr(client, f"get_{kind}_details")(key, default)
        again = asyncio.run(ask(kind, key, default))
        for got in (once, again):
            dict(got.flag_metadata).pop("remaining", None)
        assert (once.value, once.reason, once.variant, once.error_code) == (
            again.value,
            again.reason,
            again.variant,
            again.error_code,
        )


def test_a_denial_is_an_answer_whatever_the_default(client):
    got = client.get_boolean_details("teleport", True)
    assert (got.value, got.reason, got.variant, got.error_code, got.error_message) == (
        *(False, "STATIC", "denied", None),
        None,
    )


def test_who_is_asked_about_changes_nothing(lm, client):
    before = len(lm.requests)
    for user in ("ana", "ben"):
        context = EvaluationContext(user, {"tenant": "acme", "seats": 3})
        assert client.get_boolean_value("export", False, context) is True
        assert client.get_boolean_details("export", False, context).reason == "CACHED"
    assert asked(lm, before) == []


def test_metadata_are_scalars_in_camel_case_without_a_secret(lm, licence, client):
    told = [client.get_boolean_details(key, False) for key in FLAGS]
    names = {name for got in told for name in got.flag_metadata}
    assert names == {"meterguardReason", "expiresAt", "remaining"}
    for got in told:
        assert all(type(value) in (bool, int, float, str) for value in got.flag_metadata.values())
    assert 3500 < told[0].flag_metadata["remaining"] <= 3600
    tokens = [checkout.token for checkout in lm.checkouts()]
    for secret in (*tokens, licence.arn, licence.key_fingerprint):
        assert secret not in repr(told)


def test_a_guard_that_is_switched_off_says_so():
    client = provide(EntitlementProvider(OpenGuard(), FLAGS))
    got = client.get_boolean_details("teleport", False)
    assert (got.value, got.reason, got.flag_metadata) == (True, "DISABLED", {"meterguardReason": "disabled"})
    assert client.get_integer_value("seats", 0) == 2


# -- no answer, and a refusal ------------------------------------------------------------------------


def test_grace_is_stale_and_said_so(lm, licence, make_guard, heard, meterguard_clock):
    client = provide(EntitlementProvider(make_guard(lm, licence, grace=7200, timeout=6), FLAGS))
    stale, ready = heard(ProviderEvent.PROVIDER_STALE), heard(ProviderEvent.PROVIDER_READY)
    ready.get(timeout=10)
    with lm.down():
        meterguard_clock.shift(3600 + 60)
        got = client.get_boolean_details("export", False)
        assert (got.value, got.variant, got.reason, got.error_code) == (True, "grace", "STALE", None)
        assert got.flag_metadata == {"meterguardReason": "grace", "age": pytest.approx(3660, abs=30)}
        assert client.get_string_value("tier", "none") == "gold"
        stale.get(timeout=10)
        assert client.get_provider_status() is ProviderStatus.STALE
    recovering = threading.Event()
    while client.get_boolean_details("export", False).reason == "STALE":
        recovering.wait(0.02)
    ready.get(timeout=10)
    assert client.get_provider_status() is ProviderStatus.READY


def test_unknown_is_the_default_and_never_remembered_as_no(lm, licence, make_guard, heard):
    guard = make_guard(lm, licence, timeout=1, on_unknown="deny")
    errors, ready = heard(ProviderEvent.PROVIDER_ERROR), heard(ProviderEvent.PROVIDER_READY)
    with lm.down(), pytest.raises(GeneralError):
        api.set_provider_and_wait(EntitlementProvider(guard, FLAGS))
    errors.get(timeout=10)
    client = api.get_client()
    with lm.down():
        for default in (True, False):
            got = client.get_boolean_details("export", default)
            assert (got.value, got.reason, got.error_code) == (default, "ERROR", ErrorCode.GENERAL)
            assert asyncio.run(client.get_boolean_details_async("export", default)).value is default
    assert client.get_provider_status() is ProviderStatus.ERROR
    waited = threading.Event()
    while not client.get_boolean_value("export", False):
        waited.wait(0.02)
    ready.get(timeout=10)
    assert client.get_provider_status() is ProviderStatus.READY


def test_what_is_borrowed_is_answered_without_a_network_and_what_is_not_is_unknown():
    granted = {"Seats": 5, "Export": True, "Tier": "gold"}
    with Control(granted, borrowed=True, on_unknown="deny") as control:
        for name, value in (("Seats", 2), ("Export", None), ("Tier", None)):
            control.borrow(name, value)
        with control.offline():
            client = provide(EntitlementProvider(control.guard, FLAGS))
            for _ in range(3):
                export = client.get_boolean_details("export", False)
                assert (export.value, export.reason, export.variant) == (True, "STATIC", "granted")
                assert export.flag_metadata["meterguardReason"] == "borrowed"
                assert client.get_integer_details("seats", 0).value == 2
                assert client.get_string_details("tier", "").value == "gold"
                assert client.get_boolean_details("teleport", True).error_code is ErrorCode.GENERAL
        assert control.calls == [CHECK_OUT], "for all, once"
        control.clock.shift(86_401)
        tier = client.get_string_details("tier", "")
        assert (tier.value, tier.flag_metadata["meterguardReason"]) == ("gold", "checked_out")


def test_with_nothing_borrowed_there_is_no_provider_without_a_network():
    with (
        Control({"Export": True}, borrowed=True, on_unknown="deny") as control,
        control.offline(),
        pytest.raises(GeneralError),
    ):
        EntitlementProvider(control.guard, FLAGS).initialize(EvaluationContext())


def test_a_page_with_many_flags_waits_once_in_an_outage(lm, licence, make_guard):
    guard = make_guard(lm, licence, timeout=1)
    with lm.down():
        with pytest.raises(GeneralError):
            api.set_provider_and_wait(EntitlementProvider(guard, flags_of(FIFTY)))
        client = api.get_client()
        before = len(lm.requests)
        assert [client.get_boolean_value(f"is-{name}", False) for name in FIFTY] == [False] * 50
        assert len(lm.requests) - before < 20


def test_allow_is_what_the_author_declared(lm, licence, make_guard):
    guard = make_guard(lm, licence, timeout=1, on_unknown="allow")
    with lm.down():
        with pytest.raises(GeneralError):
            api.set_provider_and_wait(EntitlementProvider(guard, FLAGS))
        got = api.get_client().get_boolean_details("export", False)
        assert (got.value, got.variant, got.reason) == (True, "allowed", "DEFAULT")


def test_a_refusal_is_fatal_to_the_evaluation_and_over_when_iam_allows_it(lm, licence, make_guard, heard):
    guard = make_guard(lm, licence, denial_ttl=0)
    errors, ready = heard(ProviderEvent.PROVIDER_ERROR), heard(ProviderEvent.PROVIDER_READY)
    lm.faults.add(CHECK_OUT, error="AccessDeniedException", times=3)
    with pytest.raises(GeneralError) as refused:
        api.set_provider_and_wait(EntitlementProvider(guard, FLAGS))
    assert "license-manager:CheckoutLicense" in refused.value.error_message
    assert errors.get(timeout=10).error_code is ErrorCode.GENERAL
    client = api.get_client()
    assert client.get_provider_status() is ProviderStatus.ERROR
    got = client.get_boolean_details("export", False)
    assert (got.value, got.reason, got.error_code) == (False, "ERROR", ErrorCode.PROVIDER_FATAL)
    assert client.get_integer_details("seats", 7).value == 7
    assert client.get_boolean_value("export", False) is True
    ready.get(timeout=10)
    assert client.get_provider_status() is ProviderStatus.READY


def test_an_answer_that_cannot_be_believed_opens_nothing(lm, guard):
    lm.faults.add(CHECK_OUT, lifetime=-5, times=2)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(EntitlementProvider(guard, {"export": ("Export",)}))
    got = api.get_client().get_boolean_details("export", False)
    assert (got.value, got.error_code) == (False, ErrorCode.PARSE_ERROR)


def test_no_licence_is_a_no(lm, licence, make_guard):
    guard = make_guard(lm, licence, product_sku="OTHER", denial_ttl=3600)
    client = provide(EntitlementProvider(guard, flags_of(FIFTY)))
    assert client.get_provider_status() is ProviderStatus.READY
    assert [client.get_boolean_value(f"is-{name}", True) for name in FIFTY] == [False] * 50
    assert asked(lm) == [CHECK_OUT], "it was said of the licence, so of all of them"


# -- life --------------------------------------------------------------------------------------------


def test_before_and_after(lm, guard):
    provider = EntitlementProvider(guard, FLAGS)
    before = provider.resolve_boolean_details("export", True)
    assert (before.value, before.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)
    assert asked(lm) == []
    client = provide(provider)
    assert client.get_boolean_value("export", False) is True
    for _ in range(2):
        provider.shutdown()
    after = asyncio.run(provider.resolve_integer_details_async("seats", 5))
    assert (after.value, after.error_code) == (5, ErrorCode.PROVIDER_NOT_READY)
    assert guard.has_entitlement("Export"), "whoever made the guard closes it"
    provider.initialize(EvaluationContext())
    assert provider.resolve_boolean_details("export", False).value is True
    assert guard._announced()._subscribers == (provider._heard,)
    provider.shutdown()
    assert guard._announced()._subscribers == ()


def test_a_wrong_set_up_is_fatal(monkeypatch):
    provider = EntitlementProvider(flags=FLAGS)
    with pytest.raises(ProviderFatalError) as fatal:
        api.set_provider_and_wait(provider)
    assert "METERGUARD_PRODUCT_SKU" in fatal.value.error_message
    client = api.get_client()
    assert client.get_provider_status() is ProviderStatus.FATAL
    assert client.get_boolean_details("export", False).error_code is ErrorCode.PROVIDER_FATAL
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(EntitlementProvider())


def test_a_guard_that_is_closed_answers_nothing(lm, guard, client):
    assert client.get_integer_value("seats", 0) == 2
    guard.close()
    for key in ("export", "seats"):
        assert client.get_boolean_details(key, False).error_code is ErrorCode.PROVIDER_FATAL
    assert lm.checkouts() == []


def test_the_default_guard_is_the_one_of_the_moment(lm, settings):
    meterguard.configure(**settings)
    provider = EntitlementProvider(flags=FLAGS)
    client = provide(provider)
    assert client.get_boolean_value("export", False) is True
    newer = meterguard.configure(**settings)
    assert client.get_boolean_value("export", False) is True
    assert asked(lm).count(CHECK_OUT) >= 2
    assert newer._announced()._subscribers.count(provider._heard) == 1


def test_initialising_takes_less_than_ten_seconds_whatever_a_call_may_take(lm, licence, make_guard, monkeypatch):
    assert integration.START < 10
    monkeypatch.setattr(integration, "START", 0.5)
    guard = make_guard(lm, licence, timeout=60)
    fault = lm.faults.add(CHECK_OUT, hold=True, times=None)
    with pytest.raises(GeneralError) as late:
        api.set_provider_and_wait(EntitlementProvider(guard, FLAGS))
    assert "within 0.5 s" in late.value.error_message
    fault.release()


def test_one_provider_may_serve_several_domains(lm, guard):
    provider = EntitlementProvider(guard, FLAGS)
    assert {provider: 1}[provider] == 1
    assert provider != EntitlementProvider(guard, FLAGS)
    for domain in (None, "reports", "admin"):
        api.set_provider_and_wait(provider, domain)
    assert api.get_client("reports").get_boolean_value("export", False) is True
    assert asked(lm).count(CHECK_OUT) == 3
    assert api.get_provider_metadata("admin").name == "meterguard"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flags": {"export": "Export"}}, r"flags\['export'\] must be an Entitlement or \(name, value, unit\)"),
        ({"flags": {"seats": ("Seats", 0, "Count")}}, r"flags\['seats'\]: value must be a positive whole number"),
        ({"flags": {"seats": ("Seats", 1, "Seats")}}, r"flags\['seats'\]: unit 'Seats' is not one"),
        ({"flags": {"seats": ()}}, r"flags\['seats'\] must be"),
        ({"flags": {"seats": ("Seats", 1, "Count", 2)}}, r"flags\['seats'\] must be"),
        ({"guard": FLAGS}, r"guard must be a MeterGuard; got a dict\. Flags go to flags="),
        ({"recheck": -1}, "recheck must be seconds"),
        ({"recheck": "30"}, "recheck must be seconds"),
        ({"recheck": True}, "recheck must be seconds"),
        ({"recheck": math.nan}, "recheck must be seconds"),
    ],
)
def test_what_is_wrong_is_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        EntitlementProvider(**arguments)


def test_recheck_takes_a_timedelta(guard):
    assert EntitlementProvider(guard, recheck=timedelta(minutes=1))._recheck == 60.0


def test_events_tell_no_secret(lm, licence, guard, heard):
    errors = heard(ProviderEvent.PROVIDER_ERROR)
    lm.faults.add(CHECK_OUT, error="AccessDeniedException", message=licence.arn)
    with pytest.raises(GeneralError) as refused:
        api.set_provider_and_wait(EntitlementProvider(guard, FLAGS))
    told = repr(errors.get(timeout=10)) + str(refused.value.error_message)
    assert licence.arn not in told
    assert licence.key_fingerprint not in told


# -- what an application adds ------------------------------------------------------------------------


def test_tracked_events_are_the_applications_and_cost_nothing(lm, guard, caplog):
    tracked = []
    client = provide(EntitlementProvider(guard, FLAGS, on_track=lambda *event: tracked.append(event)))
    details = TrackingEventDetails(99.5, {"plan": "team"})
    before = len(lm.requests)
    client.track("bought", EvaluationContext("ana"), details)
    assert [(name, context.targeting_key, told) for name, context, told in tracked] == [("bought", "ana", details)]
    assert asked(lm, before) == []

    with caplog.at_level(logging.WARNING):
        client = provide(EntitlementProvider(guard, FLAGS))
        for _ in range(3):
            client.track("bought", EvaluationContext("ana"), details)
    assert caplog.text.count("track('bought') goes nowhere") == 1
    assert "ana" not in caplog.text


def test_hooks_of_the_provider_run(guard):
    class Counting(Hook):
        seen = 0

        def after(self, hook_context, details, hints):
            Counting.seen += 1

    client = provide(EntitlementProvider(guard, FLAGS, hooks=[Counting()]))
    client.get_boolean_value("export", False)
    assert Counting.seen == 1


def test_the_telemetry_hook_of_openfeature_reports_evaluations(guard):
    """``feature_flag.evaluation`` is on the span, with the attributes of the semantic conventions."""
    hooks = pytest.importorskip("openfeature.contrib.hook.opentelemetry")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    client = provide(EntitlementProvider(guard, FLAGS, hooks=[hooks.TracingHook()]))
    with trace.use_span(tracer.start_span("request")) as span:
        client.get_boolean_value("export", False, EvaluationContext("ana"))
        client.get_boolean_value("teleport", True)
        client.get_boolean_value("missing", True)
    events = [event for event in span.events if event.name == "feature_flag.evaluation"]
    common = {"feature_flag.provider.name": "meterguard"}
    assert [dict(event.attributes) for event in events] == [
        common
        | {
            "feature_flag.key": "export",
            "feature_flag.result.value": "true",
            "feature_flag.result.variant": "granted",
            "feature_flag.result.reason": "cached",
            "feature_flag.context.id": "ana",
        },
        common
        | {
            "feature_flag.key": "teleport",
            "feature_flag.result.value": "false",
            "feature_flag.result.variant": "denied",
            "feature_flag.result.reason": "static",
        },
        common
        | {
            "feature_flag.key": "missing",
            "feature_flag.result.value": "true",
            "feature_flag.result.reason": "error",
            "error.type": "flag_not_found",
            "error.message": "flags= has no 'missing'",
        },
    ]


# -- loops and processes -----------------------------------------------------------------------------


def test_a_loop_goes_on_while_the_service_takes_its_time(lm, guard):
    """The answer is held back until the loop has done other things, so a loop that waits for it never gets it."""
    client = provide(EntitlementProvider(guard))
    fault = lm.faults.add(CHECK_OUT, hold=True, times=None)

    async def others():
        await asyncio.to_thread(lm.wait_for_calls, CHECK_OUT, 2)
        for _ in range(100):
            await asyncio.sleep(0)
        fault.release()

    async def main():
        return (
            await asyncio.gather(
                client.get_boolean_value_async("Export", False),
                client.get_string_value_async("Tier", "none"),
                client.get_boolean_value_async("Export", False),
                others(),
            )
        )[:3]

    assert asyncio.run(main()) == [True, "gold", True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_provider_registered_before_a_fork_works_in_the_child(lm, client, guard):
    assert client.get_boolean_value("export", False) is True
    provider = api.get_client().provider
    provider._lock.acquire()  # as another thread may have had it

    def child():
        values = [client.get_boolean_value(key, False) for key in ("export", "teleport")]
        said = client.get_string_value("tier", "none"), client.get_integer_value("seats", 0)
        leases = len(guard.leases())
        guard.close()
        return (*values, *said, leases)

    before = len(lm.requests)
    assert in_child(child) == "(True, False, 'gold', 2, 1)"
    provider._lock.release()
    assert asked(lm, before).count(CHECK_OUT) >= 2, "the child asks for itself"
    before = len(lm.requests)
    assert client.get_boolean_value("export", False) is True
    assert asked(lm, before) == [], "what the parent holds is still its own"


PRELOADED = """
import json, os
from openfeature import api
from meterguard.integrations.openfeature import EntitlementProvider

api.set_provider_and_wait(EntitlementProvider(flags={flags!r}))
client = api.get_client()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    said = [client.get_boolean_value(key, False) for key in ("export", "teleport")]
    return [json.dumps([*said, client.get_integer_value("seats", 0)]).encode()]
"""


def test_workers_of_a_preloaded_server(lm, licence, tmp_path, monkeypatch):
    (tmp_path / "flags_app.py").write_text(PRELOADED.format(flags=FLAGS))
    env = os.environ | {
        "AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url,
        "METERGUARD_PRODUCT_SKU": licence.product_sku,
        "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint,
    }
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--preload"]
    with subprocess.Popen(
        [*command, "flags_app:app"], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = next(line.split()[-2] for line in process.stderr if "Listening at:" in line)
            for _ in range(8):
                with urllib.request.urlopen(url, timeout=20) as answer:
                    assert json.load(answer) == [True, False, 2]
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert lm.checkouts() == []
