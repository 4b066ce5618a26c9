"""One lease's facts: what each answer leaves behind, one by one."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from meterguard import Entitlement
from meterguard.core import lease_state as change
from meterguard.core.keys import decoded, encoded, numbered, seat_of
from meterguard.core.lease_data import from_data, to_data
from meterguard.core.lease_state import VACANT, LeaseState, Owed, Pending, Refusal
from meterguard.core.lifecycle import State
from meterguard.lease import LeaseFacts

SEATS, EXPORT = Entitlement("Seats", 2, "Count"), Entitlement("Export")
TTL = 60.0


def facts(token):
    start, end = 1_893_456_000.0, 1_893_456_060.000005
    return LeaseFacts((SEATS, EXPORT), "arn", start, end, "node", "PROVISIONAL", token, "signed", {"Export": "Gold"})


def stamped(state):
    """As a store would."""
    return state.stamped(state.version + 1)


def held(token="first", state=VACANT):
    return stamped(change.granted(state, facts(token), TTL, 1_000.0))


def owed(state):
    return [one.token for one in state.owed]


def test_a_checkout_beside_a_lease_leaves_the_other_owed():
    state = held("second", held("first"))
    assert (state.token, owed(state), state.fence) == ("second", ["first"], 2)
    again = held("first", state)
    assert (again.token, owed(again)) == ("first", ["second"])
    assert owed(held("first", held("first"))) == [], "the replay of an answer is the same lease"


def test_a_no_beside_a_lease_leaves_it_owed():
    state = stamped(change.denied(held()))
    assert (state.standing, state.token, owed(state), state.fence) == (State.BARRED, None, ["first"], 2)


def test_a_fence_is_the_version_of_what_is_held():
    state = held()
    assert state.fence == change.UNWRITTEN + 2 == state.version
    state = stamped(change.unanswered(state, state.fence, may_have_acted=True))
    assert (state.fence, state.version) == (1, 2)
    assert held("second", state).fence == 3


def test_a_seat_of_a_call_is_a_good_answer_and_nothing_held():
    state = change.learned(change.refused(VACANT, Refusal("IAM said no")), facts("first"), TTL, 1_000.0)
    assert (state.standing, state.token, state.owed, state.good_at) == (State.LAPSED, None, (), 1_000.0)
    assert state.refusal is None
    closed = change.closed(state)
    assert change.learned(closed, facts("second"), TTL, 2_000.0) is closed


def test_what_there_is_no_room_for_is_forgotten_but_for_what_is_owed_and_pending():
    state = change.forgotten(change.pending(held(), Pending("a", 1.0)))
    assert (state.standing, owed(state), state.facts, state.good_at) == (State.VACANT, ["first"], None, None)
    assert change.taken_up(change.settled(state, "first"), "a").is_blank


def test_what_comes_for_a_closed_guard_is_owed():
    state = held("late", change.closed(held("first")))
    assert (state.standing, state.token, owed(state)) == (State.CLOSED, None, ["first", "late"])


@pytest.mark.parametrize("go", [change.returned, change.closed, change.denied, lambda state: change.lost(state, 1)])
def test_a_lease_that_goes_is_owed_until_it_is_settled_and_its_fence_is_past(go):
    state = stamped(go(held()))
    assert (state.token, owed(state), state.fence) == (None, ["first"], 2)
    assert change.renewed(state, 1, facts("first"), 2_000.0) is state
    assert owed(change.settled(state, "other")) == ["first"]
    assert change.settled(state, "first").is_idle


def test_a_lease_that_ends_is_owed_only_where_an_extension_may_have_moved_its_end():
    assert owed(change.ended(held())) == []
    sure = change.unanswered(held(), 1, may_have_acted=False)
    assert owed(change.ended(sure)) == []
    unsure = change.unanswered(change.unanswered(held(), 1, may_have_acted=True), 1, may_have_acted=False)
    assert owed(change.ended(unsure)) == ["first"]
    assert owed(change.ended(change.renewed(unsure, 1, facts("first"), 2_000.0))) == []
    assert owed(change.unanswered(change.ended(held()), 1, may_have_acted=True)) == ["first"]


def test_a_token_that_is_owed_is_held_again_when_its_extension_is_answered():
    state = change.ended(change.unanswered(held(), 1, may_have_acted=True))
    state = change.renewed(state, 1, facts("first"), 2_000.0)
    assert (state.standing, state.token, owed(state), state.good_at) == (State.HELD, "first", [], 2_000.0)


def test_a_token_that_is_being_given_back_is_not_extended():
    state = change.ended(change.unanswered(held(), 1, may_have_acted=True))
    state = stamped(change.giving_back(state, "first"))
    assert change.renewed(state, 1, facts("first"), 2_000.0) is state
    assert owed(state) == ["first"]


def test_a_refusal_stays_until_a_better_answer():
    refusal = Refusal("IAM said no", "AccessDeniedException", "id")
    state = change.refused(held(), refusal, 1)
    assert (state.standing, state.refusal, state.token) == (State.FORFEIT, refusal, "first")
    assert change.refused(held(), refusal, 0) == held(), "it was about a lease of before"
    assert change.renewed(state, 1, facts("first"), 2_000.0).refusal is None
    assert change.ended(state).refusal == refusal
    assert change.ended(state).standing is State.BARRED


def test_an_intent_is_pending_until_it_is_taken_up():
    state = change.pending(change.pending(VACANT, Pending("a", 1.0)), Pending("b", 2.0, 2.5))
    state = change.pending(state, Pending("a", 1.0, 3.0))
    assert state.pending == (Pending("b", 2.0, 2.5), Pending("a", 1.0, 3.0))
    assert change.taken_up(state, "b").pending == (Pending("a", 1.0, 3.0),)
    assert not state.is_idle


def test_it_travels_as_json_and_shows_no_secret():
    state = held("second", change.pending(held("first"), Pending("client", 1.0, 2.0)))
    state = change.refused(change.unanswered(state, 2, may_have_acted=True), Refusal("IAM said no", None, "id"), 2)
    state = state.stamped(7)
    assert from_data(json.loads(json.dumps(to_data(state)))) == state
    assert from_data(to_data(VACANT)) == VACANT == LeaseState()
    assert not any(secret in repr(state) for secret in ("first", "second", "client", "signed", "'arn'"))
    assert "secret" not in repr(Owed("secret", 1.0))


# -- keys ------------------------------------------------------------------------------------------


class Tier(StrEnum):
    """Values that are texts."""

    GOLD = "gold"


def test_a_key_says_what_is_wanted_and_not_in_which_order():
    assert encoded((SEATS, EXPORT)) == encoded((EXPORT, SEATS)) == b'[[["Export"],["Seats",2,"Count"]]]'
    assert decoded(encoded((SEATS, EXPORT), ("anna",))) == ((EXPORT, SEATS), ("anna",), None)
    assert decoded(encoded((SEATS,), (), "host-1")) == ((SEATS,), (), "host-1")
    assert decoded(encoded((SEATS,), (None,), "")) == ((SEATS,), (None,), "")


@pytest.mark.parametrize(
    "same", [("gold", Tier.GOLD), (1, 1.0, True), (("a", 1), ("a", 1.0))], ids=["texts", "numbers", "tuples"]
)
def test_equal_values_have_one_key(same):
    assert len({encoded((SEATS,), (value,)) for value in same}) == 1


def test_different_values_have_different_keys():
    values = ["1", 1, None, b"1", ("1",), 1.5, "\ud800", "ä", UUID(int=1), "urn:uuid:" + str(UUID(int=1)), '"],["']
    keys = [encoded((SEATS,), (value,)) for value in values if value != 1.5]
    keys += [encoded((SEATS,)), encoded((SEATS,), (), ""), encoded((SEATS,), (), "1"), encoded((SEATS, EXPORT))]
    assert None not in keys
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("value", [object(), Decimal(1), 1.5, ("a", object()), frozenset("a"), 1 << 5000], ids=type)
def test_a_value_that_only_this_process_knows_has_no_key(value):
    assert encoded((SEATS,), (value,)) is None


def test_a_number_stands_for_such_a_value_here():
    assert numbered((SEATS,), 1) != numbered((SEATS,), 2) != encoded((SEATS,), (2,))
    assert decoded(numbered((SEATS,), 7, "seat")).seat == "seat"


def test_the_key_of_a_seat_is_that_of_what_such_calls_have_in_common_with_its_mark():
    for per in (), ("anna",):
        assert seat_of(encoded((SEATS,), per, ""), "host-1") == encoded((SEATS,), per, "host-1")
    assert seat_of(numbered((SEATS,), 7, ""), "host-1") == numbered((SEATS,), 7, "host-1")
