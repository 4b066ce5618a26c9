"""Every way to write and to call a guarded function: it runs under a lease, or not at all."""

from __future__ import annotations

import pytest

from meterguard import EntitlementDenied
from tests.gates import running_styles  # noqa: F401 - it adds to them
from tests.gates.styles import STYLES

TAKES_TWO = {"twice_guarded"}
KEEPS_ITS_RESULT = {"above_another_decorator"}


@pytest.fixture(params=STYLES.values(), ids=STYLES)
def style(request):
    return request.param


@pytest.fixture
def ran():
    return []


@pytest.fixture
def body(ran, used):
    """Returns its arguments, and remembers how many seats were taken when it ran."""

    def work(a, *, b):
        ran.append(used())
        return a, b

    return work


def test_the_first_call_checks_out_and_the_next_ride_along(style, guard, body, ran, checkouts):
    call = style(guard.requires_entitlement("Seats", 1), body)
    assert checkouts() == [], "decorating asks for nothing"
    assert [call(), call()] == [(1, 2), (1, 2)]
    assert checkouts() == [{"Seats": "1"}]
    assert ran == [1] * (1 if style.__name__ in KEEPS_ITS_RESULT else 2)


def test_each_call_takes_a_seat_and_gives_it_back(style, per_call, body, ran, used, checkouts):
    call = style(per_call, body)
    seats = 2 if style.__name__ in TAKES_TWO else 1
    assert call() == (1, 2)
    assert (ran, used()) == ([seats], 0)
    assert call() == (1, 2)
    assert used() == 0
    assert checkouts() == [{"Seats": "1"}] * 2 * seats


@pytest.mark.parametrize("hold", ["shared", "call"])
def test_without_the_entitlement_nothing_runs(style, denied, body, ran, hold):
    call = style(denied(hold=hold), body)
    with pytest.raises(EntitlementDenied) as caught:
        call()
    assert [str(one) for one in caught.value.missing] == ["Nope"]
    assert ran == []
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_computed_value_is_asked_for(style, guard, body, checkouts):
    call = style(guard.requires_entitlement("Seats", lambda *args, **kwargs: 2), body)
    assert [call(), call()] == [(1, 2), (1, 2)]
    assert checkouts() == [{"Seats": "2"}]
