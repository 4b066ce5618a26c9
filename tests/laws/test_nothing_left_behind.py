"""Law 4: after a normal end no lease is live at the service."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from meterguard import ConfigurationError, EntitlementUnavailable
from meterguard.events import CheckInFailed, LeaseCheckedIn

ENDINGS = {
    "returns": "pass",
    "raises": "raise ValueError('on purpose')",
    "sys.exit": "import sys; sys.exit(3)",
    "system exit in a thread": "import threading; t = threading.Thread(target=sys.exit); t.start(); t.join()",
    "inside a with": "gate.__enter__()",
    "while a thread still runs": (
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    ),
    "keyboard interrupt": "import _thread, time; _thread.interrupt_main(); time.sleep(5)",
    "sigterm handler that exits": (
        "import os, signal; signal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); os.kill(os.getpid(), signal.SIGTERM)"
    ),
    "other threads go on": (
        "import threading, time; late = meterguard.requires_entitlement('Seats', 1, hold='call')(seat)\n"
        "def work():\n"
        "    threading.main_thread().join(); time.sleep(0.2); print(seat(), late(), flush=True)\n"
        "threading.Thread(target=work).start()"
    ),
    "guard forgotten": "del guard, gate, seat; import gc; gc.collect()",
    "multiprocessing fork": (
        "import multiprocessing as m; p = m.get_context('fork').Process(target=seat); p.start(); p.join();"
        "assert p.exitcode == 0"
    ),
    "after an asyncio loop": "import asyncio; asyncio.run(coroutine())",
}
PROGRAM = """
import sys
import meterguard

guard = meterguard.get_guard()
gate = meterguard.requires_entitlement("Seats", 1, "Count")

@gate
def seat():
    return "ran"

@gate
async def coroutine():
    return "ran"

assert seat() == "ran"
print("held", flush=True)
"""


def run(lm, licence, program):
    env = dict(
        os.environ,
        AWS_ENDPOINT_URL_LICENSE_MANAGER=lm.url,
        METERGUARD_PRODUCT_SKU=licence.product_sku,
        METERGUARD_KEY_FINGERPRINT=licence.key_fingerprint,
    )
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=env,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_ends_gives_everything_back(lm, licence, ending):
    done = run(lm, licence, PROGRAM + ENDINGS[ending])
    assert "held" in done.stdout, done.stderr
    assert lm.calls("CheckoutLicense") >= 1
    assert lm.usage("ACME-1") == {"Seats": 0}, done.stderr
    if ending == "other threads go on":
        assert "ran ran" in done.stdout, done.stderr
    if ending == "returns":
        assert done.stderr == ""
        assert done.returncode == 0


LATE = """
import atexit, sys
import meterguard

late = meterguard.MeterGuard()

@atexit.register
def at_exit():
    try:
        late.has_entitlement("Export")
    except meterguard.ConfigurationError as refused:
        print(refused)
"""


@pytest.mark.parametrize("before", ["", "assert meterguard.has_entitlement('Export')", "import boto3"])
def test_nothing_is_checked_out_once_the_exit_has_begun(lm, licence, before):
    done = run(lm, licence, LATE + before)
    assert "exiting" in done.stdout, done.stderr
    assert lm.calls("CheckoutLicense") == lm.calls("CheckInLicense") == bool("has" in before)


@pytest.mark.parametrize("guards", [1, 4])
def test_exit_takes_two_seconds_at_most_when_the_service_is_gone(lm, licence, guards):
    more = f"for one in range(1, {guards}): meterguard.MeterGuard().decide('Export')\n"
    program = PROGRAM + more + "import time; print(time.time(), flush=True); sys.stdin.read()"
    env = dict(
        os.environ,
        AWS_ENDPOINT_URL_LICENSE_MANAGER=lm.url,
        METERGUARD_PRODUCT_SKU=licence.product_sku,
        METERGUARD_KEY_FINGERPRINT=licence.key_fingerprint,
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        process.stdout.readline()
        with lm.faults.active("*", hold=True):
            began = time.monotonic()
            process.stdin.close()
            process.wait(10)
            took = time.monotonic() - began
    assert 1 <= lm.calls("CheckInLicense") <= 2
    # a bound on behaviour, not a measurement: a client that keeps its own time-outs takes five seconds and more, and
    # so do four guards that take two seconds each
    assert took < 4


def test_close_gives_everything_back_and_ends_the_guard(lm, guard):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    export = guard.requires_entitlement("Export")(lambda: "ran")
    seat(), export()
    assert len(guard.leases()) == 2
    guard.close()
    guard.close()
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert lm.calls("CheckInLicense") == 2
    assert guard.leases() == []
    for call in (seat, export, lambda: guard.has_entitlement("Export"), guard.prewarm):
        with pytest.raises(ConfigurationError, match="closed"):
            call()


def test_the_hot_path_is_shut_by_close(lm, guard):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat(), seat()
    guard.close()
    with pytest.raises(ConfigurationError):
        seat()


def test_with_and_async_with_close(lm, licence, make_guard):
    import asyncio

    with make_guard(lm, licence) as guard:
        guard.requires_entitlement("Seats", 1, "Count")(lambda: None)()
    assert lm.usage("ACME-1") == {"Seats": 0}

    async def main():
        async with make_guard(lm, licence) as guard, guard.requires_entitlement("Seats", 1, "Count") as lease:
            assert lease.is_live
            assert lm.usage("ACME-1") == {"Seats": 1}

    asyncio.run(main())
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_checkout_in_the_air_at_close_is_given_back(lm, guard, together):
    import threading

    fault = lm.faults.add("CheckoutLicense", hold=True, applied=True)
    caught = []

    def call():
        try:
            guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
        except ConfigurationError as closed:
            caught.append(closed)

    thread = threading.Thread(target=call)
    thread.start()
    lm.wait_for_calls("CheckoutLicense")
    closer = threading.Thread(target=guard.close)
    closer.start()
    while not guard._is_closed:
        threading.Event().wait(0.01)
    fault.release()
    closer.join()
    thread.join()
    lm.wait_for_calls("CheckInLicense", done=True)
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_a_checkout_that_is_in_the_air_when_the_process_ends_is_given_back(lm, licence):
    program = """
