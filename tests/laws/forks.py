"""A fork matrix under load: ``python -m tests.laws.forks FORKS``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.house.source import ROOT

FORKER = Path(__file__).with_name("forker.py")


def run(lm, store, count, seconds=300.0):
    """Fork so often. Returns how many leases the one sweep at the end gave back."""
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 10_000, "Count"), ("Words", 10_000, "Count")], ttl=3600)
    at = (lm.url, lm.region, "ACME-1", licence.key_fingerprint, store, str(count))
    command = [sys.executable, str(FORKER), *at]
    pipe, env = subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said = process.stdout.readline().split()
            left = _settled(lm, said)
            _, errors = process.communicate(timeout=seconds)
        finally:
            process.kill()
    assert (process.returncode, len(said)) == (0, 3), errors
    released, failed, held = map(int, said)
    assert (failed, left) == (0, held), f"after one sweep only what the process holds itself is out: {said}, {left}"
    assert lm.checkouts() == []
    return released


def _settled(lm, said, seconds=8.0):
    """Return how many leases are out, once those that were on their way back have arrived."""
    until = time.monotonic() + seconds
    while (left := len(lm.checkouts())) > int(said[-1]) and time.monotonic() < until:
        time.sleep(0.02)
    return left


def main(count):
    from meterguard.emulator import Emulator

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Emulator() as lm:
        released = run(lm, f"sqlite:///{folder}/store.db", int(count))
        calls = {name: lm.calls(name) for name in ("CheckoutLicense", "ExtendLicenseConsumption", "CheckInLicense")}
    print(f"{count} forks in {time.monotonic() - began:.0f} s; the last sweep gave {released} back; calls: {calls}")


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    main(*sys.argv[1:])
