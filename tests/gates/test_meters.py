"""``meters_usage``: usage written down for a bill, exactly, for whom it was, and nobody is asked or refused."""

from __future__ import annotations

import asyncio
import contextvars
from decimal import Decimal

import pytest

from meterguard import ConfigurationError, EntitlementDenied, Unit

COUNTED = [unit for unit in Unit if unit is not Unit.NONE]


def test_it_is_written_down_before_the_call_returns(guard, metered, lm):
    @guard.meters_usage("Requests")
    def work():
        return metered()

    assert [work(), work(), metered()] == [0, 1, 2]
    assert list(lm.requests) == []


@pytest.mark.parametrize("value", [1, 7, Decimal("0.5"), Decimal("0.000001"), Decimal("12.345678")], ids=str)
def test_parts_are_counted_exactly(guard, metered, value):
    work = guard.meters_usage("Requests", value)(lambda: None)
    for _ in range(3):
        work()
    assert metered() == 3 * value


def test_a_computed_value_gets_the_arguments(guard, metered):
    work = guard.meters_usage("Requests", lambda pages, *, copies: Decimal(pages) * copies)(lambda pages, *, copies: 0)
    work(3, copies=2)
    assert metered() == 6


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "1", Decimal("0.0000001"), None], ids=repr)
def test_a_computed_value_is_checked_at_the_call(guard, metered, value):
    ran = []
    work = guard.meters_usage("Requests", lambda: value)(lambda: ran.append(1))
    with pytest.raises(ConfigurationError, match=r"^value takes a positive number, an int or a Decimal of at most 6 "):
        work()
    assert (ran, metered()) == ([], 0)


@pytest.mark.parametrize(("actual", "written"), [(0, 0), (3, 3), (9, 9), (Decimal("2.5"), Decimal("2.5"))])
def test_what_was_used_in_fact_is_written_down(guard, metered, actual, written):
    with guard.meters_usage("Requests", 5) as charge:
        assert charge.reserved == 5
        charge.settle(actual)
        assert metered() == written
    assert metered() == written


def test_settled_without_blocking_and_cancelled(guard, metered):
    async def main():
        async with guard.meters_usage("Requests", 5) as charge:
            await charge.asettle(2)
        async with guard.meters_usage("Requests", 5) as charge:
            charge.cancel()
        async with guard.meters_usage("Requests", 5):
            pass

    asyncio.run(main())
    assert metered() == 7


def subjects(guard, name="Requests"):
    records = guard.ledger.records(by=("entitlement", "subject"))
    return {one.subject: one.quantity for one in records if one.entitlement == name}


SUBJECTS = {
    "nobody": (None, None),
    "a text": ("anna", "anna"),
    "a callable": (lambda who: who, "bob"),
    "a number": (lambda who: 7, "7"),
    "a callable that names nobody": (lambda who: None, None),
}


@pytest.mark.parametrize(("subject", "said"), SUBJECTS.values(), ids=SUBJECTS)
@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_for_whom_it_was(guard, declare, subject, said):
    getattr(guard, declare)("Pages", 2, subject=subject)(lambda who: None)("bob")
    assert subjects(guard, "Pages") == {said: 2}


@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_a_context_variable_says_for_whom(guard, declare):
    customer = contextvars.ContextVar("customer")
    work = getattr(guard, declare)("Pages", 2, subject=customer)(lambda: None)
    with pytest.raises(ConfigurationError) as caught:
        work()
    assert str(caught.value) == "subject='customer' is a ContextVar that is not set here: set it before the call"
    customer.set("anna")
    work()
    assert subjects(guard, "Pages") == {"anna": 2}


@pytest.mark.parametrize("wrong", [True, 1.5, ["anna"], b"anna", object()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_a_subject_that_records_cannot_name_is_refused(guard, declare, wrong):
    ran = []
    with pytest.raises(ConfigurationError) as caught:
        getattr(guard, declare)("Pages", 2, subject=lambda: wrong)(lambda: ran.append(1))()
    said = f"subject= gave a {type(wrong).__name__}, which usage records cannot name: give a text or a number"
    assert (str(caught.value), ran) == (said, [])


# -- units ---------------------------------------------------------------------------------------------


@pytest.fixture
def of_all_units(lm, request):
    return lm.add_license(f"{request.node.nodeid} units", [(unit.name, 10, unit.value) for unit in COUNTED])


def test_every_unit_that_is_counted_is_drawn_and_metered(lm, of_all_units, client, make_guard):
    guard = make_guard(lm, of_all_units, endpoint_url=None, region_name=None, client=client)
    for unit in COUNTED:
        with guard.consumes_entitlement(unit.name, 3, unit), guard.meters_usage(f"metered {unit.name}", 2, unit.value):
            pass
    books = guard.ledger.summary()
    assert len(COUNTED) == 26
    assert {name: (one.unit, one.charged) for name, one in books.items()} == {u.name: (u.value, 3) for u in COUNTED}
    written = {one.entitlement: (one.unit, one.quantity) for one in guard.ledger.records()}
    assert {f"metered {unit.name}": (unit.value, 2) for unit in COUNTED}.items() <= written.items()


@pytest.mark.parametrize("unit", ["None", Unit.NONE, None], ids=repr)
@pytest.mark.parametrize("declare", ["consumes_entitlement", "meters_usage"])
def test_a_feature_cannot_be_used_up(guard, declare, unit):
    with pytest.raises(ConfigurationError) as caught:
        getattr(guard, declare)("Export", 1, unit)
    assert str(caught.value) == (
        "unit must be one that is counted: a feature (unit 'None') cannot be used up; guard it with "
        "requires_entitlement"
    )


@pytest.mark.parametrize("asked", ["Gigabits", "Megabytes", "Count"])
def test_one_unit_is_never_taken_for_another(lm, request, client, make_guard, asked):
    licence = lm.add_license(request.node.nodeid, [("Scanned", 1000, "Gigabytes")])
    guard = make_guard(lm, licence, endpoint_url=None, region_name=None, client=client)
    with pytest.raises(EntitlementDenied), guard.consumes_entitlement("Scanned", 1, asked):
        pass
    assert lm.usage(licence)["Scanned"] == 0