import threading
import meterguard

assert meterguard.has_entitlement("Export")
threading.Thread(target=lambda: meterguard.requires_entitlement("Seats", 1).__enter__(), daemon=True).start()
threading.Event().wait(0.2)
"""
    with lm.faults.active("CheckoutLicense", latency=1.2, skip=1):
        run(lm, licence, program)
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert lm.calls("CheckInLicense") == 2


def test_a_failed_check_in_is_told_and_never_raised(lm, licence, make_guard, caplog):
    guard = make_guard(lm, licence)
    events = []
    guard.subscribe(events.append)
    lm.faults.add("CheckInLicense", error="ConflictException", times=None)
    seat = guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")
    assert seat() == "ran"
    assert [event for event in events if isinstance(event, CheckInFailed)]
    assert "ConflictException" in caplog.text


def test_a_second_check_in_of_a_lost_first_is_no_failure(lm, guard):
    events = []
    guard.subscribe(events.append)
    lm.faults.add("CheckInLicense", drop="after")
    guard.requires_entitlement("Seats", 1, "Count", hold="call")(lambda: "ran")()
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert [type(event) for event in events][-1] is LeaseCheckedIn


@pytest.mark.parametrize(("ending", "seats"), [("", 1), ("guard.close()", 0)])
def test_check_in_on_exit_can_be_switched_off_for_the_exit_only(lm, licence, ending, seats):
    program = """
import meterguard

guard = meterguard.MeterGuard(check_in_on_exit=False)
guard.requires_entitlement("Seats", 1, "Count").__enter__()
"""
    done = run(lm, licence, program + ending)
    assert done.returncode == 0, done.stderr
    assert lm.usage("ACME-1") == {"Seats": seats}


def test_configure_closes_the_guard_it_replaces(lm, licence):
    import meterguard

    where = {"key_fingerprint": licence.key_fingerprint, "endpoint_url": lm.url, "region_name": lm.region}
    seat = meterguard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    meterguard.configure("ACME-1", **where)
    seat(), seat()
    meterguard.configure("ACME-1", **where)
    assert lm.usage("ACME-1") == {"Seats": 0}
    seat()
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert lm.calls("CheckoutLicense") == 2


def test_a_lease_beyond_the_bound_is_given_back(lm, make_guard):
    licence = lm.add_license("ACME-4", entitlements=[("Seats", 9, "Count")])
    guard = make_guard(lm, licence, max_leases=2)
    seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user)(lambda user: user)
    with guard.requires_entitlement("Seats", 2, "Count"):
        for user in "abcd":
            seat(user)
        lm.wait_for_calls("CheckInLicense", 3, done=True)
        assert lm.usage("ACME-4") == {"Seats": 3}, "two for the with, one for the last user"
    assert len(guard.leases()) == 2


def test_an_idle_lease_lingers_and_is_given_back(lm, licence, make_guard):
    guard = make_guard(lm, licence, linger=0.5)
    guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
    assert lm.usage("ACME-1") == {"Seats": 1}
    lm.wait_for_calls("CheckInLicense", done=True)
    assert lm.usage("ACME-1") == {"Seats": 0}
    assert guard.leases() == []


def test_an_idle_lease_lapses_without_a_renewal(lm, make_guard):
    licence = lm.add_license("ACME-5", entitlements=[("Seats", 1, "Count")], ttl=1)
    guard = make_guard(lm, licence)
    events = []
    guard.subscribe(events.append)
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat(), seat()
    deadline = time.monotonic() + 10
    while guard.leases() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [request.operation for request in lm.requests] == ["CheckoutLicense"]
    assert seat() == "ran"
    assert lm.calls("CheckoutLicense") == 2


def test_after_an_outage_at_exit_nothing_new_is_checked_out(lm, licence, make_warm):
    guard = make_warm(lm, licence, timeout=0.3, on_unknown="deny")
    with lm.down():
        with pytest.raises(EntitlementUnavailable):
            guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")()
        asked = lm.calls("CheckoutLicense")
        guard.close()
    assert lm.calls("CheckoutLicense") <= asked + 1
    assert lm.usage("ACME-1") == {"Seats": 0}
