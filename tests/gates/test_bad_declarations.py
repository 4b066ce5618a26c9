"""A wrong declaration is told where it is written: what is wrong, and what would be right."""

from __future__ import annotations

import contextvars
from datetime import timedelta
from decimal import Decimal

import pytest

from meterguard import ConfigurationError, MeterGuard, Unit, requires_entitlement

UNITS = ", ".join(unit.value for unit in Unit)
WHOLE = "value must be a positive whole number (int, or a Decimal or string that is one) below 2**63; got "
NOT_COUNTED = "which is not counted: leave the value out, or name the unit"
PER = "per must be a non-empty string, a ContextVar or a callable on the call's arguments; got "
SECONDS = "wait must be seconds or a timedelta, from zero to a hundred years; got "
POSITION = "name is missing: @requires_entitlement stands with the entitlement's name in parentheses, as in "


def a_function(): ...


MISTAKES = [
    # name
    (("",), {}, "name must be a non-empty string, the entitlement's name in the licence; got ''"),
    (("  ",), {}, "name must be a non-empty string, the entitlement's name in the licence; got '  '"),
    ((None,), {}, "name must be a non-empty string, the entitlement's name in the licence; got None"),
    ((1,), {}, "name must be a non-empty string, the entitlement's name in the licence; got 1"),
    ((b"Seats",), {}, "name must be a non-empty string, the entitlement's name in the licence; got b'Seats'"),
    ((a_function,), {}, POSITION + '@requires_entitlement("Seats", 1)'),
    # unit
    (("Seats", 1, "Parsecs"), {}, f"unit 'Parsecs' is not one that License Manager counts in; it knows: {UNITS}"),
    (("Seats", 1, "count"), {}, f"unit 'count' is not one that License Manager counts in; it knows: {UNITS}"),
    (("Seats", 1, 1), {}, f"unit 1 is not one that License Manager counts in; it knows: {UNITS}"),
    (("Seats", 1, ["Count"]), {}, f"unit ['Count'] is not one that License Manager counts in; it knows: {UNITS}"),
    (
        ("Seats", a_function, "Parsecs"),
        {},
        f"unit 'Parsecs' is not one that License Manager counts in; it knows: {UNITS}",
    ),
    # value
    (("Seats", 0), {}, WHOLE + "0"),
    (("Seats", -1), {}, WHOLE + "-1"),
    (("Seats", 1.5), {}, WHOLE + "1.5"),
    (("Seats", 2.0), {}, WHOLE + "2.0"),
    (("Seats", True), {}, WHOLE + "True"),
    (("Seats", False), {}, WHOLE + "False"),
    (("Seats", float("nan")), {}, WHOLE + "nan"),
    (("Seats", float("inf")), {}, WHOLE + "inf"),
    (("Seats", Decimal("NaN")), {}, WHOLE + "Decimal('NaN')"),
    (("Seats", Decimal("sNaN")), {}, WHOLE + "Decimal('sNaN')"),
    (("Seats", Decimal("Infinity")), {}, WHOLE + "Decimal('Infinity')"),
    (("Seats", Decimal("1.5")), {}, WHOLE + "Decimal('1.5')"),
    (("Seats", Decimal(0)), {}, WHOLE + "Decimal('0')"),
    (("Seats", Decimal("1e999999")), {}, WHOLE + "Decimal('1E+999999')"),
    (("Seats", "1.5"), {}, WHOLE + "'1.5'"),
    (("Seats", "-1"), {}, WHOLE + "'-1'"),
    (("Seats", "many"), {}, WHOLE + "'many'"),
    (("Seats", "1e999999999"), {}, WHOLE + "'1e999999999'"),
    (("Seats", ""), {}, WHOLE + "''"),
    (("Seats", 2**63), {}, WHOLE + "9223372036854775808"),
    (("Seats", 10**5000), {}, WHOLE + "a number of 16610 bits"),
    (("Seats", "9" * 5000), {}, WHOLE + "'" + "9" * 76 + "..."),
    (("Seats", b"1"), {}, WHOLE + "b'1'"),
    (("Seats", [1]), {}, WHOLE + "[1]"),
    (("Seats", 1j), {}, WHOLE + "1j"),
    # value and unit
    (("Seats", 1, "None"), {}, f"value 1 does not go with unit 'None', {NOT_COUNTED}"),
    (("Seats", 1, Unit.NONE), {}, f"value 1 does not go with unit 'None', {NOT_COUNTED}"),
    (("Seats", "", "None"), {}, f"value '' does not go with unit 'None', {NOT_COUNTED}"),
    (("Seats", True, "None"), {}, f"value True does not go with unit 'None', {NOT_COUNTED}"),
    (("Seats", None, "Count"), {}, "value is missing: unit 'Count' is counted, so say how many"),
    (("Seats", None, Unit.BYTES), {}, "value is missing: unit 'Bytes' is counted, so say how many"),
    # options
    (("Seats", 1), {"hold": "forever"}, "hold must be 'shared' or 'call'; got 'forever'"),
    (("Seats", 1), {"hold": None}, "hold must be 'shared' or 'call'; got None"),
    (("Seats", 1), {"hold": ["call"]}, "hold must be 'shared' or 'call'; got ['call']"),
    (("Seats", 1), {"per": ""}, PER + "''"),
    (("Seats", 1), {"per": 7}, PER + "7"),
    (("Seats", 1), {"per": ["user"]}, PER + "['user']"),
    (("Seats", 1), {"wait": -1}, SECONDS + "-1"),
    (("Seats", 1), {"wait": float("nan")}, SECONDS + "nan"),
    (("Seats", 1), {"wait": float("inf")}, SECONDS + "inf"),
    (("Seats", 1), {"wait": timedelta(seconds=-1)}, SECONDS + "datetime.timedelta(days=-1, seconds=86399)"),
    (("Seats", 1), {"wait": True}, SECONDS + "True"),
    (("Seats", 1), {"wait": "5"}, SECONDS + "'5'"),
    (("Seats", 1), {"wait": None}, SECONDS + "None"),
    (("Seats", 1), {"on_unknown": "raise"}, "on_unknown must be 'grace', 'deny' or 'allow'; got 'raise'"),
    (("Seats", 1), {"on_unknown": True}, "on_unknown must be 'grace', 'deny' or 'allow'; got True"),
    (("Seats", 1), {"on_unknown": ["deny"]}, "on_unknown must be 'grace', 'deny' or 'allow'; got ['deny']"),
    (("Seats", 1), {"pass_lease": True}, "pass_lease must be the name of a keyword argument; got True"),
    (("Seats", 1), {"pass_lease": "a lease"}, "pass_lease must be the name of a keyword argument; got 'a lease'"),
    (("Seats", 1), {"pass_lease": ""}, "pass_lease must be the name of a keyword argument; got ''"),
    (("Seats", 1), {"guard": "ACME-1"}, "guard must be a MeterGuard; got 'ACME-1'"),
    (
        ("Seats", 1),
        {"fallback": None},
        "fallback must be a callable with the function's arguments; for a value use default=None",
    ),
    (
        ("Seats", 1),
        {"fallback": 5},
        "fallback must be a callable with the function's arguments; for a value use default=5",
    ),
    (
        ("Seats", 1),
        {"fallback": a_function, "default": None},
        "fallback= and default= were both given; one of them says what is returned instead",
    ),
]


