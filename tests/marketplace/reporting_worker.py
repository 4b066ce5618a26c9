"""A process that meters and reports what it is told: ``python reporting_worker.py URL SKU FINGERPRINT LEDGER CODE``.

It reads a command a line: ``move SECONDS``, ``use NAME QUANTITY``, ``flush``; and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal

import meterguard
from meterguard.marketplace import Sink
from meterguard.runtime import clock


def main(url, sku, fingerprint, ledger, code):
    guard = meterguard.MeterGuard(sku, fingerprint, endpoint_url=url, ledger=ledger)
    sink = Sink(guard, {"Pages": "pages", "Storage": "storage"}, product_code=code)

    def use(name, quantity):
        with guard.meters_usage(name, Decimal(quantity)):
            pass

    commands = {"move": lambda seconds: clock.move(float(seconds)), "use": use, "flush": sink.flush}
    for line in sys.stdin:
        name, *arguments = line.split()
        sys.stdout.write(json.dumps(commands[name](*arguments), default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
