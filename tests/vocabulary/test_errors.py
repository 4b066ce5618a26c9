"""The error tree, and what errors go through: pickle, copies, task queues."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    Entitlement,
    EntitlementDenied,
    EntitlementUnavailable,
    MeterGuardError,
    MissingExtra,
    Reason,
    UntrustedLease,
)

SEATS, EXPORT = Entitlement("Seats", 3), Entitlement("Export")
DENIALS = [EntitlementDenied, AuthorizationRefused, UntrustedLease]
ERRORS = [
    MeterGuardError("what happened"),
    ConfigurationError("what is wrong"),
    MissingExtra("the Redis store", "redis"),
    *(kind("no", (SEATS, EXPORT), (EXPORT,), Reason.COVERS_LESS, "Code", "request-1", 2.5) for kind in DENIALS),
    *(kind("no") for kind in DENIALS),
    EntitlementUnavailable("unknown", (SEATS,), "Code", "request-1", 2.5),
    EntitlementUnavailable("unknown"),
    EntitlementDenied(),
]
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {n}": lambda error, n=n: pickle.loads(pickle.dumps(error, n))
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "args": lambda error: type(error)(*error.args),
}
TREE = {
    MeterGuardError: Exception,
    ConfigurationError: MeterGuardError,
    MissingExtra: ConfigurationError,
    EntitlementDenied: MeterGuardError,
    AuthorizationRefused: EntitlementDenied,
    UntrustedLease: EntitlementDenied,
    EntitlementUnavailable: MeterGuardError,
}


def test_the_tree_is_the_one_that_was_drawn():
    assert {kind: kind.__bases__[0] for kind in TREE} == TREE
    assert issubclass(MissingExtra, ImportError)
    assert not issubclass(EntitlementUnavailable, EntitlementDenied)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_is_equal_in_everything(copied):
    for error in ERRORS:
        twin = copied(error)
        assert type(twin) is type(error)
        assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


def test_notes_and_attributes_of_others_are_kept():
    error = EntitlementDenied("no", (SEATS,))
    error.add_note("seen by the job")
    assert pickle.loads(pickle.dumps(error)).__notes__ == copy.copy(error).__notes__ == ["seen by the job"]


@pytest.mark.parametrize("kind", [*DENIALS, EntitlementUnavailable])
@pytest.mark.parametrize("encode", [str, repr, json.dumps], ids=["str", "repr", "json"])
def test_a_task_queue_may_rebuild_it_from_texts(kind, encode):
    """As Celery's JSON backend does: what has no JSON form comes back as its repr."""
    error = next(one for one in ERRORS if type(one) is kind)
    twin = kind(*(_sent(argument, encode) for argument in error.args))
    assert str(twin) == str(error)
    assert twin.entitlements == ()
    assert twin.retry_after == 2.5
    assert isinstance(pickle.loads(pickle.dumps(twin)), kind)


def _sent(argument, encode):
    if encode is json.dumps:
        return json.loads(json.dumps(argument, default=repr))
    return argument if argument in ("no", "unknown") else encode(argument)


def test_a_reason_comes_back_from_its_word():
    assert EntitlementDenied("no", (), (), "covers_less").reason is Reason.COVERS_LESS
    assert AuthorizationRefused("no", (), (), "something newer").reason is Reason.REFUSED


@pytest.mark.parametrize("lost", [None, "None", "soon", ()], ids=repr)
def test_a_retry_time_that_is_no_number_is_none(lost):
    assert EntitlementUnavailable("unknown", (), None, None, lost).retry_after is None


def test_the_kind_says_why_unless_told():
    defaults = {kind: kind("no").reason for kind in DENIALS}
    assert defaults == {
        EntitlementDenied: Reason.NOT_ENTITLED,
        AuthorizationRefused: Reason.REFUSED,
        UntrustedLease: Reason.UNTRUSTED,
    }


def test_what_is_not_known_is_empty():
    denied, unknown = EntitlementDenied("no"), EntitlementUnavailable("unknown")
    assert (denied.entitlements, denied.missing) == ((), ())
    assert (denied.code, denied.request_id, denied.retry_after) == (None, None, None)
    assert (unknown.entitlements, unknown.code, unknown.request_id, unknown.retry_after) == ((), None, None, None)


def test_the_text_is_the_message_alone():
    for error in ERRORS[3:-1]:
        assert str(error) in ("no", "unknown")
    assert str(EntitlementDenied()) == str(MeterGuardError()) == ""


def test_a_missing_extra_says_how_to_install_it():
    error = MissingExtra("the Redis store", "redis")
    assert str(error) == "the Redis store needs a package that is not installed: pip install 'meterguard[redis]'"
    assert error.extra == "redis"
