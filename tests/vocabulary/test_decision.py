"""Reasons and decisions."""

from __future__ import annotations

import pickle

import pytest

from meterguard import Decision, Reason

OPENFEATURE = {
    Reason.CHECKED_OUT: "STATIC",
    Reason.BORROWED: "STATIC",
    Reason.CACHED: "CACHED",
    Reason.GRACE: "STALE",
    Reason.ALLOWED_UNKNOWN: "DEFAULT",
    Reason.NOT_ENTITLED: "STATIC",
    Reason.COVERS_LESS: "STATIC",
    Reason.USED_UP: "STATIC",
    Reason.NO_LICENSE: "STATIC",
    Reason.REFUSED: "ERROR",
    Reason.UNTRUSTED: "ERROR",
    Reason.UNAVAILABLE: "ERROR",
    Reason.DISABLED: "DISABLED",
}


def test_each_reason_amounts_to_one_of_openfeature():
    assert {reason: reason.openfeature for reason in Reason} == OPENFEATURE


def test_a_reason_is_a_plain_word():
    assert str(Reason.NOT_ENTITLED) == f"{Reason.NOT_ENTITLED}" == Reason.NOT_ENTITLED == "not_entitled"
    assert Reason("not_entitled") is pickle.loads(pickle.dumps(Reason.NOT_ENTITLED)) is Reason.NOT_ENTITLED


@pytest.mark.parametrize("allowed", [True, False])
def test_a_decision_is_true_when_it_allows(allowed):
    assert bool(Decision(allowed, Reason.CACHED)) is allowed


def test_a_bare_no_claims_nothing_else():
    no = Decision(allowed=False, reason=Reason.NOT_ENTITLED)
    assert (no.lease, no.is_fallback, no.detail, no.age) == (None, False, "", 0.0)
