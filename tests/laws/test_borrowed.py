"""Borrowed licences: a machine without a network opens what was lent to it, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterguard import (
    AuthorizationRefused,
    ConfigurationError,
    EntitlementDenied,
    EntitlementUnavailable,
    MeterGuard,
    Reason,
    UntrustedLease,
    events,
)
from meterguard.runtime import borrow_renewal
from meterguard.runtime import clock as runtime_clock

DAY = 86_400
NOWHERE = "http://127.0.0.1:9"  # the port of discard, where nobody listens


@pytest.fixture
def licence(lm):
    entitlements = [("Seats", 3, "Count"), ("Export", None, "None")]
    return lm.add_license("ACME-1", entitlements, ttl=3600, borrow_ttl=DAY, borrow_early_check_in=True)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / "licence.jwt"


@pytest.fixture
def make(lm, licence, file, make_guard):
    """``make(**options)``: a guard of the licence that uses what is borrowed in the file."""

    def make(**options):
        defaults = {"trusted_keys": licence.public_key_pem, "borrowed": file, "node_id": "node-1"}
        return make_guard(lm, licence, **defaults | options)

    return make


@pytest.fixture
def offline(make):
    """``offline(**options)``: the same on a machine without a network."""

    def make_offline(**options):
        return make(**{"endpoint_url": NOWHERE, "timeout": 2, "on_unknown": "deny"} | options)

    return make_offline


def told(guard, kind):
    heard = []
    guard.subscribe(lambda event: isinstance(event, kind) and heard.append(event))
    return heard


# -- borrowing -----------------------------------------------------------------------------------


def test_what_is_borrowed_is_verified_and_written_for_its_owner_alone(lm, make, file):
    guard = make()
    heard = told(guard, events.LicenseBorrowed)
    lease = guard.borrow("Seats", 2)
    assert (lease.is_live, lease.is_verified, lease.is_borrowed, lease.node_id) == (True, True, True, "node-1")
    assert [str(one) for one in lease.entitlements] == ["Seats (2 Count)"]
    assert DAY - 60 < lease.expires_in <= DAY
    assert file.read_text() == f"{lease.signed_token}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [str(one.entitlements[0]) for one in heard] == ["Seats (2 Count)"]
    assert lm.usage("ACME-1") == {"Seats": 2}
    (asked,) = [one for one in lm.requests if one.operation == "CheckoutBorrowLicense"]
    assert asked.parameters["CheckoutMetadata"] == [{"Name": "ProductSKU", "Value": "ACME-1"}]
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 2}, "it outlives the guard"


def test_a_coroutine_borrows_too(make, file):
    lease = asyncio.run(make().aborrow("Export"))
    assert lease.is_borrowed
    assert file.exists()


def test_more_than_there_is_is_not_lent_and_nothing_is_written(make, file):
    with pytest.raises(EntitlementDenied, match="does not lend Seats \\(4 Count\\)") as caught:
        make().borrow("Seats", 4)
    assert caught.value.code == "NoEntitlementsAllowedException"
    assert not file.exists()


def test_a_licence_that_cannot_be_borrowed(lm, make_guard, file):
    licence = lm.add_license("PLAIN-1", [("Seats", 3, "Count")])
    guard = make_guard(lm, licence, trusted_keys=lm.public_key_pem)
    with pytest.raises(EntitlementDenied, match="has no borrow configuration"):
        guard.borrow("Seats", 1, path=file)
    assert not file.exists()


def test_borrowing_needs_keys(lm, licence, make_guard):
    with pytest.raises(ConfigurationError, match="borrowing needs trusted_keys="):
        make_guard(lm, licence).borrow("Seats", 1)
    with pytest.raises(ConfigurationError, match="borrowed= needs trusted_keys="):
        MeterGuard("ACME-1", licence.key_fingerprint, borrowed=True)


def test_a_file_that_cannot_be_written_takes_no_unit(lm, make, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/licence.jwt cannot be written: (Not a directory|File exists)"):
        make(borrowed=tmp_path / "file" / "licence.jwt").borrow("Seats", 1)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_an_answer_that_is_not_believed_goes_back_and_is_not_written(lm, make, file):
    other = lm.add_license("OTHER-1", [("Seats", 3, "Count")])
    assert other
    lm.faults.add("CheckoutBorrowLicense", tamper="key")
    with pytest.raises(UntrustedLease, match="its signed token has a signature that none of the trusted keys made"):
        make().borrow("Seats", 1)
    assert (file.exists(), lm.usage("ACME-1")) == (False, {"Seats": 0})


def test_a_lost_answer_takes_no_second_unit(lm, make):
    guard = make(timeout=2)
    lm.faults.add("CheckoutBorrowLicense", drop="after", times=1)
    guard.borrow("Seats", 1)
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert lm.calls("CheckoutBorrowLicense") == 2


def test_a_call_without_an_answer_is_taken_up_by_the_next(lm, make):
    guard = make(timeout=1)
    with lm.faults.active("CheckoutBorrowLicense", drop="after"), pytest.raises(EntitlementUnavailable):
        guard.borrow("Seats", 1)
    guard.borrow("Seats", 1)
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_of_another_licence_it_is_another_wish(lm, licence, make):
    guard, other = make(timeout=1), lm.add_license("ACME-1", [("Seats", 3, "Count")], borrow_ttl=DAY)
    with lm.faults.active("CheckoutBorrowLicense", drop="before"), pytest.raises(EntitlementUnavailable):
        guard.borrow("Seats", 1, license_arn=licence.arn)
    assert guard.borrow("Seats", 1, license_arn=other.arn).license_arn == other.arn
    assert guard.borrow("Seats", 1, license_arn=licence.arn).license_arn == licence.arn
    asked = [one for one in lm.requests if one.operation == "CheckoutBorrowLicense"]
    assert asked[-1].client_token == asked[0].client_token != asked[-2].client_token


# -- using ---------------------------------------------------------------------------------------

PROGRAM = """
import sys

