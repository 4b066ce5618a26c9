"""No order of answers, losses and clock moves lengthens a lease, or forgets a token that may be live.

Pure: the clocks, the service and its books are numbers of the model, and nothing waits.
"""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from meterguard import Entitlement
from meterguard.core import lease_state as change
from meterguard.core.intents import is_open, kept, take_up
from meterguard.core.lease_data import from_data, to_data
from meterguard.core.lease_state import VACANT, Refusal
from meterguard.core.lifecycle import State
from meterguard.core.terms import CLOCK_TOLERANCE, Phase, elapsed, phase, remaining
from meterguard.core.verdicts import Granted, judge, renewed_term
from meterguard.lease import LeaseFacts
from meterguard.ports import Allowed, CheckoutAnswer, ExtendAnswer, FaultKind, Moment
from meterguard.stores.memory import MemoryLeaseStore

SEATS = (Entitlement("Seats", 1, "Count"),)
KEY = b"key"
TTL = 60.0
LATE = 5.0  # seconds an answer takes at most
EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
CHECKOUTS = ["yes", "yes", "yes", "lost before", "lost after", "denied", "refused"]
EXTENSIONS = ["yes", "yes", "lost before", "lost after", "lost after", "called wrong", "refused"]


def refused(state, fence=None):
    return change.refused(state, Refusal("IAM said no"), fence)


FAILURES = {
    "denied": (FaultKind.DENIED, change.denied),
    "refused": (FaultKind.REFUSED, refused),
    "lost before": (FaultKind.UNKNOWN, change.unknown),
    "lost after": (FaultKind.UNKNOWN, change.unknown),
}


class Books:
    """The service's own: until when each token lives, in true seconds."""

    def __init__(self):
        self.true = 0.0
        self.ends = {}
        self.issued = {}
        self.by_client_token = {}
        self.serials = itertools.count()

    @property
    def live(self):
        return {token for token, end in self.ends.items() if end > self.true}

    def check_out(self, client_token):
        if client_token not in self.by_client_token:
            token = self.by_client_token[client_token] = f"token-{next(self.serials)}"
            self.ends[token], self.issued[token] = self.true + TTL, self.true
        token = self.by_client_token[client_token]
        return CheckoutAnswer(
            token, (Allowed("Seats", "1"),), self.at(self.issued[token]), self.at(self.issued[token] + TTL)
        )

    def extend(self, token):
        if token not in self.live:
            return None
        self.ends[token] = self.true + TTL
        return ExtendAnswer(self.at(self.ends[token]), self.at(self.true))

    def check_in(self, token):
        self.ends[token] = min(self.ends[token], self.true)

    def at(self, seconds):
        return EPOCH + timedelta(seconds=seconds)


