"""Law 1: no guarded body starts unless a live lease covers every entitlement asked for."""

from __future__ import annotations

import pytest

from meterguard import ConfigurationError, EntitlementDenied, EntitlementUnavailable, Reason, UntrustedLease


def test_a_200_that_leaves_an_item_out_is_refused_and_given_back(lm, guard):
    both = guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Export")
    lm.faults.add("CheckoutLicense", partial=["Export"])
    with pytest.raises(EntitlementDenied) as caught, both:
        pytest.fail("the body ran")
    assert caught.value.reason is Reason.COVERS_LESS
    assert [one.name for one in caught.value.missing] == ["Export"]
    assert [one.name for one in caught.value.entitlements] == ["Seats", "Export"]
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert lm.calls("CheckInLicense") == 1


def test_a_200_with_a_smaller_value_is_refused_and_given_back(lm, guard):
    lm.faults.add("CheckoutLicense", partial={"Seats": 1})
    with pytest.raises(EntitlementDenied), guard.requires_entitlement("Seats", 2, "Count"):
        pytest.fail("the body ran")
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_denial_opens_nothing(lm, guard):
    ran = []

    @guard.requires_entitlement("Seats", 4, "Count")
    def body():
        ran.append(1)

    with pytest.raises(EntitlementDenied) as caught:
        body()
    assert not ran
    assert caught.value.code == "NoEntitlementsAllowedException"
    (asked,) = (one for one in lm.requests if one.operation == "CheckoutLicense")
    assert caught.value.request_id == asked.request_id


@pytest.mark.parametrize("lifetime", [0, -60, "soon", 400 * 86_400])
def test_a_nonsense_lifetime_is_not_believed_and_given_back(lm, guard, lifetime):
    lm.faults.add("CheckoutLicense", lifetime=lifetime)
    with pytest.raises(UntrustedLease), guard.requires_entitlement("Seats", 1, "Count"):
        pytest.fail("the body ran")
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_200_without_a_token_is_an_unknown_and_takes_one_seat_at_most(lm, licence, make_warm, landed):
    guard = make_warm(lm, licence, timeout=0.6, on_unknown="deny")
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with lm.faults.active("CheckoutLicense", strip=["LicenseConsumptionToken"]):
        with pytest.raises(EntitlementUnavailable), gate:
            pytest.fail("the body ran")
        landed(guard)
    assert len({request.client_token for request in lm.requests}) == 1
    assert lm.usage("ACME-1") == {"Seats": 1}
    with guard.requires_entitlement("Seats", 1, "Count"):
        assert lm.usage("ACME-1") == {"Seats": 1}


def test_another_unit_is_a_denial(lm, guard):
    with pytest.raises(EntitlementDenied), guard.requires_entitlement("Seats", 1, "Gigabytes"):
        pytest.fail("the body ran")


def test_a_feature_must_carry_the_value_asked_for(lm, make_guard):
    licence = lm.add_license("ACME-2", entitlements=[("Tier", "Gold", "None")])
    guard = make_guard(lm, licence)
    with guard.requires_entitlement("Tier", "Gold", "None"):
        pass
    with pytest.raises(EntitlementDenied), guard.requires_entitlement("Tier", "Platinum", "None"):
        pytest.fail("the body ran")


def test_an_error_of_ours_is_raised_also_where_a_fallback_is_declared(lm, make_guard, licence):
    guard = make_guard(lm, licence, on_unknown="allow")
    lm.faults.add("CheckoutLicense", error="ValidationException", times=None)
    gate = guard.requires_entitlement("Seats", 1, "Count", default="free tier")
    with pytest.raises(ConfigurationError):
        gate(lambda: "premium")()
