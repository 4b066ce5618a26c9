"""Many more users than seats, in small: ``python -m tests.laws.many_seats 100000`` counts the same for a whole town."""

from __future__ import annotations

import pytest

from tests.laws import many_seats

USERS = 3_500


@pytest.mark.parametrize("scenario", many_seats.SCENARIOS)
def test_users_who_are_gone_leave_nothing(scenario):
    found = many_seats.figures(scenario, USERS)
    assert found["more objects"] < (USERS - many_seats.FIRST) / 2, found
    assert found["most leases"] <= many_seats.MOST
    assert found["left at the service"] <= many_seats.MOST
    # one goes back while the next is taken, and some may be on their way
    assert found["most at the service"] <= many_seats.MOST + found["most owed"] + many_seats.EVERY
    assert (found["most owed"] > 0) is (scenario == "failing")
    assert found["owed, but not live"] <= 1, "one that has just gone back"
    assert found["requests"]["CheckoutLicense"] == USERS
