"""What a test says wrongly of its licence is a ConfigurationError that names the argument."""

from __future__ import annotations

from datetime import timedelta

import pytest

import meterguard
from meterguard.testing import Clock, Control, override, point_at


@pytest.fixture
def control():
    with Control({"Seats": 5, "Export": True}) as made:
        yield made


CALLS = {
    "entitlements": lambda _: Control(5),
    "entitlements list": lambda _: Control(["Seats"]),
    "entitlements number": lambda _: Control({5: 1}),
    "granted": lambda _: Control({"Seats": -1}),
    "granted unit": lambda _: Control({"Seats": (1, "Pieces")}),
    "granted list": lambda _: Control({"Seats": [1]}),
    "granted name": lambda _: Control({"": 1}),
    "colour": lambda _: Control(colour="red"),
    "client": lambda _: Control(client=None),
    "timeout": lambda _: Control(timeout="soon"),
    "granted value": lambda control: control.grant("Seats", 1.5),
    "granted nothing": lambda control: control.grant("Seats", 0, "Count"),
    "name": lambda control: control.grant(5),
    "unit": lambda control: control.grant("Seats", 1, "Pieces"),
    "names deny": lambda control: control.deny(5),
    "names deny list": lambda control: control.deny(["Seats"]),
    "names exhaust": lambda control: control.exhaust(["Seats"]),
    "error": lambda control: control.fail(5),
    "operation": lambda control: control.fail(operation="Nope"),
    "latancy": lambda control: control.fail(latancy=5),
    "name in_use": lambda control: control.in_use(["Seats"]),
    "value": lambda control: control.assert_checked_out("Seats", "1"),
    "name asserted": lambda control: control.assert_checked_out(5),
    "duration": lambda control: control.clock.shift("60"),
    "duration none": lambda control: control.clock.shift(None),
    "duration nan": lambda control: control.clock.advance(float("nan")),
    "duration far": lambda control: control.clock.shift(timedelta.max),
    "emulators": lambda _: Clock(5),
    "url": lambda _: point_at("localhost:4020").__enter__(),
    "url number": lambda _: point_at(4020).__enter__(),
    "entitlements override": lambda _: override(5),
    "options": lambda _: override(options=5),
    "override": lambda _: override(Seats=5)(7),
    "granted override": lambda _: override(Seats=1.5).__enter__(),
}

SIGNED_CALLS = {
    "name borrowed": lambda control: control.borrow(5, path="mine.jwt"),
    "value borrowed": lambda control: control.borrow("Seats", 1.5, path="mine.jwt"),
    "unit borrowed": lambda control: control.borrow("Seats", 1, "Pieces", path="mine.jwt"),
    "path": lambda control: control.borrow("Seats", 1),
    "path number": lambda control: control.borrow("Seats", 1, path=5),
    "borrowed": lambda _: Control(borrowed=5),
    "trusted_keys": lambda _: Control(trusted_keys="no key").guard.engine,
}


@pytest.mark.parametrize("case", CALLS)
def test_calls(control, case):
    refused(control, case, CALLS[case])


@pytest.mark.parametrize("case", SIGNED_CALLS)
def test_calls_about_what_is_signed(control, a_server, case):
    refused(control, case, SIGNED_CALLS[case])


def refused(control, case, call):
    with pytest.raises(meterguard.ConfigurationError, match=case.split()[0]) as error:
        call(control)
    assert "\n" not in str(error.value)
    assert control.guard.has_entitlement("Seats", 1, "Count"), "what was refused has changed nothing"


MARKERS = {
    "'Seats'": "keywords only",
    "grant=['Seats']": "grant=",
    "grant={'Seats': -1}": "granted",
    "grant={5: 1}": "entitlements",
    "deny='Seats'": "deny=",
    "deny=5": "deny=",
    "deny=[5]": "deny=",
    "exhaust=5": "exhaust=",
    "exhaust=['Seats']": "'Seats'",
    "leaks='loud'": "leaks",
    "leaks=[]": "leaks",
    "on_unused=5": "on_unused",
    "colour='red'": "colour",
    "timeout='soon'": "timeout",
}


def test_markers(pytester):
    tests = [f"@pytest.mark.meterguard({said})\ndef test_{n}(): pass\n" for n, said in enumerate(MARKERS)]
    pytester.makepyfile("import pytest\n\n" + "\n".join(tests))
    done = pytester.runpytest_subprocess("-p", "no:randomly", "--tb=line", "-q")
    done.assert_outcomes(errors=len(MARKERS))
    told = [line for line in done.outlines if line.startswith("E   meterguard.errors.ConfigurationError: ")]
    assert [named in line for named, line in zip(MARKERS.values(), told, strict=True)] == [True] * len(MARKERS), told
