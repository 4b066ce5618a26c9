"""What every lease store holds to, whatever it keeps its rows in."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from meterguard import Entitlement
from meterguard.core import lease_state
from meterguard.core.lease_state import VACANT, Pending
from meterguard.lease import LeaseFacts

SEATS = (Entitlement("Seats", 1, "Count"),)
KEY, OTHER = b'[[["Seats",1,"Count"]]]', b'[[["Seats",1,"Count"]],"anna"]'


def held(token="token", state=VACANT):
    facts = LeaseFacts(SEATS, "arn", 1_893_456_000.0, 1_893_542_400.0, token=token)
    return lease_state.granted(state, facts, 86_400.0, 1_000.0)


def idle(state=VACANT):
    """Something worth keeping, though nothing is held: the last answer was no."""
    return lease_state.denied(state)


@pytest.fixture
def store(make_store):
    return make_store(100)


def test_what_was_written_is_read_back(store):
    assert store.get(KEY) is None
    kept = store.replace(KEY, held())
    assert kept.version > 0
    assert store.get(KEY) == kept
    assert (kept.token, kept.standing, kept.fence) == ("token", held().standing, kept.version)
    assert store.get(OTHER) is None
    assert len(store) == 1


def test_of_two_writers_who_read_the_same_version_the_first_wins(store):
    first = store.replace(KEY, held("first"))
    assert store.replace(KEY, held("second")) is None, "it had read that nothing was kept"
    assert store.get(KEY) == first
    won = store.replace(KEY, held("third", first))
    assert store.replace(KEY, lease_state.returned(first)) is None, "it had read the version before"
    assert store.get(KEY) == won
    assert won.token == "third"


def test_a_loser_reads_again_and_wins(store):
    store.replace(KEY, held("first"))
    won = store.replace(KEY, held("second", store.get(KEY)))
    assert won.token == "second"
    assert [one.token for one in won.owed] == ["first"]


def test_a_row_that_is_gone_is_not_the_row_that_comes_after_it(store):
    """The version that was read before does not fit, although as many changes were made since."""
    stale = store.replace(KEY, idle())
    gone = store.replace(KEY, lease_state.closed(stale))
    assert gone.version == 0
    assert store.get(KEY) is None
    again = store.replace(KEY, held("again"))
    assert again.version > stale.version
    assert store.replace(KEY, held("lost", stale)) is None
    assert store.get(KEY).token == "again"


def test_a_blank_state_is_not_kept(store):
    assert store.replace(KEY, VACANT).version == 0
    assert len(store) == 0


def test_a_store_that_is_full_forgets_what_is_idle_and_longest_unwritten(make_store):
    store = make_store(3)
    for number in range(3):
        store.replace(b"%d" % number, idle())
    store.replace(b"0", idle(store.get(b"0")))
    store.replace(KEY, held())
    assert [number for number in range(3) if store.get(b"%d" % number) is None] == [1]
    assert store.get(KEY).token == "token"
    assert len(store) == 3


@pytest.mark.parametrize(
    "state",
    [held(), lease_state.returned(held()), lease_state.pending(VACANT, Pending("token", 1.0, 1.0))],
    ids=["held", "owed", "pending"],
)
def test_a_store_that_is_full_goes_over_its_bound_rather_than_forget_a_token(make_store, state):
    store = make_store(2)
    for number in range(50):
        store.replace(b"%d" % number, state)
    assert all(store.get(b"%d" % number) is not None for number in range(50))


def test_a_store_comes_back_to_its_bound(make_store):
    store = make_store(5)
    for number in range(50):
        store.replace(b"%d" % number, held())
    for number in range(50):
        store.replace(b"%d" % number, lease_state.settled(lease_state.returned(store.get(b"%d" % number)), "token"))
    for number in range(50, 100):
        store.replace(b"%d" % number, idle())
    assert len(store) == 5


def test_of_many_threads_at_once_exactly_one_wins_each_version(store):
    threads, rounds = 8, 50
    barrier = threading.Barrier(threads)
    wins = [0] * threads

    def write(me):
        for _ in range(rounds):
            seen = store.get(KEY) or VACANT
            barrier.wait()
            wins[me] += store.replace(KEY, held(f"of {me}", seen)) is not None
            barrier.wait()

    workers = [threading.Thread(target=write, args=(me,)) for me in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(wins) == rounds
    assert store.get(KEY).fence == store.get(KEY).version


class Writers(RuleBasedStateMachine):
    """Writers who read and write at any time, beside a model that is a dict and a history of versions."""

    make = None
    seen = Bundle("seen")

    @initialize()
    def begin(self):
        self.store = self.make(1_000)
        self.kept = {}
        self.versions = {}

    @rule(target=seen, key=st.sampled_from([KEY, OTHER]))
    def read(self, key):
        found = self.store.get(key)
        assert found == self.kept.get(key)
        return key, found or VACANT

    @rule(what=seen, to=st.sampled_from([held, idle, lease_state.closed]))
    def write(self, what, to):
        key, state = what
        now = self.kept.get(key)
        new = self.store.replace(key, to(state=state))
        assert (new is not None) == (state.version == (now.version if now else 0))
        if new is None:
            return
        if new.is_blank:
            self.kept.pop(key, None)
        else:
            assert new.version > self.versions.get(key, 0)
            self.versions[key] = new.version
            self.kept[key] = new


def test_any_order_of_readers_and_writers(make_store):
    class Machine(Writers):
        make = staticmethod(make_store)

    run_state_machine_as_test(Machine, settings=settings(max_examples=100, stateful_step_count=30, deadline=None))
