"""`meterguard.testing`: a licence in the hands of a test."""

from __future__ import annotations

import asyncio
import unittest
from decimal import Decimal

import boto3
import pytest

import meterguard
from meterguard import (
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    consumes_entitlement,
    meters_usage,
    requires_entitlement,
)
from meterguard.testing import Control, override

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@requires_entitlement("Seats", 1, "Count")
def edit():
    return "edited"


@requires_entitlement("Export")
def export():
    return "exported"


@pytest.fixture
def control():
    with override(Seats=5, Export=True) as control:
        yield control


def test_what_is_granted_is_let_through_and_what_was_asked_is_told(control):
    assert [edit(), edit(), export()] == ["edited", "edited", "exported"]
    control.assert_checked_out("Seats", 1)
    control.assert_checked_out("Export")
    assert control.calls == ["CheckoutLicense", "CheckoutLicense"]
    assert control.in_use("Seats") == 1
    meterguard.get_guard().close()
    control.assert_all_checked_in()


def test_assertions_tell_the_story(control):
    edit()
    with pytest.raises(AssertionError) as caught:
        control.assert_checked_out("Export")
    assert "Export should be checked out; held now: <Lease Seats (1 Count): live for" in str(caught.value)
    assert str(caught.value).endswith("asked of the service: CheckoutLicense of Seats 1")
    control.deny("Seats")
    with pytest.raises(EntitlementDenied):
        edit()
    with pytest.raises(AssertionError, match=r"CheckoutLicense of Seats 1 \(NoEntitlementsAllowedException\)$"):
        control.assert_checked_out("Seats")
    control.grant("Seats", 5)
    edit()
    with pytest.raises(AssertionError, match="2 of Seats should be checked out"):
        control.assert_checked_out("Seats", 2)
    with pytest.raises(AssertionError, match="everything should be checked in; held now: <Lease Seats"):
        control.assert_all_checked_in()


def test_deny_and_grant_end_what_was_held(control):
    export()
    control.deny("Export")
    with pytest.raises(EntitlementDenied):
        export()
    control.grant("Export")
    assert export() == "exported"


@pytest.mark.parametrize(
    ("terms", "ask"),
    [
        (3, ("X", 3, "Count")),
        ((2, "Gigabytes"), ("X", 2, "Gigabytes")),
        (True, ("X",)),
        (None, ("X",)),
        ("Enabled", ("X", "Enabled", "None")),
    ],
)
def test_what_can_be_granted(terms, ask):
    with override({"X": terms}):
        assert meterguard.has_entitlement(*ask)
        assert not meterguard.has_entitlement("Y")


@pytest.mark.parametrize("terms", [1.5, (1, 2, 3), object()])
def test_what_cannot_be_granted(terms):
    with pytest.raises(ConfigurationError, match="what is granted must be"):
        Control({"X": terms})


def test_somebody_else_takes_all_that_is_left(control):
    edit()
    control.exhaust("Seats")
    with pytest.raises(EntitlementDenied) as denied:
        edit()
    assert denied.value.is_exhausted
    control.expire()
    with pytest.raises(EntitlementDenied):
        edit()
    control.grant("Seats", 2)
    assert edit() == "edited"
    with pytest.raises(ConfigurationError, match="'Export' is no counted entitlement"):
        control.exhaust("Export")


def test_the_service_fails_and_recovers(control):
    fault = control.fail(times=1)
    assert (edit(), fault.used) == ("edited", 1), "meterguard tries again"
    control.fail("AccessDeniedException")
    with pytest.raises(meterguard.AuthorizationRefused):
        export()
    control.recover()
    assert export() == "exported"


@pytest.mark.parametrize("error", ["RateLimitExceededException", "InternalFailure"])
def test_nobody_waits_for_the_end_of_an_outage(control, error):
    control.fail(error)
    for _ in range(2):
        with pytest.raises(EntitlementUnavailable):
            edit()
    assert control.calls == ["CheckoutLicense"] * 2, "each asked once, and not for ten seconds"
    control.recover()
    assert edit() == "edited"


