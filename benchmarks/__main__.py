"""``python -m benchmarks [hot async cold stampede expiry memory web emulator] [--quick] [--processes N]``."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time

from . import fresh, table
from .plan import Scale, Study

STUDIES = {
    "hot": "hot",
    "async": "awaiting",
    "cold": "cold",
    "stampede": "stampede",
    "expiry": "expiry",
    "memory": "memory",
    "web": "web",
    "emulator": "emulating",
}
"""The names on the command line, and the modules behind them."""


def study(name: str) -> Study:
    """The study of this name; its module imports what it measures, so nothing is imported for the others."""
    made: Study = importlib.import_module(f"benchmarks.{STUDIES[name]}").STUDY
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for. The exit code tells of crashes only: a missed goal is news, and no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="meterguard beside floors and peers")
    parser.add_argument("studies", nargs="*", metavar="|".join(STUDIES), help="which of them; default: all")
    parser.add_argument("--quick", action="store_true", help="a short run, whose numbers say little")
    parser.add_argument("--processes", type=int, help="fresh processes for each study")
    parser.add_argument("--child", choices=STUDIES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = set(options.studies) - STUDIES.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(STUDIES)}")
    scale = Scale(options.quick)
    if options.child:
        fresh.report(study(options.child).measure(scale))
        return 0
    return run(options.studies or list(STUDIES), scale, options.processes)


def run(names: list[str], scale: Scale, processes: int | None) -> int:
    """Measure and print each study, then say how many goals are met. How many studies broke off."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, load {load}\n")
    verdicts: list[bool] = []
    broken: list[str] = []
    for name in names:
        one = study(name)
        count = processes or scale.pick(one.processes, 1)
        began = time.monotonic()
        try:
            found = fresh.measure(one, scale, count)
        except RuntimeError as failure:
            broken.append(name)
            print(f"{name} broke off: {failure}")
            continue
        took = f"{count} fresh process{'es' * (count > 1)}, {time.monotonic() - began:.0f} s"
        table.show(one, found, took)
        verdicts += table.met(one, found)
    print(f"{sum(verdicts)} of {len(verdicts)} goals met" + "".join(f", {name} broke off" for name in broken))
    return len(broken)


if __name__ == "__main__":
    sys.exit(main())
