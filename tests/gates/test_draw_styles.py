"""Draws and meters in every calling style of a gate: charged once, not at all, or never begun."""

from __future__ import annotations

import pytest

from meterguard import EntitlementDenied
from tests.gates import running_styles  # noqa: F401 - it adds to them
from tests.gates.styles import STYLES

TIMES = {"twice_guarded": 2}


@pytest.fixture(params=STYLES.values(), ids=STYLES)
def style(request):
    return request.param


@pytest.fixture
def times(style):
    """How often one call is counted."""
    return TIMES.get(style.__name__, 1)


@pytest.fixture
def ran():
    return []


@pytest.fixture
def body(ran, balance):
    """Returns its arguments, and remembers how many units were reserved when it ran."""

    def work(a, *, b):
        ran.append(balance().reserved)
        return a, b

    return work


@pytest.fixture
def error():
    return ValueError("mine")


@pytest.fixture
def failing(ran, error):
    def work(a, *, b):
        ran.append((a, b))
        raise error

    return work


def raised(call):
    with pytest.raises(ValueError, match=r"^mine$") as caught:
        call()
    return caught.value


def test_a_call_that_succeeds_is_charged_once(style, times, guard, body, ran, charged):
    call = style(guard.consumes_entitlement("Pages", 3), body)
    assert charged() == 0, "decorating draws nothing"
    assert call() == (1, 2)
    assert (ran, charged()) == ([3 * times], 3 * times)
    assert call() == (1, 2)
    assert charged() == 6 * times


def test_a_call_that_raises_is_not_charged(style, guard, failing, ran, error, charged):
    call = style(guard.consumes_entitlement("Pages", 3), failing)
    assert raised(call) is error
    assert (ran, charged()) == ([(1, 2)], 0)
    assert (error.__cause__, error.__context__) == (None, None)


def test_with_charge_on_error_a_call_that_raises_is_charged(style, times, guard, failing, charged):
    raised(style(guard.consumes_entitlement("Pages", 3, charge_on_error=True), failing))
    assert charged() == 3 * times


def test_a_call_that_is_denied_does_not_run(style, guard, body, ran, charged):
    call = style(guard.consumes_entitlement("Pages", 101), body)
    with pytest.raises(EntitlementDenied) as caught:
        call()
    assert (ran, charged()) == ([], 0)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_computed_value_is_drawn(style, times, guard, body, charged):
    call = style(guard.consumes_entitlement("Pages", lambda *args, **kwargs: 2), body)
    assert [call(), call()] == [(1, 2), (1, 2)]
    assert charged() == 4 * times


def test_a_meter_counts_a_call_that_succeeds(style, times, guard, metered):
    call = style(guard.meters_usage("Requests", 2), lambda a, *, b: (a, b))
    assert call() == (1, 2)
    assert metered() == 2 * times


def test_a_meter_does_not_count_a_call_that_raises(style, guard, failing, error, metered):
    assert raised(style(guard.meters_usage("Requests", 2), failing)) is error
    assert metered() == 0


def test_with_charge_on_error_a_meter_counts_it(style, times, guard, failing, metered):
    raised(style(guard.meters_usage("Requests", 2, charge_on_error=True), failing))
    assert metered() == 2 * times


def test_nothing_is_asked_for_by_a_meter(style, guard, lm):
    style(guard.meters_usage("Requests"), lambda a, *, b: (a, b))()
    assert list(lm.requests) == []