def no_socket(event, _):
    if event.startswith("socket."):
        raise AssertionError(event)

sys.addaudithook(no_socket)

from pathlib import Path
from meterguard import MeterGuard

with MeterGuard("ACME-1", "aws:1:x:issuer-fingerprint", trusted_keys=Path("key.pem"), borrowed="licence.jwt") as guard:
    @guard.requires_entitlement("Seats", 1, "Count")
    def shared():
        return 1

    @guard.requires_entitlement("Seats", 1, "Count", hold="call")
    def single():
        return 1

    ran = sum(shared() for _ in range(900)) + sum(single() for _ in range(100))
    assert guard.has_entitlement("Export")
print(ran, "botocore" in sys.modules)
"""


def in_a_fresh_process(folder, **environment):
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "METERGUARD_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=folder,
        env={**plain, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_thousand_gates_in_a_fresh_process_open_no_socket(make, licence, tmp_path):
    guard, file = make(node_id=None), tmp_path / "licence.jwt"
    guard.borrow("Seats", 2, path=file)
    guard.borrow("Export", path=file)
    (tmp_path / "key.pem").write_text(licence.public_key_pem)
    done = in_a_fresh_process(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1000 False\n", "boto3 is not even imported"


def test_gates_are_answered_from_it_and_say_so(make, offline):
    make().borrow("Seats", 2)
    guard = offline()
    decision = guard.decide("Seats", 1)
    assert (decision.allowed, decision.reason, decision.is_fallback) == (True, Reason.BORROWED, False)
    with guard.requires_entitlement("Seats", 2, "Count") as lease:
        assert (lease.is_live, lease.is_borrowed, lease.is_verified) == (True, True, True)
    assert guard.decide("Seats", 2).reason is Reason.BORROWED, "also where it is held"


def test_units_are_counted_and_what_is_not_covered_is_asked(lm, make, offline):
    make().borrow("Seats", 2)
    guard = offline()
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")
    with seat, seat, pytest.raises(EntitlementUnavailable), seat:
        pytest.fail("the body ran")
    with seat:
        pass
    for missing in (("Export",), ("Seats", 3), ("Seats", 1, "Gigabytes")):
        assert guard.decide(*missing).reason is Reason.UNAVAILABLE
    online = make()
    assert online.decide("Export").reason is Reason.CHECKED_OUT
    assert online.decide("Seats", 1).reason is Reason.BORROWED


def test_several_side_by_side(make, offline, lm):
    guard = make()
    for wanted in (("Seats", 1), ("Seats", 2), ("Export",)):
        guard.borrow(*wanted)
    assert lm.usage("ACME-1") == {"Seats": 3}
    away = offline()
    both = away.requires_entitlement("Seats", 2, "Count") & away.requires_entitlement("Export")
    with both as lease:
        assert lease.is_borrowed
        assert away.decide("Seats", 1).reason is Reason.BORROWED
        assert away.decide("Seats", 2).reason is Reason.UNAVAILABLE


def test_the_texts_of_features_come_from_each(lm, make_guard, file):
    licence = lm.add_license("ACME-2", [("Tier", "gold", "None"), ("Plan", "year", "None")], borrow_ttl=DAY)
    guard = make_guard(lm, licence, trusted_keys=licence.public_key_pem, borrowed=file)
    for name in ("Tier", "Plan"):
        assert guard.borrow(name).texts
    with guard.requires_entitlement("Tier") & guard.requires_entitlement("Plan") as lease:
        assert (lease.is_borrowed, lease.texts) == (True, {"Tier": "gold", "Plan": "year"})


def test_threads_and_processes_that_borrow_at_once_lose_nothing(lm, licence, make, file, together, tmp_path):
    guards = [make() for _ in range(3)]
    turns = iter([*guards, *guards, *guards])
    lock = threading.Lock()

    def borrow():
        with lock:
            guard = next(turns)
        return guard.borrow("Export")

    assert [one for one in together(9, borrow) if not getattr(one, "is_borrowed", False)] == []
    assert len(file.read_text().splitlines()) == 9
    (tmp_path / "key.pem").write_text(licence.public_key_pem)
    product = {"METERGUARD_PRODUCT_SKU": "ACME-1", "METERGUARD_KEY_FINGERPRINT": licence.key_fingerprint}
    where = {"AWS_ENDPOINT_URL_LICENSE_MANAGER": lm.url, "METERGUARD_NODE_ID": "node-1"}
    command = [sys.executable, "-m", "meterguard", "borrow", "-e", "Export", "--trusted-key", tmp_path / "key.pem"]
    started = [
        subprocess.Popen([*command, "--path", file], env=os.environ | product | where, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [(one.communicate(timeout=50), one.returncode)[1] for one in started] == [0] * 4
    assert len(file.read_text().splitlines()) == 13
    assert make().decide("Export").reason is Reason.BORROWED


def test_the_usual_place_is_one_file_a_product(lm, licence, make_guard, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    options = {"trusted_keys": licence.public_key_pem, "borrowed": True}
    make_guard(lm, licence, **options).borrow("Seats", 1)
    other = lm.add_license("ACME-2", [("Seats", 1, "Count")], borrow_ttl=DAY)
    guard = make_guard(lm, other, **options | {"trusted_keys": other.public_key_pem})
    assert guard.decide("Seats", 1).reason is Reason.CHECKED_OUT, "a licence of another product is not in the way"
    away = make_guard(lm, licence, endpoint_url=NOWHERE, **options)
    assert away.decide("Seats", 1).reason is Reason.BORROWED
    assert len(list(tmp_path.rglob("*.jwt"))) == 1


def test_threads_share_what_there_is_to_the_unit(make, offline, together):
    make().borrow("Seats", 2)
    guard = offline()
    inside, barrier = [], threading.Barrier(8)

    def call():
        try:
            with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
                inside.append(1)
                barrier.wait(20)
        except EntitlementUnavailable:
            barrier.wait(20)
            raise

    outcomes = together(8, call)
    assert (len(inside), sum(isinstance(one, EntitlementUnavailable) for one in outcomes)) == (2, 6)


def test_a_borrowed_licence_is_not_used_without_being_named(make, make_guard, lm, licence):
    make().borrow("Seats", 1)
    assert make_guard(lm, licence).decide("Seats", 1).reason is Reason.CHECKED_OUT


# -- what does not agree -------------------------------------------------------------------------


def is_refused(guard):
    with pytest.raises(UntrustedLease) as caught, guard.requires_entitlement("Seats", 1, "Count"):
        pytest.fail("the body ran")
    return str(caught.value)


def test_each_flipped_byte_is_refused(make, offline, file):
    make().borrow("Seats", 1)
    true = file.read_bytes()
    guard = offline(denial_ttl=0, timeout=15)
    places = random.Random(11).sample(range(len(true)), 150)
    for place in {0, len(true) - 2, len(true) - 1, *places}:
        file.write_bytes(true[:place] + bytes([true[place] ^ (1 << place % 8)]) + true[place + 1 :])
        is_refused(guard)
    file.write_bytes(true[:-1])
    is_refused(guard)
    file.write_bytes(true)
    assert guard.decide("Seats", 1).reason is Reason.BORROWED


def test_it_is_refused_while_the_service_is_up_too(make, file, lm):
    guard = make()
    guard.borrow("Seats", 1)
    file.write_text("e30.e30.AAAA\n")
    before = lm.calls("CheckoutLicense")
    assert "a borrowed licence in" in is_refused(make())
    assert lm.calls("CheckoutLicense") == before


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"node_id": "node-2"}, "is for another node (node_id)"),
        ({"node_id": None}, "is for another node (node_id)"),
        ({"product_sku": "OTHER-1"}, "is of another product"),
    ],
)
def test_another_machine_and_another_product(make, offline, options, why):
    make().borrow("Seats", 1)
    assert why in is_refused(offline(**options))


def test_a_key_of_somebody_else(make, offline, lm):
    from meterguard.emulator.protocol.signer import Signer

    make().borrow("Seats", 1)
    assert "none of the trusted keys made" in is_refused(offline(trusted_keys=Signer().public_key_pem))


def test_the_clock_set_back_is_noticed(make, offline, clock):
    make().borrow("Seats", 1)
    guard = offline(denial_ttl=0)
    assert guard.has_entitlement("Seats", 1)
    clock.shift(3600)
    assert guard.has_entitlement("Seats", 1)
    runtime_clock.move(-600)
    try:
        assert "the clock of this machine was set back" in is_refused(offline())
        assert "the clock of this machine was set back" in is_refused(guard)
    finally:
        runtime_clock.move(600)
    assert guard.has_entitlement("Seats", 1)
    runtime_clock.move(-200)  # within five minutes
    try:
        assert offline().has_entitlement("Seats", 1)
    finally:
        runtime_clock.move(200)


def test_a_clock_that_stands_before_the_issue(make, offline, file):
    make().borrow("Seats", 1)
    runtime_clock.move(-3600)
    try:
        assert "the clock of this machine was set back" in is_refused(offline())
    finally:
        runtime_clock.move(3600)


def test_the_clock_set_forward_ends_it_and_back_is_refused(make, offline, clock):
    make().borrow("Seats", 1)
    guard = offline(denial_ttl=0)
    with guard.requires_entitlement("Seats", 1, "Count"):
        pass
    runtime_clock.move(DAY + 60)
    try:
        assert guard.decide("Seats", 1).reason is Reason.UNAVAILABLE
    finally:
        runtime_clock.move(-DAY - 60)
    is_refused(guard)


@pytest.mark.parametrize("text", ["soon\n", "", "-1\n", "17\n18\n"])
def test_a_moment_that_cannot_be_read(make, offline, file, text):
    make().borrow("Seats", 1)
    assert offline().has_entitlement("Seats", 1)
    seen = file.with_name("licence.jwt.seen")
    assert abs(int(seen.read_text()) - datetime.now(UTC).timestamp()) < 60
    seen.write_text(text)
    if text:
        assert "is damaged" in is_refused(offline())
    else:
        assert offline().has_entitlement("Seats", 1)


def test_a_file_that_cannot_be_read(offline, file):
    file.mkdir(parents=True)
    assert "licence.jwt cannot be read: Is a directory" in is_refused(offline())


# -- time passes ---------------------------------------------------------------------------------


def test_its_end_is_told_an_hour_before_and_once(make, offline, clock, caplog, landed):
    make().borrow("Seats", 1)
    guard = offline()
    heard = told(guard, events.BorrowEnding)
    assert guard.has_entitlement("Seats", 1)
    assert not heard
    clock.shift(DAY - 3000)
    for _ in range(3):
        with guard.requires_entitlement("Seats", 1, "Count"):
            landed(guard)
        clock.shift(120)
    assert [round(one.remaining, -2) for one in heard] == [3000]
    assert [one.levelname for one in caplog.records if "BorrowEnding" in one.message] == ["WARNING"]


def test_after_its_end_the_service_is_asked(make, offline, clock, lm):
    make().borrow("Seats", 1)
    guard = offline()
    online = make()
    for one in (guard, online):
        assert one.decide("Seats", 1).reason is Reason.BORROWED
    clock.shift(DAY + 1)
    assert guard.decide("Seats", 1).reason is Reason.UNAVAILABLE
    assert online.decide("Seats", 1).reason is Reason.CHECKED_OUT


def test_work_that_goes_on_looks_at_the_file_once_a_minute(make, offline, clock, file, landed):
    make().borrow("Seats", 1)
    guard = offline(denial_ttl=0)
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate as lease:
        for _ in range(3):
            clock.shift(61)
            with gate:
                landed(guard)
            assert lease.is_live
        file.unlink()
        clock.shift(61)
        with gate:  # the look is in the background
            landed(guard)
        assert guard.decide("Seats", 1).reason is Reason.UNAVAILABLE


def test_a_use_of_two_licences_ends_with_either(lm, licence, make, clock, file, landed):
    extra = lm.add_license("ACME-1", [("Archive", "2024", "None")], borrow_ttl=DAY)
    guard = make(denial_ttl=0)
    guard.borrow("Archive", license_arn=extra.arn)
    guard.borrow("Seats", 1, license_arn=licence.arn)
    both = guard.requires_entitlement("Seats", 1, "Count") & guard.requires_entitlement("Archive")
    with both as lease:
        assert (lease.is_borrowed, lease.texts) == (True, {"Archive": "2024"})
        first = file.read_text().splitlines()[0]
        assert first == lease.signed_token, "the one that ends first"
        file.write_text(f"{first}\n")
        clock.shift(61)
        with both:
            landed(guard)
        assert not lease.is_live
    with pytest.raises(EntitlementDenied), both:
        pytest.fail("the body ran")


# -- returning -----------------------------------------------------------------------------------


def test_what_is_returned_opens_nothing_any_more(make, lm, file):
    guard = make()
    guard.borrow("Seats", 1)
    guard.borrow("Seats", 2)
    with guard.requires_entitlement("Seats", 2, "Count"):
        pass
    heard = told(guard, events.LicenseReturned)
    guard.return_borrowed()
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert not file.exists()
    assert [str(one.entitlements[0]) for one in heard] == ["Seats (1 Count)", "Seats (2 Count)"]
    assert guard.decide("Seats", 2).reason is Reason.CHECKED_OUT


def test_what_is_not_taken_back_stays_usable(lm, make_guard, file):
    licence = lm.add_license("ACME-2", [("Seats", 1, "Count")], borrow_ttl=DAY, borrow_early_check_in=False)
    guard = make_guard(lm, licence, trusted_keys=licence.public_key_pem, borrowed=file)
    guard.borrow("Seats", 1)
    with pytest.raises(EntitlementDenied, match="does not take the borrowed Seats \\(1 Count\\) back"):
        guard.return_borrowed()
    assert guard.decide("Seats", 1).reason is Reason.BORROWED


def test_one_that_is_not_taken_back_keeps_no_other(lm, licence, make, file):
    stays = lm.add_license("ACME-1", [("Archive", None, "None")], borrow_ttl=DAY, borrow_early_check_in=False)
    guard = make()
    guard.borrow("Archive", license_arn=stays.arn)
    guard.borrow("Seats", 1, license_arn=licence.arn)
    with pytest.raises(EntitlementDenied, match="does not take the borrowed Archive back"):
        guard.return_borrowed()
    assert guard.decide("Archive").reason is Reason.BORROWED
    assert (len(file.read_text().splitlines()), lm.usage(licence)) == (1, {"Seats": 0})


def test_without_a_network_nothing_is_returned(make, offline, lm):
    make().borrow("Seats", 1)
    guard = offline()
    with pytest.raises(EntitlementUnavailable):
        guard.return_borrowed()
    assert guard.decide("Seats", 1).reason is Reason.BORROWED
    assert lm.usage("ACME-1") == {"Seats": 1}


def test_returning_what_has_ended_clears_the_file(make, clock, file):
    guard = make()
    guard.borrow("Seats", 1)
    clock.shift(DAY + 1)
    guard.return_borrowed()
    assert not file.exists()


def test_nothing_is_borrowed(make, file):
    with pytest.raises(ConfigurationError, match=r"nothing is borrowed: there is no .*licence\.jwt"):
        make().return_borrowed()
    assert not file.parent.exists()
    file.parent.mkdir()
    file.write_text("something else\n")
    with pytest.raises(ConfigurationError, match="holds something else than borrowed licences"):
        make().return_borrowed()


# -- renewing ------------------------------------------------------------------------------------


def test_it_is_borrowed_anew_when_half_of_it_has_passed_and_only_where_that_was_asked_for(make, clock, lm, landed):
    make().borrow("Seats", 1)
    for renews in (False, True):
        guard, returned = make(renew_borrowed=renews), threading.Event()
        guard.subscribe(lambda event, returned=returned: isinstance(event, events.LicenseReturned) and returned.set())
        gate = guard.requires_entitlement("Seats", 1, "Count")
        with gate:
            clock.shift(61 if renews else DAY / 2 + 61)
        with gate:
            landed(guard)  # the look
        assert returned.wait(20) is True if renews else not returned.is_set()
        guard.close()
        assert lm.calls("CheckoutBorrowLicense") == (2 if renews else 1)
        assert lm.usage("ACME-1") == {"Seats": 1}
    clock.shift(DAY / 2 + 61)
    assert make().decide("Seats", 1).reason is Reason.BORROWED


def test_where_the_old_one_is_not_taken_back_another_is_borrowed_once(lm, make_guard, file, clock, landed, monkeypatch):
    monkeypatch.setattr(borrow_renewal, "PAUSE", 0.0)
    licence = lm.add_license("ACME-2", [("Seats", 5, "Count")], borrow_ttl=DAY, borrow_early_check_in=False)
    options = {"trusted_keys": licence.public_key_pem, "borrowed": file, "renew_borrowed": True}
    guard, borrowed = make_guard(lm, licence, **options), threading.Event()
    guard.borrow("Seats", 1)
    guard.subscribe(lambda event: isinstance(event, events.LicenseBorrowed) and borrowed.set())
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate:
        clock.shift(DAY / 2 + 61)
    for _ in range(4):
        with gate:
            landed(guard)
        assert borrowed.wait(20)
        clock.shift(61)
    guard.close()
    assert lm.calls("CheckoutBorrowLicense") == 2
    assert lm.usage("ACME-2") == {"Seats": 2}


# -- nothing secret, and fork --------------------------------------------------------------------


def test_no_secret_is_shown(make, file, caplog, licence):
    caplog.set_level("DEBUG", "meterguard")
    guard = make()
    lease = guard.borrow("Seats", 1)
    with guard.requires_entitlement("Seats", 1, "Count"):
        pass
    file.write_text(lease.signed_token + "x\n")
    text = " ".join((is_refused(make()), caplog.text, repr(guard), repr(lease), repr(guard.leases())))
    for secret in (lease.token, lease.signed_token, licence.arn, licence.key_fingerprint):
        assert secret not in text


def test_a_forked_child_counts_its_own(make, offline):
    make().borrow("Seats", 1)
    guard = offline()
    with guard.requires_entitlement("Seats", 1, "Count", hold="call"):
        child = os.fork()
        if child == 0:
            try:
                with guard.requires_entitlement("Seats", 1, "Count", hold="call") as lease:
                    os._exit(0 if lease.is_borrowed else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_where_it_is_may_be_said_in_words(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guard = make(borrowed="here.jwt")
    guard.borrow("Seats", 1)
    assert Path("here.jwt").exists()
    assert guard.decide("Seats", 1).reason is Reason.BORROWED


def test_it_goes_with_a_shared_store(make, tmp_path, lm):
    make().borrow("Seats", 1)
    guards = [make(store=f"sqlite:///{tmp_path}/leases.db") for _ in range(2)]
    for guard in guards:
        assert guard.decide("Seats", 1).reason is Reason.BORROWED
    with guards[0].requires_entitlement("Export") as one, guards[1].requires_entitlement("Export") as other:
        assert (one.is_borrowed, one.token == other.token) == (False, True)
    assert lm.calls("CheckoutLicense") == 1


def test_what_has_to_be_signed_and_what_is_borrowed_go_together(make, clock, landed, lm):
    guard = make(verify_signature="required", grace=0)
    guard.borrow("Seats", 1)
    gate = guard.requires_entitlement("Seats", 1, "Count")
    with gate as lease:
        clock.shift(61)
        with gate:
            landed(guard)
        assert (lease.is_live, lease.is_borrowed) == (True, True)
    with pytest.raises(UntrustedLease, match="it is not signed"), guard.requires_entitlement("Export"):
        pytest.fail("the body ran")
    assert lm.calls("ExtendLicenseConsumption") == 0


def test_of_several_licences_one_has_to_be_named(lm, make, licence):
    make().borrow("Seats", 1)
    other = lm.add_license("ACME-1", [("Seats", 3, "Count")], borrow_ttl=DAY, name="second")
    assert other.key_fingerprint == licence.key_fingerprint
    with pytest.raises(EntitlementDenied, match=r"not one, but 2 licences .* Name the licence with license_arn=") as no:
        make().borrow("Seats", 1)
    assert no.value.reason is Reason.NO_LICENSE
    assert make().borrow("Seats", 1, license_arn=other.arn).license_arn == other.arn
    with pytest.raises(EntitlementDenied, match="Name the licence"):
        make().borrow("Seats", 1, license_arn=f"{other.arn[:-4]}0000")


def test_iam_may_refuse_it(lm, make):
    lm.faults.add("CheckoutBorrowLicense", error="AccessDeniedException")
    with pytest.raises(AuthorizationRefused, match=r"Borrowing Seats .* license-manager:CheckoutBorrowLicense"):
        make().borrow("Seats", 1)