def test_what_nobody_asks_for(control):
    assert control.unused() == ["Export", "Seats"]
    edit()
    assert control.unused() == ["Export"]
    assert meterguard.has_entitlement("Export")
    assert control.unused() == []


def test_leases_expire_and_are_renewed_or_refused():
    with override(Seats=5, options={"on_unknown": "deny"}) as control:
        edit()
        control.expire()
        assert edit() == "edited"
        assert control.calls == ["CheckoutLicense"] * 2
        control.expire()
        control.fail()
        with pytest.raises(EntitlementUnavailable):
            edit()


def test_grace_can_be_outlived():
    with override(Seats=5, options={"grace": 7200}) as control:
        edit()
        control.fail()
        control.expire()
        assert edit() == "edited"
        control.clock.advance(7200)
        with pytest.raises(EntitlementUnavailable):
            edit()


def test_each_override_is_put_back():
    before = meterguard.get_guard()
    with override(Seats=1) as outer:
        edit()
        with override(Seats=False) as inner:
            with pytest.raises(EntitlementDenied):
                edit()
            assert meterguard.get_guard() is inner.guard
        assert edit() == "edited"
        assert outer.calls == ["CheckoutLicense"]
    assert meterguard.get_guard() is before


@override(Seats=2)
def test_it_decorates_functions(control):
    edit()
    control.assert_checked_out("Seats", 1)


@override(Seats=2)
def test_without_an_argument():
    assert edit() == "edited"


def test_it_decorates_coroutine_functions():
    @override({"Seats": 2})
    async def main(control):
        edit()
        async with override(Seats=False):
            with pytest.raises(EntitlementDenied):
                edit()
        return control.calls

    assert asyncio.run(main()) == ["CheckoutLicense"]
    assert asyncio.run(main()) == ["CheckoutLicense"], "each call has a licence of its own"


@override(Seats=1)
class ClassTest(unittest.TestCase):
    def test_one(self):
        assert edit() == "edited"

    @override(Seats=False)
    def test_another(self):
        with pytest.raises(EntitlementDenied):
            edit()


class AsyncTest(unittest.IsolatedAsyncioTestCase):
    @override(Export=True)
    async def test_export(self):
        assert export() == "exported"


def test_seats_of_calls_that_never_end_are_leaks(control):
    gate = requires_entitlement("Seats", 2, "Count", hold="call")
    left = gate(lambda: iter(()))()
    assert (list(left), control.leaks()) == ([], [])
    gate.__enter__()
    assert control.leaks() == ["Seats (2 Count)"]


# -- draws and meters --------------------------------------------------------------------------------


@consumes_entitlement("Pages", lambda pages, *_: pages, subject=lambda pages, customer="ana": customer, block=50)
def render(pages, customer="ana"):
    return pages


@meters_usage("Gigabytes", lambda amount, customer: amount, "Gigabytes", subject=lambda amount, customer: customer)
def scan(amount, customer):
    return amount


def test_what_was_charged_and_metered():
    with override(Pages=100) as control:
        assert control.charged("Pages") == control.metered("Gigabytes") == 0
        for pages, customer in ((1, "ana"), (2, "ben"), (3, "ana")):
            render(pages, customer)
        assert (control.charged("Pages"), control.charged("Pages", subject="ana")) == (6, 4)
        assert control.charged("Gigabytes") == 0
        scan(Decimal("1.5"), "ana"), scan(Decimal("0.25"), "ana"), scan(2, "ben")
        assert control.metered("Gigabytes") == Decimal("3.75")
        assert repr(control.metered("Gigabytes", subject="ben")) == "2"
        assert (control.metered("Pages"), control.charged("Gigabytes")) == (0, 0)
        control.assert_charged(Pages=6)
        control.assert_charged({"Pages": 4}, subject="ana")
        control.assert_charged(Pages=0, subject="cleo")


