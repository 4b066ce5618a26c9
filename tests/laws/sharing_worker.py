"""A process that calls a gate again and again: ``python sharing_worker.py URL REGION SKU FINGERPRINT STORE``.

It says ``ready`` after its first call. When its input ends it stops, and prints how its calls ended, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter

import meterguard


def main(url, region, sku, fingerprint, store):
    guard = meterguard.MeterGuard(
        sku,
        fingerprint,
        endpoint_url=url,
        region_name=region,
        store=store,
        on_unknown="deny",
        denial_ttl=0,
        refresh_ahead=0.6,
    )
    ended, outcomes, stopped = Counter(), [], threading.Event()

    @guard.requires_entitlement("Seats", 1, "Count")
    def work():
        return "ran"

    def call():
        mine = Counter()
        while not stopped.wait(0.001):
            try:
                mine[work()] += 1
            except meterguard.MeterGuardError as problem:
                mine[f"{type(problem).__name__}: {problem}"] += 1
        outcomes.append(mine)

    work()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    for one in outcomes:
        ended.update(one)
    guard.close()
    sys.stdout.write(json.dumps(ended) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