@pytest.mark.parametrize(("args", "options", "said"), MISTAKES, ids=[str(number) for number in range(len(MISTAKES))])
def test_a_mistake_is_named(args, options, said):
    with pytest.raises(ConfigurationError) as caught:
        requires_entitlement(*args, **options)
    assert str(caught.value) == said
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_guards_own_gates_are_checked_alike(guard):
    with pytest.raises(ConfigurationError, match=r"^value must be a positive whole number"):
        guard.requires_entitlement("Seats", 0)


def test_a_mistake_is_found_after_the_same_declaration_was_right():
    """Equal declarations share a gate; what merely compares equal is no equal declaration."""
    requires_entitlement("Seats", 1, wait=1)
    with pytest.raises(ConfigurationError):
        requires_entitlement("Seats", True, wait=1)
    with pytest.raises(ConfigurationError):
        requires_entitlement("Seats", 1, wait=True)


RIGHT = [
    (("Seats",), {}),
    (("Seats", 1), {}),
    (("Seats", 2**63 - 1), {}),
    (("Seats", Decimal("5.0")), {}),
    (("Seats", "5"), {}),
    (("Seats", 1, Unit.MEGABYTES_PER_SECOND), {}),
    (("Seats", 1, "Megabytes/Second"), {}),
    (("Seats", None, "None"), {}),
    (("Seats", "Enabled", "None"), {}),
    (("Seats", a_function), {}),
    (("Seats", a_function, "None"), {}),
    (("Seats", 1), {"per": contextvars.ContextVar("user")}),
    (("Seats", 1), {"wait": timedelta(minutes=1)}),
    (("Seats", 1), {"wait": 0.5}),
    (("Seats", 1), {"on_unknown": None}),
    (("Seats", 1), {"default": a_function}),
]


@pytest.mark.parametrize(("args", "options"), RIGHT, ids=[str(number) for number in range(len(RIGHT))])
def test_what_is_right_is_taken(args, options):
    assert requires_entitlement(*args, **options)(a_function).__wrapped__ is a_function


def test_an_option_that_there_is_not_is_named_as_pythons_own_error_does():
    for declare in (requires_entitlement, MeterGuard("ACME-1", "issuer").requires_entitlement):
        with pytest.raises(TypeError, match=r"requires_entitlement\(\) got an unexpected keyword argument 'foo'"):
            declare("Seats", 1, foo=3)
