"""Any sequence of calls, in parts and in units, of the licence and on credit: the books of a slice balance."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from meterguard.runtime.clock import SystemClock
from meterguard.runtime.slices import Slice

OWN, LENT = 12, 5  # units

steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(1, 30), st.sampled_from([1, 2, 3, 10])),
        st.tuples(st.just("settle"), st.integers(0, 9), st.integers(0, 30)),
    ),
    max_size=40,
)


@given(steps)
def test_units_are_free_open_or_charged_and_parts_are_covered(sequence):
    part = Slice("scope", "Pages", "Count", SystemClock())
    part.add(OWN)
    part.add(LENT, on_credit=True)
    calls, whole, fractions, charged = [], 0, Fraction(0), 0
    for kind, *of in [*sequence, *([("settle", 0, 30)] * len(sequence))]:
        if kind == "reserve":
            amount, per_unit = of
            reservation = part.reserve(amount if per_unit > 1 else min(amount, 3), per_unit)
            calls += [] if reservation is None else [reservation]
        elif calls:
            reservation = calls.pop(of[0] % len(calls))
            used = min(of[1], reservation.units)
            charged += part.settle(reservation, used, "anna")
            if reservation.per_unit == 1:
                whole += used
            else:
                fractions += Fraction(used, reservation.per_unit)
        assert min(part.free, part.open, part.credit_open) >= 0
        assert charged == whole + ceil(fractions)
    assert part.open + part.credit_open == sum(one.units for one in calls if one.per_unit == 1) + part.parts.held
    if not calls:
        draft = part.drafted(give_back=True)
        batch = (0, 0, 0, 0) if draft is None else draft.batch[1:]
        assert batch[0] + batch[1] == OWN
        assert batch[2] + batch[3] == LENT
        assert batch[0] + batch[2] == charged
        assert sum(one.quantity for one in draft.usage) == charged
        assert part.parts.paid == ceil(fractions) - fractions
