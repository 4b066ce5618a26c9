"""A no for want of free units, told apart from a no for want of a right."""

from __future__ import annotations

import asyncio
import threading
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
    guard = make_guard(lm, licence)
    denied = refused(guard.requires_entitlement("Seats", 2, "Count"))
    assert guard.is_exhausted(denied)
    assert asyncio.run(guard.ais_exhausted(denied))
    assert len(asked(lm, "GetLicenseUsage")) == 1


def test_with_a_lease_the_licence_is_known(lm, licence, make_guard, crowd):
    guard = make_guard(lm, licence)
    crowd(3)
    guard.requires_entitlement("Export")(lambda: None)()
    assert guard.is_exhausted(refused(guard.requires_entitlement("Seats", 1, "Count")))
    assert asked(lm, *QUESTIONS) == ["GetLicenseUsage"]


def test_more_than_the_licence_has_is_no_exhaustion(lm, licence, make_guard):
    guard = make_guard(lm, licence)
    assert not guard.is_exhausted(refused(guard.requires_entitlement("Seats", 4, "Count")))


def test_what_is_not_in_the_licence_is_no_exhaustion(lm, licence, make_guard, crowd):
    crowd(3)
    guard = make_guard(lm, licence)
    both = guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Analytics")
    assert not guard.is_exhausted(refused(both))


def test_a_feature_is_never_exhausted_and_nothing_is_asked(lm, licence, make_guard):
    guard = make_guard(lm, licence)
    assert not guard.is_exhausted(refused(guard.requires_entitlement("Analytics")))
    assert asked(lm, *QUESTIONS) == []


def test_a_feature_beside_seats_does_not_hide_it(lm, licence, make_guard, crowd):
    crowd(3)
    guard = make_guard(lm, licence)
    both = guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Export")
    assert guard.is_exhausted(refused(both))


@pytest.mark.parametrize("operation", QUESTIONS)
def test_without_an_answer_nothing_is_proven(lm, licence, make_guard, crowd, operation):
    crowd(3)
    guard = make_guard(lm, licence)
    denied = refused(guard.requires_entitlement("Seats", 1, "Count"))
    with lm.faults.active(operation, error="AccessDeniedException"):
        proven = [guard.is_exhausted(denied) for _ in range(3)]
    hit = operation in asked(lm, *QUESTIONS)
    assert proven == [not hit] * 3
    assert asked(lm, operation) == [operation] * hit


def test_a_crowd_of_refused_calls_asks_once(lm, licence, make_guard, crowd):
    crowd(3)
    guard = make_guard(lm, licence)
    denied = refused(guard.requires_entitlement("Seats", 1, "Count"))
    together, proven = threading.Barrier(8), []

    def ask():
        together.wait()
        proven.append(guard.is_exhausted(denied))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert proven == [True] * 8
    assert len(asked(lm, "GetLicenseUsage")) == 1