class Life:
    """One key of one process, as the runtime treats it: what is owed is settled before anything is checked out."""

    def __init__(self, chance):
        self.chance = chance
        self.told = []  # what happened, for whoever reads a failure
        self.books = Books()
        self.state, self.term, self.last_term = VACANT, None, None
        self.wall, self.mono = 1_000_000.0, 500.0
        self.intents = {}  # the moments of the pending ones
        self.owed_since = {}
        self.given_up = set()
        self.client_tokens = itertools.count()
        self.slept = self.set_back = False

    @property
    def now(self):
        return Moment(self.wall, self.mono)

    def become(self, state):
        assert state.version == self.state.version, "only a store gives versions"
        state = state.stamped(state.version + 1)
        assert state.fence >= self.state.fence
        before = {one.token for one in self.state.owed}
        self.owed_since.update({one.token: self.now for one in state.owed if one.token not in before})
        self.state = state
        if not state.standing.holds:
            self.term = None

    def go_on(self):
        """Something happens, of what can happen now."""
        can = [self.time_passes, self.time_passes, self.the_clocks_part, self.its_end_is_noticed]
        can += [self.it_is_given_back] * (self.chance.random() < 0.2)
        can += [self.it_checks_out] * 2 * self.may_check_out
        can += [self.it_extends] * 2 * self.may_extend
        can += [self.it_checks_in, self.what_is_owed_lapses] * bool(self.state.owed)
        can += [self.another_guard_opens] * (self.state.standing is State.CLOSED and self.state.is_blank)
        self.chance.choice(can)()

    def pick(self, what, *options):
        picked = self.chance.choice(options)
        self.told.append((what, picked))
        return picked

    def rarely(self):
        return self.chance.random() < 0.05

    # -- time ----------------------------------------------------------------------------------------

    def time_passes(self):
        to_its_end = 0.0 if self.term is None else max(0.0, remaining(self.term, self.now) - 0.5)
        self._pass(self.pick("seconds pass", 1.0, 20.0, to_its_end, to_its_end, self.chance.uniform(0, 90)))

    def _pass(self, seconds):
        self.books.true += seconds
        self.wall += seconds
        self.mono += seconds

    def the_clocks_part(self):
        """The machine sleeps, or its wall clock is set. Asleep and set back leaves no trace on any clock."""
        move, seconds = self.pick("clocks", "sleep", "forward", "back"), self.chance.uniform(CLOCK_TOLERANCE, 200)
        if move == "sleep" and not self.set_back:
            self.slept = True
            self.books.true += seconds
        if move == "back" and not self.slept:
            self.set_back = True
            self.wall -= seconds
        if move == "forward" or (move == "sleep" and not self.set_back):
            self.wall += seconds

    # -- checkouts -----------------------------------------------------------------------------------

    @property
    def may_check_out(self):
        return not (self.state.standing.holds or self.state.owed or self.state.standing is State.CLOSED)

    def it_checks_out(self):
        late, answer = self.chance.uniform(0, LATE), self.pick("checkout", *CHECKOUTS)
        intent = self._intent()
        sent = self.now
        self._pass(late)
        if answer == "denied" and intent.client_token in self.books.by_client_token:
            answer = "yes"  # the service does not go back on its word
        came = self.books.check_out(intent.client_token) if answer in ("yes", "lost after") else None
        if self.rarely():
            self.become(change.closed(self.state))
        if answer == "yes":
            self._checked_out(intent, came, sent)
        else:
            self._failed(answer, intent.unanswered(sent, may_have_acted=answer == "lost after"))

    def _intent(self):
        known = [self.intents[one.client_token] for one in self.state.pending]
        intent, others = take_up(known, self.now, f"intent-{next(self.client_tokens)}")
        old = {one.client_token for one in known} - {one.client_token for one in others} - {intent.client_token}
        self.given_up |= {self.books.by_client_token.get(one) for one in old}
        self.become(change.taken_up(self.state, intent.client_token, *old))
        return intent

    def _checked_out(self, intent, answer, sent):
        verdict = judge(SEATS, answer, intent.sent(sent), self.now, intent.resumed, 0.2, 0.5)
        if isinstance(verdict, Granted):
            self.become(change.granted(self.state, verdict.facts, verdict.term.ttl, verdict.term.start.wall))
            self.last_term = verdict.term
            self.term = verdict.term if self.state.standing.holds else None
        else:
            self.become(change.owing(self.state, answer.token, TTL))

    def _failed(self, answer, intent):
        kind, follow = FAILURES[answer]
        if is_open(intent, kind):
            self.intents[intent.client_token] = intent
            self.become(change.pending(self.state, kept(intent)))
        self.become(follow(self.state))

    # -- renewals ------------------------------------------------------------------------------------

    @property
    def may_extend(self):
        """The lease held, or the one that ended here and may live on, since the answer to an extension was lost."""
        return self.state.standing.holds or (self.state.is_unsure and self.state.standing is not State.CLOSED)

    def it_extends(self):
        late, answer = self.chance.uniform(0, LATE), self.pick("extension", *EXTENSIONS)
        facts, term, fence, sent = self.state.facts, self.last_term, self.state.fence, self.now
        self._pass(late)
        came = self.books.extend(facts.token) if answer in ("yes", "lost after") else None
        self._happens(self.pick("meanwhile", "nothing", "nothing", "its end", "its end", "returned", "checked in"))
        if came is not None and answer == "yes":
            self._extended(facts, term, fence, came, sent)
        elif answer.startswith("lost"):
            self.owed_since[facts.token] = self.now  # its life may have begun anew
            self.become(change.unanswered(self.state, fence, may_have_acted=answer == "lost after"))
        elif answer == "refused":
            self.become(refused(self.state, fence))
        else:
            self.become(change.lost(self.state, fence))

    def _happens(self, meanwhile):
        if meanwhile == "its end":
            self.its_end_is_noticed()
        elif meanwhile != "nothing":
            self.become((change.closed if self.rarely() else change.returned)(self.state))
        if meanwhile == "checked in" and self.state.owed:
            self.it_checks_in()

    def _extended(self, facts, term, fence, answer, sent):
        new = renewed_term(facts, term, answer, sent, 0.2, 0.5)
        before = self.state
        after = change.renewed(before, fence, replace(facts, expires_at=answer.expires_at.timestamp()), sent.wall)
        if after is not before:
            assert after.ttl == before.ttl
            self.become(after)
            self.term = self.last_term = new

    # -- giving back ---------------------------------------------------------------------------------

    def its_end_is_noticed(self):
        if self.term is not None and phase(self.term, self.now) is Phase.ENDED:
            self.become(change.ended(self.state))

    def it_is_given_back(self):
        self.become(self.pick("back", change.closed, change.returned, change.returned)(self.state))

    def another_guard_opens(self):
        self.state = VACANT.stamped(self.state.version)

    def it_checks_in(self):
        token = self.chance.choice(self.state.owed).token
        outcome = self.pick("check-in", "done", "lost after", "lost before")
        if self.state.is_unsure:  # the runtime counts its life from here: an extension in the air may have acted
            self.owed_since[token] = self.now
        self.become(change.giving_back(self.state, token))
        if outcome != "lost before":
            self.books.check_in(token)
        if outcome == "done":
            self.become(change.settled(self.state, token))

    def what_is_owed_lapses(self):
        """By both clocks, however they were set."""
        for one in self.state.owed:
            if elapsed(self.owed_since[one.token], self.now)[0] > one.ttl:
                self.become(change.settled(self.state, one.token))

    # -- what holds ----------------------------------------------------------------------------------

    def check(self):
        self.a_lease_that_is_ridden_is_live_at_the_service()
        self.no_token_that_may_be_live_is_forgotten()
        self.no_second_seat_is_taken()
        self.it_travels()

    def a_lease_that_is_ridden_is_live_at_the_service(self):
        if self.term is not None and phase(self.term, self.now) in (Phase.LIVE, Phase.DUE):
            assert self.state.token in self.books.live
            assert self.term.lifetime <= self.state.ttl <= TTL

    def no_token_that_may_be_live_is_forgotten(self):
        known = {one.token for one in self.state.owed} | {self.state.token} | self.given_up
        asked = {self.books.by_client_token.get(one.client_token) for one in self.state.pending}
        # our lease ends before the service's by as long as its answer took; the runtime waits that long
        assert self.lasting <= known | asked

    def no_second_seat_is_taken(self):
        assert len(self.lasting - self.given_up) <= 1

    @property
    def lasting(self):
        return {token for token in self.books.live if self.books.ends[token] - self.books.true > LATE}

    def it_travels(self):
        assert from_data(json.loads(json.dumps(to_data(self.state)))) == self.state
        assert "token-" not in repr(self.state)
        assert "intent-" not in repr(self.state)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_any_sequence_of_answers_losses_and_clock_moves(seed):
    life = Life(random.Random(seed))
    for _ in range(100):
        life.go_on()
        try:
            life.check()
        except AssertionError as failure:
            failure.add_note(f"{life.told}")
            raise


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_nothing_learned_under_an_older_fence_is_believed(seed):
    life = Life(random.Random(seed))
    for _ in range(60):
        life.go_on()
    state, facts = life.state, LeaseFacts(SEATS, token="stale")
    for fence in range(state.fence):
        assert change.renewed(state, fence, facts, 0.0) is state
        assert change.unanswered(state, fence, may_have_acted=True) is state
        assert change.lost(state, fence) is state
        assert refused(state, fence) is state


