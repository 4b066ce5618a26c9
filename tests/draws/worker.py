"""A process that draws: ``python worker.py URL REGION SKU FINGERPRINT LEDGER BLOCK THREADS USED [CALLS]``.

Without CALLS it goes on until it is killed. It says ``ready`` after its first unit, and appends a byte to the file USED
for each unit that it uses: a write that outlives ``kill -9``.
"""

from __future__ import annotations

import os
import sys
import threading

import meterguard
from meterguard.stores.sqlite_ledger import SqliteLedger


def guard_over(ledger, sku, fingerprint, url, region):
    """A guard over the ledger at a URL. ``wal:PATH`` is a file of SQLite in WAL mode, whatever its version is."""
    options = {"endpoint_url": url, "region_name": region, "denial_ttl": 0, "timeout": 30}
    if not ledger.startswith("wal:"):
        return meterguard.MeterGuard(sku, fingerprint, ledger=ledger, **options)
    guard = meterguard.MeterGuard(sku, fingerprint, **options)
    guard.ledger_in_use = SqliteLedger(ledger.removeprefix("wal:"), journal="wal")
    return guard


def main(url, region, sku, fingerprint, ledger, block, threads, used, calls="0"):
    guard = guard_over(ledger, sku, fingerprint, url, region)
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
