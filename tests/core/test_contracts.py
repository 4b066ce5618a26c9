"""What a contract says, and the book of the units of it that are held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.contract import Bought, Contract
from meterguard.core import contract_terms as terms
from meterguard.core import units_held as books
from meterguard.model import Entitlement
from meterguard.ports import Allowed
from meterguard.units import Unit

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)


def contract(*lines):
    return Contract(tuple(Bought(*line) for line in lines), NOW)


@pytest.mark.parametrize(
    ("lines", "units"),
    [
        ([], None),
        ([("Seats", True)], None),
        ([("Seats", "ten")], None),
        ([("Seats", float("nan"))], None),
        ([("Seats", 3)], 3),
        ([("Seats", 3), ("Seats", 4, LATER)], 7),
        ([("Seats", 3), ("Seats", 4, EARLIER)], 3),
        ([("Seats", 3), ("Seats", 4, NOW)], 3),
        ([("Seats", 2.75), ("Seats", 0.5)], 3),
        ([("Seats", 2**62), ("Seats", 1)], 2**62 + 1),
        ([("Seats", True), ("Seats", 2)], 2),
    ],
)
def test_units_are_added_up(lines, units):
    assert terms.units(contract(*lines), "Seats") == units


@pytest.mark.parametrize(
    ("line", "asked", "is_covered"),
    [
        ((True,), None, True),
        ((False,), None, False),
        ((1,), None, True),
        ((0,), None, False),
        ((0.5,), None, True),
        ((-1,), None, False),
        (("Gold",), None, True),
        (("",), None, False),
        (("Gold",), "Gold", True),
        (("Gold",), "Silver", False),
        ((True,), "Gold", False),
        ((True, LATER), None, True),
        ((True, NOW), None, False),
        ((3,), 3, True),
        ((3,), 4, False),
        ((3.9,), 4, False),
        ((3, EARLIER), 1, False),
        ((True,), 1, False),
        (("3",), 3, False),
    ],
)
def test_a_line_covers_or_not(line, asked, is_covered):
    unit = Unit.COUNT if isinstance(asked, int) else Unit.NONE
    why = terms.lack(contract(("X", *line)), Entitlement("X", asked, unit))
    assert (why is None) is is_covered


def test_what_has_ended_is_told_where_the_service_tells_it():
    assert terms.lack(contract(("X", True, EARLIER)), Entitlement("X")) == "the customer's contract has ended"


def test_an_answer_carries_texts_and_ends_with_the_first_line():
    both = contract(("Tier", "Gold", LATER), ("Seats", 3, LATER + timedelta(days=1)), ("Other", 1, NOW))
    asked = (Entitlement("Tier"), Entitlement("Seats", 2, "Count"))
    assert terms.allowed(both, asked) == (Allowed("Tier", "Gold", Unit.NONE), Allowed("Seats", "2", Unit.COUNT))
    assert terms.end(both, asked) == LATER
    assert terms.end(contract(("Tier", "Gold")), asked[:1]) is None


def test_a_book_is_a_text_and_back():
    book = {"a": books.Held(10.5, {"Seats": 2}), "b": books.Held(11.0, {"Seats": 1, "Desks": 1})}
    assert books.from_text(books.to_text(book)) == book


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "held": {}}', '{"format": 1, "held": {"a": [1]}}'])
def test_what_is_no_book_is_not_read(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever JSON calls it
        books.from_text(text)


BOUGHT = {"Seats": 5, "Desks": 2}
wishes = st.dictionaries(st.sampled_from(["Seats", "Desks"]), st.integers(1, 5), min_size=1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from("abcdef"), wishes),
        st.tuples(st.just("return"), st.sampled_from("abcdef")),
        st.tuples(st.just("wait"), st.integers(1, 900)),
    ),
    max_size=60,
)


@given(steps)
def test_never_more_is_held_than_was_bought_and_a_no_means_that_it_would_be(sequence):
    book, now, expected = {}, 0.0, {}
    for kind, *of in sequence:
        if kind == "wait":
            now += of[0]
        elif kind == "return":
            book = books.released(book, of[0])
            expected.pop(of[0], None)
        else:
            token, wanted = of
            book = books.live(book, now)
            expected = {name: one for name, one in expected.items() if one[0] > now}
            others = [units for name, (_, units) in expected.items() if name != token]
            fits = all(sum(u.get(name, 0) for u in others) + most <= BOUGHT[name] for name, most in wanted.items())
            short = books.shortfall(book, token, wanted, BOUGHT)
            assert (short is None) is fits
            if fits:
                book = books.taken(book, token, books.Held(now + 900, wanted))
                expected[token] = now + 900, wanted
        live = books.live(book, now)
        assert all(books.in_use(live, name) <= most for name, most in BOUGHT.items())
        assert set(live) == {name for name, one in expected.items() if one[0] > now}
