"""Kill processes that draw at random moments, and see what it cost: ``python -m tests.draws.kills LEDGER RUNS``.

LEDGER is ``sqlite-truncate``, ``sqlite-wal``, ``redis-6.2`` or ``valkey``. Each run starts a process whose
threads draw one unit at a time, kills it with SIGKILL, and has the next process write off what it held.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import redis_server

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("worker.py")
BLOCK, SLICE, THREADS = 100, 10, 2


@contextlib.contextmanager
def ledger(kind, directory):
    """The URL of an empty ledger."""
    if kind.startswith("sqlite-"):
        yield f"wal:{directory}/ledger.db" if kind == "sqlite-wal" else f"sqlite:///{directory}/ledger.db"
        return
    server = redis_server.Server(redis_server.carried()[kind], directory)
    try:
        yield server.url
    finally:
        server.stop()


def killed(lm, licence, url, file, chance):
    """Run one process until it is killed. Returns how many units it used."""
    arguments = [lm.url, lm.region, licence.product_sku, licence.key_fingerprint, url, BLOCK, THREADS, file]
    process = subprocess.Popen([sys.executable, WORKER, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    with process:
        process.stdout.readline()
        time.sleep(chance.random() * 0.25)
        process.kill()
    return file.stat().st_size if file.exists() else 0


def lives(kind, runs, seed=0):
    """Yield, after each kill, the units that were used so far and the balance."""
    from meterguard.emulator import Emulator
    from tests.draws.worker import guard_over

    chance, used = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name, Emulator() as lm, ledger(kind, Path(name)) as url:
        licence = lm.add_license("ACME-1", entitlements=[("Words", 10_000_000, "Count")])
        with guard_over(url, "ACME-1", licence.key_fingerprint, lm.url, lm.region) as guard:
            for run in range(runs):
                used += killed(lm, licence, url, Path(name) / f"used-{run}", chance)
                with guard.consumes_entitlement("Words", 1):
                    used += 1
                for part in guard.till.draws.slices():
                    guard.till.teller._looked_at.clear()  # else it looks once a second
                    guard.till.teller.deal(part, lambda account, _: account)
                before = lm.usage(licence)["Words"]
                found = guard.ledger.summary()["Words"]
                assert before <= found.drawn + found.pending, found
                assert found.drawn <= lm.usage(licence)["Words"], found
                yield used, found
        if kind.startswith("sqlite-"):  # which the file says itself, in a byte of its header
            assert ((Path(name) / "ledger.db").read_bytes()[18] == 2) is (kind == "sqlite-wal")


def main(kind, runs):
    lost, most, used, found = 0, 0, 0, None
    for used, found in lives(kind, int(runs)):
        assert found.drawn == found.charged + found.reserved + found.left + found.lost, found
        assert found.charged <= used <= found.charged + found.lost, (used, found)
        most, lost = max(most, found.lost - lost), found.lost
        assert most <= SLICE, found
    print(f"{kind}: {runs} kills; {used} units used, {found.charged} charged, {lost} lost, {most} at most by one kill")
    print(f"{' ' * len(kind)}  {found}")


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    main(*sys.argv[1:])
