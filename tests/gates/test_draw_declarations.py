"""A wrong declaration of a draw or a meter is told where it is written: what is wrong, and what would be right."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from decimal import Decimal

import celery
import click
import flask
import pytest
from starlette.applications import Starlette

import meterguard
from meterguard import ConfigurationError, Unit, consumes_entitlement, meters_usage

UNITS = ", ".join(unit.value for unit in Unit)
WHOLE = "value must be a positive whole number (int, or a Decimal or string that is one) below 2**63; got "
METERED = "value takes a positive number, an int or a Decimal of at most 6 places; got "
NAME = "name must be a non-empty string, the entitlement's name in the licence; got "
NOT_A_UNIT = f" is not one that License Manager counts in; it knows: {UNITS}"
SUBJECT = "subject must be a non-empty string, a ContextVar or a callable on the call's arguments; got "


def a_function(): ...


OF_BOTH = [
    ((1,), {"name": ""}, NAME + "''"),
    ((1,), {"name": None}, NAME + "None"),
    ((1,), {"name": 1}, NAME + "1"),
    ((1, "Parsecs"), {}, "unit 'Parsecs'" + NOT_A_UNIT),
    ((1, "count"), {}, "unit 'count'" + NOT_A_UNIT),
    ((1, 1), {}, "unit 1" + NOT_A_UNIT),
    ((a_function, "Parsecs"), {}, "unit 'Parsecs'" + NOT_A_UNIT),
    ((1,), {"charge_on_error": 1}, "charge_on_error must be True or False; got 1"),
    ((1,), {"charge_on_error": None}, "charge_on_error must be True or False; got None"),
    ((1,), {"per_item": "yes"}, "per_item must be True or False; got 'yes'"),
    ((1,), {"subject": ""}, SUBJECT + "''"),
    ((1,), {"subject": 7}, SUBJECT + "7"),
    ((1,), {"subject": ["anna"]}, SUBJECT + "['anna']"),
    ((1,), {"pass_charge": True}, "pass_charge must be the name of a keyword argument; got True"),
    ((1,), {"pass_charge": "a charge"}, "pass_charge must be the name of a keyword argument; got 'a charge'"),
    ((1,), {"pass_charge": ""}, "pass_charge must be the name of a keyword argument; got ''"),
    ((1,), {"guard": "ACME-1"}, "guard must be a MeterGuard; got 'ACME-1'"),
    ((1,), {"hold": "call"}, "{0} has no option hold=: units are used up, whoever else has some"),
    ((1,), {"per": "web"}, "{0} has no option per=: units are no seats; subject= says for whom they are"),
    ((1,), {"wait": 5}, "{0} has no option wait=: units that are used up do not come back"),
    ((1,), {"pass_lease": "lease"}, "{0} has no option pass_lease=: there is no lease; pass_charge= passes the charge"),
]
OF_DRAWS = [
    ((), {}, "value is missing: say how many units of 'Pages' a call uses"),
    ((0,), {}, WHOLE + "0"),
    ((-1,), {}, WHOLE + "-1"),
    ((True,), {}, WHOLE + "True"),
    ((1.0,), {}, WHOLE + "1.0"),
    ((1.5,), {}, WHOLE + "1.5"),
    ((Decimal("1.5"),), {}, WHOLE + "Decimal('1.5')"),
    (("many",), {}, WHOLE + "'many'"),
    ((2**63,), {}, WHOLE + "9223372036854775808"),
    ((None,), {}, "value is missing: unit 'Count' is counted, so say how many"),
    ((1,), {"block": 0}, "block must be a whole number from 1; got 0"),
    ((1,), {"block": -5}, "block must be a whole number from 1; got -5"),
    ((1,), {"block": True}, "block must be a whole number from 1; got True"),
    ((1,), {"block": 1.5}, "block must be a whole number from 1; got 1.5"),
    ((1,), {"block": "10"}, "block must be a whole number from 1; got '10'"),
    ((1,), {"per_unit": 0}, "per_unit must be a whole number from 2; got 0"),
    ((1,), {"per_unit": 1}, "per_unit must be a whole number from 2; got 1"),
    ((1,), {"per_unit": True}, "per_unit must be a whole number from 2; got True"),
    ((1,), {"per_unit": 1000.0}, "per_unit must be a whole number from 2; got 1000.0"),
    ((1,), {"per_unit": "1000"}, "per_unit must be a whole number from 2; got '1000'"),
    ((1,), {"on_unknown": "raise"}, "on_unknown must be 'grace', 'deny' or 'allow'; got 'raise'"),
    ((1,), {"fallback": 5}, "fallback must be a callable with the function's arguments; for a value use default=5"),
    (
        (1,),
        {"fallback": a_function, "default": None},
        "fallback= and default= were both given; one of them says what is returned instead",
    ),
]
OF_METERS = [
    ((0,), {}, METERED + "0"),
    ((-1,), {}, METERED + "-1"),
    ((True,), {}, METERED + "True"),
    ((1.5,), {}, METERED + "1.5"),
    (("1",), {}, METERED + "'1'"),
    ((None,), {}, METERED + "None"),
    ((Decimal("NaN"),), {}, METERED + "Decimal('NaN')"),
    ((Decimal("0.0000001"),), {}, METERED + "Decimal('1E-7')"),
    ((1,), {"per_unit": 1000}, "{0} has no option per_unit=: a meter writes a Decimal down as it is"),
    ((1,), {"block": 5}, "{0} has no option block=: a meter asks no licence"),
    ((1,), {"on_unknown": "deny"}, "{0} has no option on_unknown=: a meter asks no licence"),
    ((1,), {"fallback": a_function}, "{0} has no option fallback=: a meter refuses nobody"),
    ((1,), {"default": None}, "{0} has no option default=: a meter refuses nobody"),
]
MISTAKES = [
    *((consumes_entitlement, *one) for one in OF_BOTH + OF_DRAWS),
    *((meters_usage, *one) for one in OF_BOTH + OF_METERS),
]


@pytest.mark.parametrize(("declare", "args", "options", "said"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_is_named(declare, args, options, said):
    options = dict(options)
    with pytest.raises(ConfigurationError) as caught:
        declare(options.pop("name", "Pages"), *args, **options)
    assert str(caught.value) == said.replace("{0}", declare.__name__)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("declare", [consumes_entitlement, meters_usage])
def test_without_parentheses_it_says_what_is_missing(declare, guard):
    for one in declare, getattr(guard, declare.__name__):
        with pytest.raises(ConfigurationError) as caught:
            one(a_function)
        said = f"name is missing: @{declare.__name__} stands with the entitlement's name in parentheses, as in"
        assert str(caught.value).startswith(said)


@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_an_option_that_there_is_nowhere_is_pythons_own_error(declare, guard):
    for one in meterguard, guard:
        with pytest.raises(TypeError, match=rf"^{declare}\(\) got an unexpected keyword argument 'foo'$"):
            getattr(one, declare)("Pages", 1, foo=3)


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "many", None, Decimal("0.5")], ids=repr)
def test_a_computed_value_is_checked_at_the_call(guard, lm, value):
    ran = []
    work = guard.consumes_entitlement("Pages", lambda: value)(lambda: ran.append(1))
    with pytest.raises(ConfigurationError, match=r"^value "):
        work()
    assert (ran, list(lm.requests)) == ([], [])


RIGHT = [
    ((1,), {}),
    ((Decimal("5.0"),), {}),
    (("5",), {}),
    ((a_function,), {}),
    ((1, Unit.GIGABYTES), {}),
    ((1, "Gigabytes"), {"block": 100, "on_unknown": "deny"}),
    ((1,), {"subject": contextvars.ContextVar("customer")}),
    ((1,), {"default": a_function}),
]


@pytest.mark.parametrize(("args", "options"), RIGHT, ids=[str(number) for number in range(len(RIGHT))])
def test_what_is_right_is_taken(args, options):
    assert consumes_entitlement("Pages", *args, **options)(a_function).__wrapped__ is a_function


def test_the_signatures_say_what_there_is():
    assert str(inspect.signature(meters_usage)) == (
        "(name, value=1, unit='Count', *, subject=None, charge_on_error=False, per_item=False, pass_charge=None, "
        "guard=None)"
    )
    drawn = str(inspect.signature(consumes_entitlement))
    assert drawn.startswith(
        "(name, value, unit='Count', *, per_unit=None, block=None, charge_on_error=False, per_item=False, "
    )
    assert drawn.endswith("pass_charge=None, guard=None)")


# -- what cannot be guarded ----------------------------------------------------------------------------

DECLARED = {"consumes_entitlement": consumes_entitlement("Pages", 1), "meters_usage": meters_usage("Pages")}


@pytest.fixture(params=DECLARED)
def declaration(request):
    return request.param


def refusal(declaration, what):
    with pytest.raises(TypeError) as caught:
        DECLARED[declaration](what)
    return str(caught.value)


def test_a_class(declaration):
    class Report: ...

    said = refusal(declaration, Report)
    assert said.endswith(f"    class Report:\n        @{declaration}(...)\n        def work(self): ...")


def test_what_a_framework_registered_already(declaration):
    order = f"The guard goes next to the function:\n\n    @{{}}\n    @{declaration}(...)\n    def "
    registered = {
        "app.task": celery.Celery().task(without_it),
        "click.command()": click.command()(lambda: None),
        "app.route('/report')": flask.Flask("app"),
        "app.get('/report')": Starlette(),
    }
    for by, what in registered.items():
        assert order.format(by) in refusal(declaration, what)


def test_what_cannot_be_called(declaration):
    assert refusal(declaration, 1) == "an object of type int cannot be guarded: decorate the function"
    assert "put @property above the guard" in refusal(declaration, property(lambda self: 1))


def without_it(a): ...


async def coroutine_without_it(a): ...


def generator_without_it(a):
    yield a


@pytest.mark.parametrize("fn", [without_it, coroutine_without_it, generator_without_it])
@pytest.mark.parametrize("declare", [consumes_entitlement, meters_usage])
def test_a_callable_that_cannot_take_the_charge_is_refused(declare, fn):
    with pytest.raises(ConfigurationError) as caught:
        declare("Pages", 1, pass_charge="charge")(fn)
    assert str(caught.value) == f"pass_charge='charge': {fn.__name__} has neither a parameter 'charge' nor **kwargs"


@pytest.mark.parametrize("options", [{"fallback": a_function}, {"default": None}], ids=["fallback", "default"])
def test_a_block_cannot_degrade(guard, options):
    draw = guard.consumes_entitlement("Pages", 1, **options)
    with pytest.raises(ConfigurationError, match=r"^fallback= and default= say what a decorated function returns"):
        draw.__enter__()

    async def main():
        async with draw:
            pass

    with pytest.raises(ConfigurationError, match=r"^fallback= and default= say what a decorated function returns"):
        asyncio.run(main())
