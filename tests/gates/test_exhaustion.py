"""A no for want of free units, told apart from a no for want of a right, by the denial itself."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from meterguard import EntitlementDenied


@pytest.fixture
def licence(lm):
    entitlements = [("Seats", 3, "Count"), ("Export", None, "None")]
    return lm.add_license(f"ACME-{uuid4()}", entitlements=entitlements, ttl=3600)


@pytest.fixture
def crowd(lm, licence, make_guard):
    """Take these seats with another guard."""
    other = make_guard(lm, licence)

    def take(seats):
        gate = other.requires_entitlement("Seats", seats, "Count", per="crowd")
        gate(lambda: None)()

    return take


def refused(gate):
    with pytest.raises(EntitlementDenied) as caught, gate:
        pass
    return caught.value


def asked(lm, *operations):
    return [request.operation for request in lm.requests if request.operation in operations]


QUESTIONS = ("GetLicenseUsage", "ListReceivedLicenses", "ListLicenses")


def test_seats_that_others_use_are_exhausted(lm, licence, make_guard, crowd):
    crowd(2)
    gate = make_guard(lm, licence).requires_entitlement("Seats", 2, "Count")
    denied = refused(gate)
    assert denied.is_exhausted
    assert "too few units are free" in str(denied)
    assert "not in the licence" not in str(denied)
    assert refused(gate).is_exhausted, "remembered with its proof"
    assert len(asked(lm, "GetLicenseUsage")) == 1


def test_usage_that_is_older_than_the_denial_proves_nothing(lm, licence, make_guard, crowd):
    guard = make_guard(lm, licence)
    assert refused(guard.requires_entitlement("Seats", 5, "Count")).is_exhausted is False, "more than there are"
    crowd(3)
    assert refused(guard.requires_entitlement("Seats", 1, "Count")).is_exhausted is True
    assert refused(guard.requires_entitlement("Seats", 2, "Count")).is_exhausted is True
    assert len(asked(lm, "GetLicenseUsage")) == 2, "what proves the next denial too is not asked again"


def test_it_goes_with_the_denial_through_pickle_and_copy(lm, licence, make_guard, crowd):
    crowd(3)
    denied = refused(make_guard(lm, licence).requires_entitlement("Seats", 1, "Count"))
    for one in (pickle.loads(pickle.dumps(denied)), copy.copy(denied), copy.deepcopy(denied)):
        assert one.is_exhausted
        assert (str(one), one.code, one.missing) == (str(denied), denied.code, denied.missing)
    assert "arn:" not in f"{denied!r}{vars(denied)}"


def test_tasks_are_told_and_their_loop_is_not_blocked(lm, licence, make_guard, crowd):
    crowd(3)
    gate = make_guard(lm, licence).requires_entitlement("Seats", 1, "Count")
    fault = lm.faults.add("GetLicenseUsage", hold=True)

    @gate
    async def work(): ...

    async def main():
        tasks = [asyncio.create_task(work()) for _ in range(8)]
        await asyncio.to_thread(lm.wait_for_calls, "GetLicenseUsage")  # the loop turns while it is held
        fault.release()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [one.is_exhausted for one in asyncio.run(main())] == [True] * 8
    assert len(asked(lm, "GetLicenseUsage")) == 1


def test_with_a_lease_the_licence_is_known(lm, licence, make_guard, crowd):
    guard = make_guard(lm, licence)
    crowd(3)
    guard.requires_entitlement("Export")(lambda: None)()
    assert refused(guard.requires_entitlement("Seats", 1, "Count")).is_exhausted
    assert asked(lm, *QUESTIONS) == ["GetLicenseUsage"]


def test_more_than_the_licence_has_is_no_exhaustion(lm, licence, make_guard):
    guard = make_guard(lm, licence)
    assert refused(guard.requires_entitlement("Seats", 4, "Count")).is_exhausted is False


def test_what_is_not_in_the_licence_is_no_exhaustion(lm, licence, make_guard, crowd):
    crowd(3)
    guard = make_guard(lm, licence)
    both = guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Analytics")
    assert refused(both).is_exhausted is False


@pytest.mark.parametrize("fault", [None, {"error": "ResourceNotFoundException"}, {"error": "AccessDeniedException"}])
def test_nothing_is_asked_where_it_cannot_be_exhaustion(lm, licence, make_guard, fault):
    guard = make_guard(lm, licence)
    name = ("Analytics",) if fault is None else ("Seats", 1, "Count")
    if fault is not None:
        lm.faults.add("CheckoutLicense", **fault)
    assert not refused(guard.requires_entitlement(*name)).is_exhausted
    assert asked(lm, *QUESTIONS) == []


def test_a_feature_beside_seats_does_not_hide_it(lm, licence, make_guard, crowd):
    crowd(3)
    guard = make_guard(lm, licence)
    both = guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Export")
    assert refused(both).is_exhausted


@pytest.mark.parametrize("operation", QUESTIONS)
def test_without_an_answer_nothing_is_proven(lm, licence, make_guard, crowd, operation):
    crowd(3)
    gate = make_guard(lm, licence, denial_ttl=0).requires_entitlement("Seats", 1, "Count")
    with lm.faults.active(operation, error="AccessDeniedException"):
        proven = [bool(refused(gate).is_exhausted) for _ in range(3)]
    hit = operation in asked(lm, *QUESTIONS)
    assert proven == [not hit] * 3
    assert asked(lm, operation) == [operation] * hit, "a refusal is remembered"


def test_a_question_that_hangs_delays_a_denial_once_and_not_for_long(lm, licence, make_guard, crowd):
    crowd(3)
    gate = make_guard(lm, licence, denial_ttl=0).requires_entitlement("Seats", 1, "Count")
    with lm.faults.active("GetLicenseUsage", hold=True):
        refused(gate)
        began = time.monotonic()
        assert not any(refused(gate).is_exhausted for _ in range(3))
        assert time.monotonic() - began < 6
    assert len(asked(lm, "GetLicenseUsage")) == 1


def test_a_crowd_of_refused_calls_asks_once(lm, licence, make_guard, crowd):
    crowd(3)
    gate = make_guard(lm, licence).requires_entitlement("Seats", 1, "Count")
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        return refused(gate).is_exhausted

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [True] * 8
    assert len(asked(lm, "GetLicenseUsage")) == 1


def test_who_waits_for_a_seat_asks_when_its_time_is_up(lm, licence, make_guard, crowd):
    crowd(3)
    gate = make_guard(lm, licence).requires_entitlement("Seats", 1, "Count", wait=0.5)
    assert refused(gate).is_exhausted
    assert len(asked(lm, "GetLicenseUsage")) == 1
    assert asked(lm, "CheckoutLicense", "GetLicenseUsage")[-1] == "GetLicenseUsage"


def test_a_question_that_raises_nothing_asks_nothing(lm, licence, make_guard, crowd):
    crowd(3)
    guard = make_guard(lm, licence)
    assert not guard.has_entitlement("Seats", 1)
    assert not guard.decide("Seats", 1).allowed
    assert asked(lm, *QUESTIONS) == []