def test_what_is_billed():
    with Control() as control:
        emulator = control.emulator
        buyer, other = emulator.add_product("prod-1", ["pages"], ["222222222222", "333333333333"]).customers
        metering = boto3.client("meteringmarketplace", **KEYS)
        emulator.attach(metering)
        for one, quantity in ((buyer, "2.5"), (other, "1.50")):
            record = {"CustomerAWSAccountId": one.account_id, "LicenseArn": one.license_arn, "Dimension": "pages"}
            record |= {"Timestamp": emulator.clock.datetime(), "QuantityAsDecimal": quantity}
            metering.batch_meter_usage(UsageRecords=[record])
        metering.close()
        assert (control.billed("pages"), type(control.billed("pages"))) == (4, int)
        assert control.billed("pages", customer=buyer) == Decimal("2.5")
        assert control.billed("pages", customer="333333333333") == Decimal("1.5")
        assert (control.billed("words"), control.billed("pages", customer="none")) == (0, 0)
        assert control.calls == []
        for wrong in (lambda: control.billed(5), lambda: control.billed("pages", customer=5)):
            with pytest.raises(ConfigurationError, match=r"dimension|customer"):
                wrong()


def test_a_wrong_charge_tells_the_story():
    with override(Pages=10) as control:
        with pytest.raises(
            AssertionError, match=r"^1 of Pages should be charged; charged: nothing; asked .*: nothing$"
        ):
            control.assert_charged(Pages=1)
        render(2, "ana"), render(3, "ben")
        with pytest.raises(AssertionError, match=r"^nothing should be charged; charged: 5 of Pages; asked .* Pages 50"):
            control.assert_charged()
        said = r"^5 of Pages should be charged to 'ana'; charged: 2 of Pages \(of all subjects: 5 of Pages\)"
        with pytest.raises(AssertionError, match=said):
            control.assert_charged(Pages=5, subject="ana")
        with consumes_entitlement("Pages", 4):
            said = "charged: 5 of Pages; reserved by calls that are not over: 4 Count of Pages;"
            with pytest.raises(AssertionError, match=said):
                control.assert_charged(Pages=9)
        control.assert_charged(Pages=9)
        with pytest.raises(ConfigurationError, match="units: 3 is not a mapping"):
            control.assert_charged(3)
        with pytest.raises(ConfigurationError, match="value: '3' is not a number of units"):
            control.assert_charged(Pages="3")


def test_deny_ends_what_was_drawn_ahead_and_a_licence_says_how_much_there_is_in_all():
    with override(Pages=100) as control:
        render(1)
        control.deny("Pages")
        with pytest.raises(EntitlementDenied):
            render(1)
        control.grant("Pages", 4)
        render(3)
        with pytest.raises(EntitlementDenied):
            render(1)
        control.assert_charged(Pages=4)


def test_exhausted_units_do_not_come_back():
    with override(Pages=100) as control:
        render(1)
        control.exhaust("Pages")
        with pytest.raises(EntitlementDenied) as denied:
            render(1)
        assert denied.value.is_exhausted
        control.grant("Pages", 3)
        render(2)
        with pytest.raises(EntitlementDenied):
            render(1)
        control.assert_charged(Pages=3)


def test_units_in_hand_survive_an_outage_and_no_more():
    with override(Pages=3, options={"on_unknown": "deny"}) as control:
        render(1)
        control.fail()
        with pytest.raises(EntitlementUnavailable):
            render(3)
        control.recover()


def test_each_test_has_books_of_its_own():
    for _ in range(2):
        with override(Pages=1) as control:
            render(1)
            control.assert_charged(Pages=1)


def test_a_charge_that_is_open_is_a_leak():
    with override(Pages=5) as control:
        entered = consumes_entitlement("Pages", 3).enter()
        assert control.leaks() == ["3 Count of Pages"]
        entered.release()
        assert control.leaks() == []
