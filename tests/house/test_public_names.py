"""What the package shows is what it declares, and all that its users were promised."""

from __future__ import annotations

from types import ModuleType

import meterguard

CONTRACT = {
    *("requires_entitlement", "has_entitlement", "ahas_entitlement", "decide", "adecide"),
    *("MeterGuard", "configure", "get_guard", "protect", "Protection"),
    *("Unit", "Entitlement", "Lease", "Decision", "Reason"),
    *("MeterGuardError", "ConfigurationError", "MissingExtra"),
    *("EntitlementDenied", "AuthorizationRefused", "UntrustedLease", "EntitlementUnavailable"),
}


def test_the_contract_is_there():
    assert CONTRACT - set(meterguard.__all__) == set()


def test_names_are_sorted_and_there():
    assert list(meterguard.__all__) == sorted(set(meterguard.__all__))
    assert [name for name in meterguard.__all__ if not hasattr(meterguard, name)] == []


def test_nothing_else_shows():
    visible = {
        name
        for name in dir(meterguard)
        if not name.startswith("_") and not isinstance(getattr(meterguard, name), ModuleType)
    }
    assert visible - {"annotations"} == {name for name in meterguard.__all__ if not name.startswith("_")}


def test_a_public_name_says_what_it_is():
    things = {name: getattr(meterguard, name) for name in meterguard.__all__ if not name.startswith("_")}
    for owner, thing in list(things.items()):
        if isinstance(thing, type):
            own = {name: value for name, value in vars(thing).items() if not name.startswith("_")}
            things |= {f"{owner}.{name}": value for name, value in own.items() if callable(value)}
    assert [name for name, thing in things.items() if callable(thing) and not thing.__doc__] == []
