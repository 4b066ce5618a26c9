"""A process that draws: ``python worker.py URL REGION SKU FINGERPRINT LEDGER BLOCK THREADS USED [CALLS]``.

Without CALLS it goes on until it is killed. It says ``ready`` after its first unit, and appends a byte to the file USED
for each unit that it uses: a write that outlives ``kill -9``.
"""

from __future__ import annotations

import os
import sys
import threading

import meterguard


def main(url, region, sku, fingerprint, ledger, block, threads, used, calls="0"):
    guard = meterguard.MeterGuard(
        sku, fingerprint, endpoint_url=url, region_name=region, ledger=ledger, denial_ttl=0, timeout=30
    )
    file = os.open(used, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @guard.consumes_entitlement("Words", 1, block=int(block), subject="worker")
    def work():
        os.write(file, b".")

    def run():
        for _ in range(int(calls)) if int(calls) else iter(int, 1):
            work()

    if not int(calls):
        work()  # which imports boto3
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    workers = [threading.Thread(target=run) for _ in range(int(threads))]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    guard.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
