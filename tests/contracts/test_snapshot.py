"""Snapshots: what is read from a store, of any kind, about leases and those who hold them."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meterguard import ConfigurationError, EntitlementUnavailable
from meterguard.core.shared.row import Flight, Kind, Outcome
from meterguard.ports import FaultKind
from meterguard.rows import Row, StoreFault
from meterguard.runtime import owners
from meterguard.snapshot import STATES, open_store, read
from meterguard.stores.memory_rows import MemoryRows
from tests.leases_by_hand import SEATS, stamp, written

ME = owners.new_owner()
GONE = "/".join((*owners.machine(), str(2**22 + 1), "5-0123456789ab"))
ELSEWHERE = "another-boot/7/12/5-0123456789ab"


class Fleet(MemoryRows):
    is_fleet = True


@pytest.fixture
def store():
    return MemoryRows()


def only(store):
    (lease,) = read(store).leases
    return lease


def state(lease):
    return lease.state, lease.orphaned


def flight(store, kind, owner=ME, age=0.0):
    return Flight("f", owner, kind, stamp(store, age))


def outcome(store, kind):
    return Outcome("f", stamp(store), kind, "told")


def test_every_store_is_read(make_shared_store):
    store = make_shared_store()
    empty = read(store)
    assert (empty.store, empty.leases, empty.waiting) == (store.describe(), (), 0)
    written(store, "acme", [ME], token="token-1", per=("ada",))
    written(store, "other", [ME], token="token-2")
    found = read(store)
    assert [(one.entitlements, one.per, *state(one)) for one in found.leases] == [
        (SEATS, None, "held", False),
        (SEATS, "ada", "held", False),
    ]
    for one in found.leases:
        (by,) = one.holders
        assert (by.pid, by.is_gone, by.since.tzinfo) == (os.getpid(), False, UTC)
        assert abs((datetime.now(UTC) - by.since).total_seconds()) < 60
        assert 3500 < one.expires_in <= 3600
    assert "token-1" not in repr(found)


def test_other_rows_than_those_of_leases_are_left_out(store):
    for key in ("acme/sweep", "doctor/1", "history", f"{'0' * 24}/{'0' * 40}/place"):
        store.replace(key, "", Row("1", "no lease"), 60)
    assert read(store).leases == ()


def test_a_lease_that_is_held(store):
    written(store, "acme", [GONE, ME], token="t", age=600)
    lease = only(store)
    assert state(lease) == ("held", False)
    assert [(by.pid, by.is_gone) for by in lease.holders] == [(2**22 + 1, True), (os.getpid(), False)]
    assert 2990 < lease.expires_in <= 3000


def test_a_lease_whose_holders_have_died(store):
    written(store, "acme", [GONE], token="t")
    assert state(only(store)) == ("held", True)


@pytest.mark.parametrize(("kind", "orphaned"), [(MemoryRows, True), (Fleet, False)])
def test_a_holder_that_ran_before_the_last_start_or_elsewhere(kind, orphaned):
    store = kind()
    written(store, "acme", [ELSEWHERE], token="t")
    lease = only(store)
    assert (lease.orphaned, lease.holders[0].pid, lease.holders[0].is_gone) == (orphaned, 12, orphaned)


def test_what_ran_before_the_last_start_is_left_also_by_a_clock_of_that_start(store, monkeypatch):
    """Nobody is left who might ride on it without being listed."""
    written(store, "acme", [ELSEWHERE], token="t")
    earlier = MemoryRows.read
    monkeypatch.setattr(MemoryRows, "read", lambda self, key: earlier(self, key)._replace(epoch="another start"))
    assert only(store).orphaned


def test_a_holder_in_another_container_may_live(store):
    written(store, "acme", [f"{owners.machine()[0]}/7/12/5-0123456789ab"], token="t")
    assert state(only(store)) == ("held", False)


def test_a_holder_on_another_host_may_live_whatever_its_pid():
    """Hosts have the same process namespace, by its number."""
    store = Fleet()
    written(store, "acme", [f"another-boot/{owners.machine()[1]}/{os.getpid()}/5-0123456789ab"], token="t")
    assert (only(store).orphaned, only(store).holders[0].is_gone) == (False, False)


def test_a_holder_with_a_name_of_another_form():
    store = Fleet()
    written(store, "acme", ["somebody"], token="t")
    assert only(store).holders[0].pid is None


def test_a_lease_that_has_ended(store):
    written(store, "acme", [GONE], token="t", age=3700)
    lease = only(store)
    assert (*state(lease), lease.expires_in, lease.holders) == ("ended", False, None, ())


@pytest.mark.parametrize(
    ("kind", "told"),
    [(Kind.RENEWAL, "renewing"), (Kind.CHECKOUT, "checking-out"), (Kind.RETURN, "returning")],
)
def test_somebody_asks(store, kind, told):
    written(store, "acme", [ME], token="t" if kind is Kind.RENEWAL else None, flight=flight(store, kind))
    assert state(only(store)) == (told, False)


def test_somebody_has_died_asking(store):
    written(store, "acme", [GONE], sent="c", flight=flight(store, Kind.CHECKOUT, GONE))
    assert (*state(only(store)), only(store).expires_in) == ("unanswered", True, None)


def test_a_checkout_without_an_answer_of_one_who_lives(store):
    written(store, "acme", [ME], sent="c")
    assert state(only(store)) == ("unanswered", False)


def test_a_checkout_of_which_nobody_can_learn_any_more(store):
    written(store, "acme", [GONE], sent="c", age=600)
    assert state(only(store)) == ("ended", False)


def test_what_is_due(store):
    written(store, "acme", [], due="t", age=600)
    lease = only(store)
    assert state(lease) == ("returning", True)
    assert 2990 < lease.expires_in <= 3000


def test_nobody_knows_who_rides_on_a_lease_that_was_written_anew(store):
    row = written(store, "acme", [GONE], token="t")
    written(store, "other", [], lease=replace(row.lease, restored=stamp(store)))
    assert sorted(one.orphaned for one in read(store).leases) == [False, True]


def test_a_store_that_may_have_lost_something(store):
    class Restarted(MemoryRows):
        def read(self, key):
            return super().read(key)._replace(epoch="2")

    other = Restarted()
    row = written(store, "acme", [ME], token="t")
    written(other, "acme", [], lease=row.lease, holders=row.holders)
    assert state(only(other)) == ("in-doubt", False)


@pytest.mark.parametrize(
    ("kind", "told"),
    [(FaultKind.DENIED, "denied"), (FaultKind.NOT_FOUND, "denied"), (FaultKind.UNKNOWN, "failed")],
)
def test_a_no_and_no_answer(store, kind, told):
    written(store, "acme", [], outcome=outcome(store, kind))
    lease = only(store)
    assert (*state(lease), lease.expires_in, lease.holders) == (told, False, None, ())


def test_the_words_for_states():
    words = ["held", "renewing", "checking-out", "returning", "in-doubt", "unanswered", "denied", "failed", "ended"]
    assert list(STATES) == words


NUMBER = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("per", "told"),
    [("ada", "ada"), (7, "7"), (None, "null"), (b"\x01\xff", "01ff"), (("a", 1), '["a", 1]'), (NUMBER, NUMBER.urn)],
)
def test_a_value_of_per_is_text(store, per, told):
    written(store, "acme", [ME], token="t", per=(per,))
    assert only(store).per == told


def test_a_store_that_cannot_be_had(store, monkeypatch):
    def fail(*_):
        raise StoreFault("it is away")

    monkeypatch.setattr(store, "read", fail)
    with pytest.raises(EntitlementUnavailable, match="it is away"):
        read(store)


def test_a_store_by_its_url_has_to_be_there(tmp_path):
    url = f"sqlite:///{tmp_path}/leases.db"
    for look in (read, open_store):
        with pytest.raises(ConfigurationError, match="there is no lease store"):
            look(url)


def test_a_store_that_was_opened_is_closed(store, monkeypatch):
    closed = []
    monkeypatch.setattr(store, "close", lambda: closed.append(store))
    read(store)
    assert closed == []
    monkeypatch.setattr("meterguard.snapshot.open_store", lambda url: store)
    read("sqlite:///leases.db")
    assert closed == [store]


def test_a_return_that_a_dead_process_began(store):
    written(store, "acme", [], due="t", flight=flight(store, Kind.RETURN, GONE))
    assert state(only(store)) == ("returning", True)
