"""Programs that verify signatures or run offline, in the hands of a test."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterguard import (
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    MeterGuard,
    Reason,
    UntrustedLease,
    requires_entitlement,
)
from meterguard.testing import Control, override

DAY = 86_400


@requires_entitlement("Seats", 1, "Count")
def edit():
    return "edited"


@requires_entitlement("Export")
def export():
    return "exported"


@pytest.fixture
def control():
    with override(Seats=5, Export=True, options={"borrowed": True, "on_unknown": "deny"}) as control:
        yield control


def test_what_was_borrowed_is_enough_offline_and_nothing_is_asked(control):
    lease = control.borrow("Seats", 2)
    assert (lease.is_borrowed, lease.is_verified, lease.is_live) == (True, True, True)
    with control.offline():
        assert edit() == "edited"
        assert control.calls == []
        with pytest.raises(EntitlementUnavailable):
            export()
    assert export() == "exported"
    control.assert_checked_out("Seats", 1)
    assert control.unused() == []


def test_it_ends_after_a_day_and_the_service_is_asked_again(control):
    control.borrow("Seats", 2)
    control.clock.shift(DAY + 1)
    with control.offline(), pytest.raises(EntitlementUnavailable):
        edit()
    assert edit() == "edited"
    assert control.guard.decide("Seats", 1).reason is Reason.CACHED


def test_the_clock_set_back_can_be_tested(control):
    control.borrow("Seats", 2)
    control.clock.shift(3600)
    assert control.guard.has_entitlement("Seats", 2)
    control.clock.shift(-3600)
    with pytest.raises(UntrustedLease, match="the clock of this machine was set back"):
        edit()


def test_it_stays_borrowed_whatever_is_granted_later(control):
    control.borrow("Seats", 2)
    control.borrow("Export")
    control.deny("Seats", "Export")
    assert [edit(), export()] == ["edited", "exported"]
    control.guard.return_borrowed()
    for gone in (edit, export):
        with pytest.raises(EntitlementDenied):
            gone()


def test_others_have_what_is_not_borrowed(control):
    control.borrow("Seats", 2)
    control.exhaust("Seats")
    assert edit() == "edited"
    control.guard.return_borrowed()
    assert control.guard.decide("Seats", 2).reason is Reason.CHECKED_OUT, "the two that came back are free"
    assert control.guard.decide("Seats", 3).reason is Reason.NOT_ENTITLED


def test_more_than_is_granted_cannot_be_borrowed(control):
    with pytest.raises(EntitlementDenied, match="does not lend Seats \\(6 Count\\)"):
        control.borrow("Seats", 6)
    control.fail()
    control.borrow("Seats", 5)  # faults are for the program


def test_the_program_can_borrow_itself(control):
    control.guard.borrow("Seats", 1)
    assert control.calls == ["CheckoutBorrowLicense"]
    control.guard.return_borrowed()
    assert control.calls[-1] == "CheckInLicense"


def test_the_file_is_the_tests_own_and_goes_with_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    files = []
    for _ in range(2):
        with Control({"Seats": 5}, borrowed=True) as control:
            assert control.guard.decide("Seats", 1).reason is Reason.CHECKED_OUT, "nothing is borrowed at first"
            control.borrow("Seats", 1)
            assert control.guard.decide("Seats", 1).reason is Reason.BORROWED
            files.append(control.guard.settings.borrowed)
    assert len(set(files)) == 2
    assert [one for one in files if one.parent.exists()] == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_name_stays(tmp_path):
    with Control({"Seats": 5}, borrowed=tmp_path / "mine.jwt", node_id="node-1") as control:
        control.borrow("Seats", 1)
        assert control.guard.decide("Seats", 1).reason is Reason.BORROWED
    assert (tmp_path / "mine.jwt").exists()


def test_a_file_for_somebody_else(tmp_path):
    with Control({"Seats": 5}) as control:
        control.borrow("Seats", 1, path=str(tmp_path / "mine.jwt"))
        assert (tmp_path / "mine.jwt").exists()
        with pytest.raises(ConfigurationError, match="path: there is no file to borrow into"):
            control.borrow("Seats", 1)
        assert control.guard.decide("Seats", 1).reason is Reason.CHECKED_OUT


# -- signatures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"verify_signature": "required"}, {"verify_signature": "if-present"}])
def test_checkouts_are_signed_and_the_guard_has_the_key(options):
    with override(Seats=5, options=options) as control:
        with control.guard.requires_entitlement("Seats", 1, "Count") as lease:
            assert lease.is_verified
        control.deny("Seats")
        control.grant("Seats", 5)
        control.emulator.faults.add("CheckoutLicense", tamper="key")
        with pytest.raises(UntrustedLease):
            edit()
        assert edit() == "edited"


def test_guards_of_the_tests_own_are_given_the_key():
    with Control({"Seats": 5}, verify_signature="required") as control, control.emulator as lm:
        own = {"trusted_keys": control.public_key_pem, "verify_signature": "required", "endpoint_url": lm.url}
        (licence,) = lm.licenses()
        with MeterGuard(licence.product_sku, licence.key_fingerprint, region_name="us-east-1", **own) as guard:
            assert guard.decide("Seats", 1).lease.is_verified


def test_a_key_that_is_given_counts():
    with override(Seats=5, options={"trusted_keys": a_strangers_key()}), pytest.raises(UntrustedLease):
        edit()


def test_without_these_options_nothing_is_signed():
    with Control({"Seats": 5}) as control, control.guard.requires_entitlement("Seats", 1, "Count") as lease:
        assert (lease.is_verified, lease.signed_token) == (False, None)
        assert control.guard.settings.trusted_keys is None


def a_strangers_key():
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
