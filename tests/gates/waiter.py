"""A process whose calls wait: ``python waiter.py URL REGION SKU FINGERPRINT STORE JOURNAL WORK``.

It starts a call for each line on its standard input, answers it, and ends when that ends. A line is the number of the
call. The file JOURNAL gets a line when a call comes, when it has its seat, and when it is about to give it back; the
moments are of the clock that all processes of a machine share.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import meterguard


def main(url, region, sku, fingerprint, store, journal, work):
    guard = meterguard.MeterGuard(sku, fingerprint, store=store, endpoint_url=url, region_name=region, timeout=30)
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    guard.has_entitlement("Export")  # which imports boto3
    threads, barrier = [], threading.Barrier(2)

    def say(what, number):
        os.write(file, f"{what} {number} {time.monotonic()}\n".encode())

    def call(number):
        gate = guard.requires_entitlement("Seats", 1, hold="call", wait=150)
        say("came", number)
        barrier.wait()  # so that calls come in the order in which they are told to
        with gate:
            say("seated", number)
            time.sleep(float(work))
            say("over", number)

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        threads.append(threading.Thread(target=call, args=(int(line),)))
        threads[-1].start()
        barrier.wait()
        sys.stdout.write(line)
        sys.stdout.flush()
    for one in threads:
        one.join()
    guard.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
