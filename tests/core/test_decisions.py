"""Decisions from values alone: answers, intents, schedules, requirements, back-off."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard import ConfigurationError, Entitlement, Unit
from meterguard.core.backoff import LONGEST_PAUSE, pause, retry_pause
from meterguard.core.coverage import uncovered
from meterguard.core.intents import PENDING_FOR, Intent, is_open, kept, recalled, take_up
from meterguard.core.requirements import entitlement, together
from meterguard.core.schedule import Tend, refresh_after, tend, window_length
from meterguard.core.terms import Term
from meterguard.core.verdicts import Granted, Rejected, Stale, judge
from meterguard.decision import Reason
from meterguard.ports import Allowed, CheckoutAnswer, FaultKind, Moment

SEATS = Entitlement("Seats", 2, "Count")
EXPORT = Entitlement("Export")
NOW = Moment(1_000.0, 100.0)
ISSUED = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        ([Allowed("Seats", "2", Unit.COUNT), Allowed("Export")], []),
        ([Allowed("Seats"), Allowed("Export", "Enabled", Unit.NONE)], []),
        ([Allowed("Seats", "3", Unit.COUNT)], [EXPORT]),
        ([Allowed("Seats", "1", Unit.COUNT), Allowed("Export")], [SEATS]),
        ([Allowed("Seats", "2", Unit.SECONDS), Allowed("Export")], [SEATS]),
        ([Allowed("seats", "2", Unit.COUNT), Allowed("Export")], [SEATS]),
        ([Allowed("Seats", "-2", Unit.COUNT), Allowed("Export")], [SEATS]),
        ([Allowed("Seats", "9" * 5000, Unit.COUNT), Allowed("Export")], [SEATS]),
        ([Allowed("Seats", "two", Unit.COUNT), Allowed("Export")], [SEATS]),
        ([], [SEATS, EXPORT]),
    ],
)
def test_coverage_is_by_name_unit_and_value(lines, missing):
    assert list(uncovered((SEATS, EXPORT), tuple(lines))) == missing


def answer(seconds, served=0):
    times = (ISSUED, ISSUED + timedelta(seconds=seconds)) if seconds is not None else (ISSUED, None)
    return CheckoutAnswer(
        "token", (Allowed("Seats", "2"), Allowed("Export")), *times, ISSUED + timedelta(seconds=served)
    )


def judged(given_answer, *, sent=NOW, now=NOW, resumed=False):
    return judge((SEATS, EXPORT), given_answer, sent, now, resumed, 0.2, 0.5)


def test_a_lifetime_is_the_services_and_counts_from_before_the_request():
    verdict = judged(answer(60), sent=Moment(990, 90))
    assert isinstance(verdict, Granted)
    assert verdict.term == Term(Moment(990, 90), 60, refresh_after(60, 0.2, 0.5), 60)
    assert verdict.facts.expires_at == ISSUED.timestamp() + 60


@pytest.mark.parametrize("seconds", [None, 0, -1, 400 * 86_400])
def test_a_lifetime_that_makes_no_sense_is_not_believed(seconds):
    verdict = judged(answer(seconds))
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.UNTRUSTED


def test_a_replay_that_ended_is_stale_by_our_clock_or_by_the_services():
    assert isinstance(judged(answer(60), sent=Moment(930, 30)), Stale)
    assert isinstance(judged(answer(60, served=61), resumed=True), Stale)
    assert isinstance(judged(answer(60, served=61), resumed=False), Granted), "a date that is off is not believed"


def test_a_pending_intent_is_taken_up_once_while_it_is_young():
    old, young = Intent("old", Moment(0, 0)), Intent("young", Moment(900, 0))
    taken, rest = take_up([old, young], NOW, "new")
    assert (taken.client_token, taken.resumed, rest) == ("young", True, [])
    taken, rest = take_up([young], Moment(900 + PENDING_FOR, 0), "new")
    assert (taken.client_token, taken.resumed, rest) == ("new", False, [])
    assert take_up([young], Moment(800, 0), "new")[0].client_token == "new", "the clock ran backwards"


def test_a_lifetime_counts_from_the_first_request_that_may_have_acted():
    intent = Intent("token", NOW)
    assert intent.sent(Moment(5, 5)) == Moment(5, 5)
    intent = intent.unanswered(Moment(5, 5), may_have_acted=False)
    assert intent.sent(Moment(6, 6)) == Moment(6, 6)
    intent = intent.unanswered(Moment(6, 6), may_have_acted=True)
    intent = intent.unanswered(Moment(7, 7), may_have_acted=True)
    assert intent.sent(Moment(8, 8)) == Moment(6, 6)


def test_an_intent_that_is_kept_is_as_old_elsewhere_as_the_wall_clock_says():
    intent = Intent("token", Moment(900, 70), Moment(910, 80))
    for one in (intent, Intent("token", Moment(900, 70))):
        assert recalled(kept(one), Moment(1_000, 170)) == one
    elsewhere = recalled(kept(intent), Moment(1_000, 5))
    assert (elsewhere.born, elsewhere.acted_since) == (Moment(900, -95), Moment(910, -85))


@pytest.mark.parametrize(
    ("kind", "acted", "open_"),
    [
        (FaultKind.UNKNOWN, False, True),
        (FaultKind.UNREACHABLE, False, True),
        (FaultKind.DENIED, True, False),
        (FaultKind.NOT_FOUND, True, False),
        (FaultKind.REFUSED, True, True),
        (FaultKind.REFUSED, False, False),
    ],
)
def test_which_failures_leave_an_intent_open(kind, acted, open_):
    assert is_open(Intent("token", NOW, NOW if acted else None), kind) is open_


def test_names_asked_for_twice_are_added_up():
    one = entitlement("Seats", 1)
    assert together([one, one, EXPORT, EXPORT]) == (entitlement("Seats", 2), EXPORT)
    assert together([EXPORT, entitlement("Export", "Gold", "None")]) == (entitlement("Export", "Gold", "None"),)
    with pytest.raises(ConfigurationError, match="'Count' and in 'Bytes'"):
        together([one, entitlement("Seats", 1, "Bytes")])
    with pytest.raises(ConfigurationError, match="'Gold' and as 'Tin'"):
        together([entitlement("Tier", "Gold", "None"), entitlement("Tier", "Tin", "None")])


TERM = Term(NOW, 100, 80, 100)


def at(seconds):
    return Moment(NOW.wall + seconds, NOW.mono + seconds)


@pytest.mark.parametrize(
    ("age", "used_at", "used", "busy", "linger", "expected"),
    [
        (10, 5, True, False, None, (Tend.WAIT, 70)),
        (80, 5, False, False, None, (Tend.WAIT, 20)),
        (80, 50, True, False, None, (Tend.RENEW, 0)),
        (80, 0, False, True, None, (Tend.RENEW, 0)),
        (10, 8, False, False, 5, (Tend.WAIT, 3)),
        (10, 5, True, False, 5, (Tend.RETURN, 0)),
        (10, 0, True, True, 5, (Tend.WAIT, 70)),
        (80, 78, False, False, 5, (Tend.RENEW, 0)),
        (10, 10, False, False, 0, (Tend.RETURN, 0)),
    ],
)
def test_what_is_due_for_a_lease(age, used_at, used, busy, linger, expected):
    assert tend(TERM, at(age), at(used_at), used, busy, linger) == expected


@pytest.mark.parametrize("now", [Moment(NOW.wall - 5000, NOW.mono + 200), Moment(NOW.wall + 5000, NOW.mono + 10)])
def test_a_lease_in_doubt_is_renewed_when_it_is_used_and_else_left_alone(now):
    assert tend(TERM, now, NOW, used=True, is_busy=False, linger=None) == (Tend.RENEW, 0)
    assert tend(TERM, now, NOW, used=False, is_busy=False, linger=None) == (Tend.WAIT, math.inf)


@given(lifetime=st.floats(1, 1e7), ahead=st.floats(0.01, 0.99), draw=st.floats(0, 1, exclude_max=True))
def test_renewal_begins_in_the_refresh_window_with_room_to_retry(lifetime, ahead, draw):
    begins = refresh_after(lifetime, ahead, draw)
    assert lifetime * (1 - ahead) * (1 - 1e-9) <= begins <= lifetime * (1 - ahead * 3 / 4) * (1 + 1e-9)


@given(attempt=st.integers(0, 10_000), draw=st.floats(0, 1, exclude_max=True))
def test_pauses_are_bounded(attempt, draw):
    assert 0 <= pause(attempt, draw) <= LONGEST_PAUSE
    assert 0 < retry_pause(attempt, draw) <= 7


@given(lifetime=st.floats(0.001, 1e7), linger=st.none() | st.floats(0, 1e5))
def test_the_hot_path_looks_up_often_enough_for_anything_it_could_miss(lifetime, linger):
    length = window_length(lifetime, linger)
    assert length <= 5
    assert length <= lifetime / 4
    assert linger is None or length <= linger / 10
