"""Entitlements and leases: what is asked for, and what is held."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterguard import Entitlement, Lease, Unit
from meterguard.lease import LeaseFacts
from meterguard.model import MAX_VALUE, shortened

COUNTED = st.sampled_from([unit for unit in Unit if unit.is_counted])
WHOLE = st.integers(1, MAX_VALUE)


# -- entitlements --------------------------------------------------------------------------------


@given(WHOLE, COUNTED)
def test_a_positive_whole_number_is_a_value_however_it_is_written(number, unit):
    expected = Entitlement("Seats", number, unit)
    assert (expected.value, type(expected.value), expected.unit) == (number, int, unit)
    for written in (str(number), Decimal(number), f"{number}.0", f" {number} "):
        assert Entitlement("Seats", written, unit) == expected
        assert hash(Entitlement("Seats", written, unit)) == hash(expected)


@given(st.integers(max_value=0) | st.integers(min_value=MAX_VALUE + 1), COUNTED)
def test_no_other_number_is(number, unit):
    for written in (number, str(number), Decimal(number)):
        with pytest.raises(ValueError, match=r"^value must be a positive whole number"):
            Entitlement("Seats", written, unit)


@given(st.floats() | st.fractions() | st.booleans() | st.binary() | st.complex_numbers(), COUNTED)
def test_nothing_but_an_int_a_decimal_and_a_string_is(value, unit):
    """Also not a float that is whole: 0.1 + 0.2 is not."""
    with pytest.raises(ValueError, match=r"^value must be a positive whole number"):
        Entitlement("Seats", value, unit)


@given(st.text(), COUNTED)
def test_no_text_raises_anything_but_a_value_error(text, unit):
    value = None
    with contextlib.suppress(ValueError):
        value = Entitlement("Seats", text, unit).value
    assert value is None or (0 < value <= MAX_VALUE and Fraction(text.replace("_", "")) == value)


def test_the_unit_follows_from_the_value():
    assert Entitlement("Export") == Entitlement("Export", None, Unit.NONE) == Entitlement("Export", unit="None")
    assert Entitlement("Seats", 1) == Entitlement("Seats", 1, "Count") == Entitlement("Seats", 1, Unit.COUNT)
    assert Entitlement("Seats", 1) != Entitlement("Seats", 1, "Bytes")
    assert Entitlement("Tier", "gold", "None").value == "gold"


def test_it_says_whether_it_is_counted():
    assert Entitlement("Seats", 1).is_counted
    assert not Entitlement("Export").is_counted


@pytest.mark.parametrize(
    ("entitlement", "text"),
    [
        (Entitlement("Seats", 3), "Seats (3 Count)"),
        (Entitlement("Traffic", 5, "Megabytes/Second"), "Traffic (5 Megabytes/Second)"),
        (Entitlement("Export"), "Export"),
        (Entitlement("Tier", "gold", "None"), "Tier (gold)"),
    ],
)
def test_it_is_shown_as_people_would_write_it(entitlement, text):
    assert str(entitlement) == text


def test_it_is_a_value():
    one = Entitlement("Seats", 3)
    for twin in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (twin, hash(twin), repr(twin)) == (one, hash(one), repr(one))
    with pytest.raises(AttributeError, match="frozen"):
        one.value = 4
    with pytest.raises(AttributeError, match="frozen"):
        del one.value
    assert one != ("Seats", 3, Unit.COUNT)
    match one:
        case Entitlement(name, value, unit):
            assert (name, value, unit) == ("Seats", 3, Unit.COUNT)


# -- leases --------------------------------------------------------------------------------------

FACTS = LeaseFacts(
    (Entitlement("Seats", 1), Entitlement("Export")),
    license_arn="arn:secret",
    issued_at=datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
    expires_at=datetime(2026, 1, 1, 1, tzinfo=UTC).timestamp(),
    node_id="node",
    token="t0ken",
    signed_token="s1gned",
    texts={"Export": "Enabled"},
)


def test_a_lease_shows_its_facts():
    lease = Lease(FACTS, lambda: 12.5)
    assert (lease.is_live, lease.expires_in) == (True, 12.5)
    times = {"issued_at": datetime(2026, 1, 1, tzinfo=UTC), "expires_at": datetime(2026, 1, 1, 1, tzinfo=UTC)}
    for name in (field.name for field in dataclasses.fields(FACTS)):
        assert getattr(lease, name) == times.get(name, getattr(FACTS, name))
    assert lease.checkout_type == "PROVISIONAL"


def test_an_ended_lease_has_no_time_left():
    lease = Lease(FACTS, lambda: -1.0)
    assert (lease.is_live, lease.expires_in) == (False, 0.0)


@pytest.mark.parametrize(("left", "state"), [(12.5, "live for 12 s"), (-1.0, "ended"), (0.0, "ended")])
def test_its_repr_has_no_secret(left, state):
    lease = Lease(FACTS, lambda: left)
    assert repr(lease) == str(lease) == f"<Lease Seats (1 Count), Export: {state}>"
    for secret in "arn:secret", "t0ken", "s1gned":
        assert secret not in repr(FACTS)


# -- what was given, in an error text ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        ("x", "'x'"),
        ("x" * 200, "'" + "x" * 76 + "..."),
        (-(10**5000), "a number of 16610 bits"),
        (True, "True"),
    ],
    ids=["int", "str", "long", "huge", "bool"],
)
def test_what_was_given_is_shortened(value, text):
    assert shortened(value) == text
