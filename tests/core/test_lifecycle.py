"""The lease's life: the table is closed, and no order of answers and clocks opens more than was granted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meterguard.core.lifecycle import TABLE, IllegalSignal, Signal, State, step
from meterguard.core.schedule import refresh_after, window
from meterguard.core.terms import CLOCK_TOLERANCE, Phase, Term, phase, remaining, renewed_lifetime
from meterguard.core.unknown import Unknown, answer_unknown, in_grace
from meterguard.ports import Moment
from meterguard.reasons import OnUnknown

TTL = 60.0
GRACE = 100.0


def test_every_state_has_a_row_and_every_row_leads_to_states():
    assert set(TABLE) == set(State)
    assert all(signal in Signal and state in State for row in TABLE.values() for signal, state in row.items())


def test_every_state_can_be_reached_and_closed():
    reached = {State.VACANT}
    for _ in State:
        reached |= {after for state in reached for after in TABLE[state].values()}
    assert reached == set(State)
    assert all(row[Signal.CLOSE] is State.CLOSED for row in TABLE.values())


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLOSED])
def test_only_a_yes_leads_to_a_held_lease(state):
    for signal, after in TABLE[state].items():
        if after.holds and not state.holds:
            assert signal in (Signal.GRANTED, Signal.RENEWED)


@pytest.mark.parametrize("state", list(State))
def test_a_definite_no_ends_access_unless_it_was_about_a_renewal(state):
    for signal in (Signal.DENIED, Signal.REFUSED):
        after = TABLE[state].get(signal, State.BARRED)
        assert after is State.BARRED or (after is State.FORFEIT and signal is Signal.REFUSED and state.holds)


def test_an_impossible_signal_is_an_error_that_changes_nothing():
    with pytest.raises(IllegalSignal, match="RENEWED cannot happen in VACANT"):
        step(State.VACANT, Signal.RENEWED)


class LeaseLife(RuleBasedStateMachine):
    """A requirement under any order of answers, clock jumps, sleeps and ends.

    The model keeps true time and the service's own end of the lease; both local clocks may be moved.
    """

    @initialize()
    def begin(self):
        self.state = State.VACANT
        self.true = 0.0
        self.wall, self.mono = 1_000_000.0, 500.0
        self.term = None
        self.true_end = None
        self.good = None
        self.true_good = None
        self.said_no = False

    @property
    def now(self):
        return Moment(self.wall, self.mono)

    @rule(seconds=st.floats(0, 90))
    def time_passes(self, seconds):
        self.true += seconds
        self.wall += seconds
        self.mono += seconds

    @rule(seconds=st.floats(0, 90))
    def the_machine_sleeps(self, seconds):
        self.true += seconds
        self.wall += seconds

    @rule(seconds=st.floats(CLOCK_TOLERANCE, 100_000))
    def the_wall_clock_is_set_forward(self, seconds):
        self.wall += seconds

    @precondition(lambda self: self.state is not State.CLOSED)
    @rule(late=st.floats(0, 5), draw=st.floats(0, 1, exclude_max=True))
    def a_checkout_is_granted(self, late, draw):
        self._notice_end()
        sent, true_sent = self.now, self.true
        self.time_passes(late)
        self.state = step(self.state, Signal.GRANTED)
        # the service counts from when it answers, the client from before it asked
        self._take(Term(sent, TTL, refresh_after(TTL, 0.2, draw), TTL), true_sent + TTL, sent, true_sent)

    @precondition(lambda self: self.state.holds)
    @rule(draw=st.floats(0, 1, exclude_max=True))
    def a_renewal_is_granted(self, draw):
        self._notice_end()
        if Signal.RENEWED in TABLE[self.state]:
            self.state = step(self.state, Signal.RENEWED)
            self._take(Term(self.now, TTL, refresh_after(TTL, 0.2, draw), TTL), self.true + TTL, self.now, self.true)

    def _take(self, term, true_end, good, true_good):
        self.term, self.true_end, self.good, self.true_good = term, true_end, good, true_good
        self.said_no = False

    @precondition(lambda self: self.state is not State.CLOSED)
    @rule()
    def the_service_does_not_answer(self):
        self._notice_end()
        self.state = step(self.state, Signal.UNKNOWN)

    @precondition(lambda self: self.state is not State.CLOSED)
    @rule(signal=st.sampled_from([Signal.DENIED, Signal.REFUSED]))
    def the_service_says_no(self, signal):
        self._notice_end()
        self.state = step(self.state, signal)
        self.said_no = True

    @precondition(lambda self: self.state.holds)
    @rule(signal=st.sampled_from([Signal.LOST, Signal.RETURNED]))
    def the_lease_goes(self, signal):
        self.state = step(self.state, signal)

    @rule()
    def the_guard_closes(self):
        self.state = step(self.state, Signal.CLOSE)

    def _notice_end(self):
        if self.state.holds and phase(self.term, self.now) is Phase.ENDED:
            self.state = step(self.state, Signal.ENDED)

    @property
    def is_live(self):
        return self.state.holds and phase(self.term, self.now) in (Phase.LIVE, Phase.DUE)

    @invariant()
    def a_live_lease_is_live_at_the_service(self):
        if getattr(self, "state", None) is not None and self.is_live:
            assert self.true <= self.true_end
            assert 0 < remaining(self.term, self.now) <= self.true_end - self.true + 1e-6

    @invariant()
    def the_hot_path_ends_with_the_lease(self):
        if getattr(self, "state", None) is not None and self.is_live:
            lo, hi = window(self.term, self.now, None)
            assert lo == self.wall
            assert hi - self.wall <= self.true_end - self.true + 1e-6

    @invariant()
    def grace_needs_a_recent_yes_and_no_no_since(self):
        if getattr(self, "state", None) is None:
            return
        answer = answer_unknown(OnUnknown.GRACE, self.state, self.good, self.now, GRACE)
        if answer is Unknown.GRACE:
            assert self.true - self.true_good <= GRACE
            assert not self.said_no
            assert self.state is not State.CLOSED


TestLeaseLife = LeaseLife.TestCase
TestLeaseLife.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


@given(
    ttl=st.floats(1, 1e6),
    left=st.floats(-1e6, 1e6),
    shift=st.none() | st.floats(-1e6, 1e6),
    date=st.none() | st.floats(),
)
def test_no_renewal_lives_longer_than_the_first_checkout(ttl, left, shift, date):
    assert not renewed_lifetime(ttl, left, shift, date) > ttl


@pytest.mark.parametrize(
    ("left", "shift", "by_service", "lifetime"),
    [
        (10, 50, 60, 60),
        (10, 50, None, 60),
        (10, -5, 5, 5),  # cut short by the licence's end
        (-5000, 50, 60, 60),  # the wall clock was set forward
        (-5000, 50, None, 50),  # and a client of the user's own tells no date: at least so far was the end moved
        (10, None, None, 60),
    ],
)
def test_how_long_a_renewed_lease_lives(left, shift, by_service, lifetime):
    assert renewed_lifetime(60, left, shift, by_service) == lifetime


@given(good=st.floats(0, 1e9), wall=st.floats(-1e6, 1e6), mono=st.floats(0, 1e6), grace=st.floats(0, 1e5))
def test_grace_follows_the_clock_that_ran_further(good, wall, mono, grace):
    left = in_grace(Moment(good, good), Moment(good + wall, good + mono), grace)
    assert left <= max(0.0, grace - mono) + 1e-3
    assert left <= max(0.0, grace - wall) + 1e-3


@pytest.mark.parametrize(
    ("wall", "mono", "expected"),
    [
        (0, 0, Phase.LIVE),
        (47.9, 47.9, Phase.LIVE),
        (48, 47, Phase.DUE),
        (59.9, 59.9, Phase.DUE),
        (60, 59.9, Phase.ENDED),
        (59.9, 60, Phase.ENDED),
        (30, 10, Phase.LIVE),  # slept for 20 s
        (70, 10, Phase.DOUBTFUL),  # slept past the end, or set forward
        (-1, 0, Phase.LIVE),  # a small correction
        (-10, 5, Phase.DOUBTFUL),  # set back
        (10, 70, Phase.DOUBTFUL),  # set back after 70 s
        (5000, 70, Phase.DOUBTFUL),  # both past the end, but they disagree about by how much
        (5000, 5000, Phase.ENDED),
        (-10, -10, Phase.DOUBTFUL),  # a test that had moved both clocks forward has ended
        (-5000, -5000, Phase.DOUBTFUL),
    ],
)
def test_what_two_clocks_say(wall, mono, expected):
    term = Term(Moment(1000, 1000), 60, 48, 60)
    assert phase(term, Moment(1000 + wall, 1000 + mono)) is expected