class Process:
    """One of several that share a row. It acts on what it has read, which may be old by then."""

    def __init__(self, store, live, serials):
        self.store, self.live, self.serials = store, live, serials
        self.read()

    def read(self):
        self.seen = self.store.get(KEY) or VACANT

    def act(self, chance):
        can = [self.read, self.check_out if self.seen.token is None else chance.choice([self.extend, self.give_back])]
        can += [self.settle] * (2 * bool(self.seen.owed))
        chance.choice(can)()

    def check_out(self):
        token = f"token-{next(self.serials)}"
        self.live.add(token)
        self.write(lambda state: change.granted(state, LeaseFacts(SEATS, token=token), TTL, 0.0))

    def extend(self):
        fence, facts = self.seen.fence, self.seen.facts
        if facts.token in self.live:
            self.write(lambda state: change.renewed(state, fence, facts, 1.0))
        else:
            self.write(lambda state: change.lost(state, fence))

    def give_back(self):
        fence = self.seen.fence
        self.write(lambda state: change.returned(state) if state.fence == fence else state)

    def settle(self):
        token = self.seen.owed[0].token
        self.write(lambda state: change.giving_back(state, token))
        self.live.discard(token)
        self.write(lambda state: change.settled(state, token))

    def write(self, follow):
        """What was read first, whatever became of it; the loser reads again and has its say then."""
        versions = [self.seen.version]
        while (after := follow(self.seen)) is not self.seen:
            kept = self.store.replace(KEY, after)
            if kept is not None:
                assert kept.version > self.seen.version
                self.seen = kept
                return
            self.read()
            versions.append(self.seen.version)
        assert versions == sorted(versions) or 0 in versions


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_processes_that_share_a_row_forget_no_token_between_them(seed):
    chance, store, live, serials = random.Random(seed), MemoryLeaseStore(10), set(), itertools.count()
    processes = [Process(store, live, serials) for _ in range(3)]
    for _ in range(60):
        chance.choice(processes).act(chance)
        row = store.get(KEY) or VACANT
        assert live <= {row.token} | {one.token for one in row.owed}
        assert row.token is None or row.token in live, "an extension was believed of a lease given back meanwhile"
