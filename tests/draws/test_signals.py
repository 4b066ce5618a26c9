"""Exceptions of signal handlers, in the middle of draws: none is lost, and the books balance."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys
import meterguard

guard = meterguard.get_guard()
used = 0

@meterguard.consumes_entitlement("Words", 1, block=int(sys.argv[1]))
def work():
    global used
    used += 1

class OutOfTime(TimeoutError):
    pass

def out_of_time(number, frame):
    raise OutOfTime

work()
signal.signal(signal.SIGALRM, out_of_time)
struck = 0
for attempt in range(60):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (1 + attempt % 30))
            while True:
                work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OutOfTime:
        struck += 1
guard.close()
left = meterguard.MeterGuard()
found = left.ledger.summary()["Words"]
left.close()
print(struck, used, found.drawn, found.charged, found.reserved, found.left, found.lost, flush=True)
"""


@pytest.mark.parametrize("block", [10, 1000])
def test_at_any_moment(lm, licence, tmp_path, block):
    env = dict(
        os.environ,
        AWS_ENDPOINT_URL_LICENSE_MANAGER=lm.url,
        METERGUARD_PRODUCT_SKU=licence.product_sku,
        METERGUARD_KEY_FINGERPRINT=licence.key_fingerprint,
        METERGUARD_LEDGER=f"sqlite:///{tmp_path}/ledger.db",
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(block)], env=env, capture_output=True, text=True, timeout=80, check=False
    )
    assert done.returncode == 0, done.stderr
    struck, used, drawn, charged, reserved, left, lost = map(int, done.stdout.split())
    assert struck == 60
    assert (drawn, reserved, lost) == (charged + left, 0, 0)
    assert lm.usage(licence)["Words"] == drawn
    # an exception may strike between the body and its charge, on either side
    assert used - struck <= charged <= used + struck
