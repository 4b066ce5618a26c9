"""Parts of units: what is charged is what was used, rounded up; whatever order calls reserve and settle in."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard.account import Account
from meterguard.core.ledger import parted
from meterguard.core.parts import Parts, added, missing, reserved, settled, spare

amounts = st.fractions(min_value=0, max_value=5, max_denominator=1000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), amounts),
        st.tuples(st.just("settle"), st.integers(0, 9), st.fractions(min_value=0, max_value=1, max_denominator=1000)),
    ),
    max_size=40,
)


@given(steps)
def test_units_charged_are_parts_used_rounded_up_and_were_held_before(sequence):
    parts, calls, held, charged, used = Parts(), [], 0, 0, Fraction(0)
    for kind, *of in [*sequence, *([("settle", 0, Fraction(1))] * len(sequence))]:
        if kind == "reserve":
            held += missing(parts, of[0])
            parts = reserved(parts, of[0])
            calls.append(of[0])
        elif calls:
            need = calls.pop(of[0] % len(calls))
            outcome = settled(parts, need, need * of[1])
            assert outcome.charged >= 0
            assert outcome.released >= 0
            parts, used, charged = outcome.parts, used + need * of[1], charged + outcome.charged
            held -= outcome.charged + outcome.released
        assert held == parts.held >= 0
        assert charged == ceil(used)
        assert parts.paid == charged - used >= 0
        assert parts.reserved == sum(calls)
        assert parts.held + parts.paid >= parts.reserved, "each call that runs has what it may use"
        assert parts.held < max(0, parts.reserved - parts.paid) + 1, "and no whole unit more"
    assert calls or held == 0


@given(st.integers(2, 10**9), st.integers(1, 3000))
def test_so_many_calls_of_one_part_charge_one_unit(per_unit, calls):
    parts, charged = Parts(), 0
    for _ in range(calls):
        parts, now, _ = settled(reserved(parts, Fraction(1, per_unit)), Fraction(1, per_unit), Fraction(1, per_unit))
        charged += now
    assert charged == ceil(Fraction(calls, per_unit))


def test_a_running_call_keeps_what_it_may_use():
    parts = reserved(Parts(paid=Fraction(3, 4)), Fraction(1, 2))
    assert (parts.held, spare(parts)) == (0, Fraction(1, 4))
    assert spare(reserved(parts, Fraction(1, 2))) == 0


def test_parts_that_others_paid_for_are_used_first():
    parts = added(Parts(), Fraction(1, 2))
    assert [missing(parts, Fraction(1, 2)), missing(parts, Fraction(2, 3))] == [0, 1]


# -- in the account ------------------------------------------------------------------------------------


def test_an_account_keeps_parts():
    account = parted(parted(Account("scope", "Pages", "Count"), Fraction(1, 3)), Fraction(1, 6))
    assert account.parts == "1/2"
    assert Account.decoded(account.encoded()) == account
    assert parted(account, -Fraction(1, 2)).parts == "0"
    assert parted(account, Fraction(0)) is account


@pytest.mark.parametrize("parts", ["-1/2", "1/0", "half", "", None, "nan"])
def test_an_account_with_other_parts_is_damaged(parts):
    said = json.loads(Account("scope", "Pages", "Count").encoded())
    with pytest.raises(ValueError, match=r"account|Fraction"):
        Account.decoded(json.dumps(said | {"parts": parts}))


def test_an_account_that_knew_no_parts_has_none():
    said = json.loads(Account("scope", "Pages", "Count").encoded())
    del said["parts"]
    assert Account.decoded(json.dumps(said)).parts == "0"
