"""Fork: a child never uses or returns what its parent holds."""

from __future__ import annotations

import os
import threading

import pytest

import meterguard
from tests.laws import forks

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # 3.12 and newer warn of forks in a process with threads, which is the very thing tested here
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]


def in_child(work):
    """What ``work()`` returns in a forked child, as text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = repr(work())
        except BaseException as raised:  # noqa: BLE001
            text = f"raised {raised!r}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def test_a_child_checks_out_for_itself_and_returns_only_its_own(lm, licence, guard):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat(), seat()

    def child():
        held = len(guard.leases())
        seat()
        used = lm_usage()
        guard.close()
        return held, used

    def lm_usage():
        import boto3

        client = boto3.client("license-manager", endpoint_url=lm.url, region_name=lm.region)
        usage = client.get_license_usage(LicenseArn=licence.arn)["LicenseUsage"]["EntitlementUsages"]
        return next(one["ConsumedValue"] for one in usage if one["Name"] == "Seats")

    assert in_child(child) == "(0, '2')"
    assert lm.usage("ACME-1") == {"Seats": 1}
    assert guard.leases()[0].is_live
    assert seat() == "ran"
    assert lm.calls("CheckoutLicense") == 2


def test_a_with_block_that_is_left_in_the_child_gives_nothing_back(lm, guard):
    for hold in ("shared", "call"):
        gate = guard.requires_entitlement("Seats", 1, "Count", hold=hold)
        lease = gate.__enter__()

        def child(gate=gate, lease=lease):
            gate.__exit__(None, None, None)
            return lease.is_live

        assert in_child(child) == "False"
        assert lease.is_live
        gate.__exit__(None, None, None)
    assert [request.operation for request in lm.requests].count("CheckInLicense") == 1


def test_the_childs_exit_returns_nothing_of_the_parents(lm, guard):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat()

    def child():
        from meterguard.runtime import shutdown

        shutdown._close_all()

    assert in_child(child) == "None"
    assert lm.calls("CheckInLicense") == 0


def test_a_child_returns_nothing_of_a_guard_that_nobody_refers_to(lm, licence, make_guard):
    import gc

    from meterguard.runtime import shutdown

    def hold():
        guard = meterguard.MeterGuard("ACME-1", licence.key_fingerprint, endpoint_url=lm.url, region_name=lm.region)
        assert guard.has_entitlement("Export")

    hold()
    gc.collect()
    assert in_child(shutdown._close_all) == "None"
    assert lm.calls("CheckInLicense") == 0
    shutdown.close(shutdown._registries.popitem()[1][0])
    assert lm.calls("CheckInLicense") == 1


def test_a_fork_while_another_thread_flies_and_holds_locks_leaves_the_child_working(lm, guard):
    seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    fault = lm.faults.add("CheckoutLicense", hold=True)
    thread = threading.Thread(target=seat)
    thread.start()
    lm.wait_for_calls("CheckoutLicense")
    engine = guard.engine
    locks = [engine.registry.lock, engine.registry.flights._lock, guard._lock, engine.registry.workers._lock]
    locks += [record.lock for record in engine.registry.all_records()]
    taken, release = threading.Event(), threading.Event()

    def hold():
        for lock in locks:
            lock.acquire()
        taken.set()
        release.wait()
        for lock in reversed(locks):
            lock.release()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    try:
        assert in_child(seat) == "'ran'"
    finally:
        release.set()
        fault.release()
        holder.join()
        thread.join()


def test_a_fork_in_the_middle_of_the_first_import_of_boto3(lm, licence):
    """The child must not inherit an import lock that nobody will release."""
    import subprocess
    import sys

    program = """
import os, sys, threading
import meterguard
guard = meterguard.get_guard()
seat = guard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
started = threading.Event()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "botocore.session":
            started.set()
        return None

sys.meta_path.insert(0, Finder())
thread = threading.Thread(target=seat)
thread.start()
started.wait()
pid = os.fork()
if pid == 0:
    assert seat() == "ran"
    guard.close()
    os._exit(0)
_, status = os.waitpid(pid, 0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    env = dict(
        os.environ,
        AWS_ENDPOINT_URL_LICENSE_MANAGER=lm.url,
        METERGUARD_PRODUCT_SKU=licence.product_sku,
        METERGUARD_KEY_FINGERPRINT=licence.key_fingerprint,
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=40, check=False
    )
    assert done.returncode == 0, done.stderr
    assert lm.calls("CheckoutLicense") == 2
    assert lm.usage("ACME-1") == {"Seats": 0}


def test_the_default_guard_follows_into_the_child(lm, licence):
    meterguard.configure("ACME-1", licence.key_fingerprint, endpoint_url=lm.url, region_name=lm.region)
    seat = meterguard.requires_entitlement("Seats", 1, "Count")(lambda: "ran")
    seat()

    def child():
        result = seat()
        meterguard.get_guard().close()
        return result

    assert in_child(child) == "'ran'"
    assert lm.calls("CheckoutLicense") == 2
    assert lm.usage("ACME-1") == {"Seats": 1}


@pytest.mark.timeout(180)
def test_forks_under_load_neither_hang_nor_leave_a_seat(lm, tmp_path):
    """``python -m tests.laws.forks 1000`` does so a thousand times."""
    forks.run(lm, f"sqlite:///{tmp_path}/store.db", 24, seconds=150.0)
