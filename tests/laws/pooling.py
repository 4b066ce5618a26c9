"""Processes of ``multiprocessing`` that use a guard: ``main(METHOD, WAY, COUNT)``.

It says what has happened, a line each, and goes on when it is sent one.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import meterguard

_meeting = None


@meterguard.requires_entitlement("Seats", 1, "Count")
def work(_):
    """Wait until all the others are here, too."""
    _meeting.wait(40)


def meet(barrier):
    global _meeting
    _meeting = barrier


def live(barrier):
    meet(barrier)
    work(0)
    barrier.wait(40)  # until the parent has told


def tell(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def processes(context, barrier, count):
    ours = context.Barrier(count + 1)
    all_of_them = [context.Process(target=live, args=[ours]) for _ in range(count)]
    for one in all_of_them:
        one.start()
    ours.wait(40)
    tell("served")
    ours.wait(40)
    for one in all_of_them:
        one.join()
        assert one.exitcode == 0


def with_block(context, barrier, count):
    with context.Pool(count, meet, [barrier]) as pool:
        pool.map(work, range(count), chunksize=1)
        tell("served")


def joined(context, barrier, count):
    with context.Pool(count, meet, [barrier]) as pool:
        pool.map(work, range(count), chunksize=1)
        tell("served")
        pool.close()
        pool.join()


def executor(context, barrier, count):
    with ProcessPoolExecutor(count, context, meet, (barrier,)) as pool:
        done = [pool.submit(work, one) for one in range(count)]
        assert [one.result() for one in done] == [None] * count
        tell("served")


def main(method, way, count):
    context = multiprocessing.get_context(method)
    {one.__name__: one for one in (processes, with_block, joined, executor)}[way](
        context, context.Barrier(int(count)), int(count)
    )
    tell("ended")
