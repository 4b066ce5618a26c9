"""The line of those who wait: order, turns, text."""

from __future__ import annotations

import json

import pytest

from meterguard.core import messages
from meterguard.core.shared import line as change
from meterguard.core.shared import stand as standing
from meterguard.core.shared.line import Entry, Line
from meterguard.core.shared.stand import LONGEST, SHOWN, STUCK, Stand
from meterguard.model import Entitlement

SEATS, JOBS = Entitlement("Seats", 1, "Count"), Entitlement("Jobs", 2, "Count")
WANTED = change.text_of([(SEATS,)])


def entry(ticket, arrived, owner=None, wanted=WANTED, **more):
    return Entry(owner or f"of {ticket}", ticket, arrived, wanted, **more)


def alive(_):
    return True


A, B, C = entry("a", 1.0), entry("b", 2.0), entry("c", 3.0)


def line_of(*entries):
    line = Line()
    for one in entries:
        line = change.placed(line, one)
    return line


def seen(line, me, *, at=0.0, stand=None):
    return standing.heard(line, (stand or Stand(None)).headed(me), at, alive)


def test_order_is_by_arrival_however_late_it_is_written():
    assert line_of(C, A, B).entries == (A, B, C)
    assert change.before(line_of(C, A), B, alive) == (A,)


def test_the_dead_are_before_nobody():
    assert change.before(line_of(A, B), C, lambda owner: owner != A.owner) == (B,)


def test_who_wants_something_else_is_before_nobody():
    jobs = entry("j", 0.5, wanted=change.text_of([(JOBS,)]))
    assert change.before(line_of(jobs, A), B, alive) == (A,)


def test_the_same_wish_has_one_text():
    assert change.text_of([(SEATS, JOBS)]) == change.text_of([(JOBS, SEATS)])
    assert change.text_of([(SEATS,), (JOBS,)]) != change.text_of([(JOBS,), (SEATS,)])
    assert entry("x", 0.0, wanted=change.text_of([(SEATS, JOBS), (JOBS,)])).names == {"Seats", "Jobs"}


def test_who_is_told_of_units_is_who_wants_them_elsewhere():
    jobs = entry("j", 0.5, wanted=change.text_of([(JOBS,)]))
    told = change.freed(line_of(jobs, A, B), {"Seats"}, B.owner)
    assert [one.freed for one in told.entries] == [0, 1, 0]


def test_calls_are_counted():
    assert change.waiting(line_of(entry("a", 1.0, calls=3), B)) == 4
    assert change.waiting(Line()) == 0


def test_text_and_back():
    line = line_of(entry("a", 1.5, calls=3, seen=2.5, freed=7), B)
    assert change.from_text(change.to_text(line)) == line


DAMAGED = ["", "x", "[]", "{}", '{"format":1}', '{"format":1,"entries":[[1]]}', '{"format":1,"entries":7}']
DAMAGED += ['{"format":1,"entries":[["o","t","x","[]",1,1,1]]}', '{"format":"x"}']
DAMAGED += [
    json.dumps({"format": 1, "entries": [["o", "t", 1.0, wanted, 1, 1.0, 0]]})
    for wanted in ("x", "7", "[7]", "[[[7]]]")
]


@pytest.mark.parametrize("text", DAMAGED)
def test_what_is_no_line_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"in a line|Expecting|could not convert"):
        change.from_text(text)


def test_a_newer_line_is_told_from_a_damaged_one():
    with pytest.raises(change.NewerLine):
        change.from_text('{"format":99}')


# -- stands ------------------------------------------------------------------------------------------


def test_who_is_alone_writes_nothing_before_the_first_no():
    stand = Stand(A)
    assert standing.revised(Line(), stand, 5.0, 0.0, alive, was_denied=False) == Line()
    (listed,) = standing.revised(Line(), stand, 5.0, 0.0, alive, was_denied=True).entries
    assert (listed.ticket, listed.seen) == ("a", 5.0)


def test_who_meets_others_writes_at_once():
    assert len(standing.revised(line_of(B), Stand(A), 5.0, 0.0, alive, was_denied=False).entries) == 2


def test_who_becomes_the_first_asks_and_once_more_whenever_units_came_back():
    stand, should_ask = seen(line_of(A, B), B)
    assert (stand.is_first, should_ask) == (False, False)
    stand, should_ask = seen(line_of(B), B, stand=stand)
    assert (stand.is_first, should_ask) == (True, True)
    stand, should_ask = seen(line_of(B), B, stand=stand)
    assert (stand.is_first, should_ask) == (True, False)
    stand, should_ask = seen(change.freed(line_of(B), {"Seats"}, "other"), B, stand=stand)
    assert (stand.is_first, should_ask) == (True, True)


def test_another_call_at_the_head_knows_nothing_of_the_one_before_it():
    stand, _ = seen(line_of(A), A)
    assert stand.headed(A) == stand
    assert stand.headed(C) == Stand(C)


def test_the_first_shows_from_time_to_time_that_it_goes_on():
    stand, _ = seen(line_of(A), A, at=10.0)
    assert standing.revised(line_of(A), stand, 50.0, stand.shown_at + SHOWN / 2, alive, was_denied=True) == line_of(A)
    (shown,) = standing.revised(line_of(A), stand, 50.0, stand.shown_at + SHOWN, alive, was_denied=True).entries
    assert shown.seen == 50.0


def test_who_stands_still_is_passed_by_after_a_while():
    line = line_of(A, B)
    stand, _ = seen(line, B, at=10.0)
    assert standing.revised(line, stand, 0.0, 10.0 + STUCK / 2, alive, was_denied=True) == line
    left = standing.revised(line, stand, 0.0, 10.0 + STUCK, alive, was_denied=True)
    assert [one.ticket for one in left.entries] == ["b"]


def test_who_has_shown_itself_meanwhile_is_not_passed_by():
    stand, _ = seen(line_of(A, B), B, at=10.0)
    line = line_of(entry("a", 1.0, seen=7.0), B)
    assert standing.revised(line, stand, 0.0, 10.0 + STUCK, alive, was_denied=True) == line


def test_the_dead_go_out_when_something_is_written_anyway():
    line, stand = line_of(A, B), seen(line_of(A, B), B)[0]
    dead = A.owner.__ne__
    assert standing.revised(line, stand, 0.0, 0.0, dead, was_denied=True) == line
    written = standing.revised(line, Stand(C), 0.0, 0.0, dead, was_denied=True)
    assert [one.ticket for one in written.entries] == ["b", "c"]


def test_who_is_far_behind_looks_seldom():
    others = [entry(f"{number:04}", float(number)) for number in range(1000)]
    delays = []
    for ahead in (0, 1, 4, 1000):
        me = entry("me", 5000.0)
        stand, _ = seen(line_of(*others[:ahead], me), me)
        delays.append(standing.interval(stand))
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (standing.NEAREST, LONGEST)
    assert standing.interval(Stand(None)) is None


# -- what a call hears that waited in vain -----------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0, 0, 0), ", and was the first in the queue."),
        ((1, 0, 0), ", with 1 call of this process before it in the queue."),
        ((0, 1, 7), ", with at most 7 of 1 other process before it in the queue."),
        ((2, 3, 7), ", with 2 calls of this process and at most 7 of 3 other processes before it in the queue."),
    ],
)
def test_the_place_is_told(place, expected):
    assert messages.waited(5.0, *place) == f"It waited 5 s{expected}"
