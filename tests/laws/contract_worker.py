"""A process that takes seats of a SaaS contract: ``python contract_worker.py URL REGION CUSTOMER STORE CALLS``.

It says how many of its calls got a seat of their own, once all have been answered. They keep it until its input ends.
"""

from __future__ import annotations

import sys
import threading

import meterguard


def main(url, region, customer, store, calls):
    guard = meterguard.MeterGuard(
        "saas-1",
        authority="marketplace-entitlement",
        customer=customer,
        endpoint_url=url,
        region_name=region,
        store=store,
        denial_ttl=0,
    )
    seat = guard.requires_entitlement("Seats", 1, hold="call")
    together, told = threading.Barrier(int(calls)), threading.Barrier(int(calls) + 1)
    seated, stopped = [], threading.Event()

    def call():
        together.wait()
        try:
            with seat:
                seated.append(1)
                told.wait()
                stopped.wait()
        except meterguard.EntitlementDenied:
            told.wait()

    threads = [threading.Thread(target=call) for _ in range(int(calls))]
    for thread in threads:
        thread.start()
    told.wait()
    sys.stdout.write(f"{len(seated)}\n")
    sys.stdout.flush()
    sys.stdin.read()
    stopped.set()


if __name__ == "__main__":
    main(*sys.argv[1:])
