"""``python -m benchmarks [hot async threads ...] [--quick] [--processes N] [--page]``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time

from . import fresh, page, table
from .plan import Found, Scale, Study

STUDIES = {
    "hot": "hot",
    "async": "awaiting",
    "threads": "threads",
    "cold": "cold",
    "stampede": "stampede",
    "expiry": "expiry",
    "memory": "memory",
    "metering": "metering",
    "trust": "verifying",
    "web": "web",
    "mcp": "tools",
    "emulator": "emulating",
    "fleet": "fleet.study",
}
"""The names on the command line, and the modules behind them."""


def study(name: str) -> Study:
    """Return the study of this name. Its module imports what it measures, so nothing is imported for the others."""
    made: Study = importlib.import_module(f"benchmarks.{STUDIES[name]}").STUDY
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the studies that are asked for. The exit code tells of crashes only: a missed goal is news, and no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="meterguard beside floors and peers")
    parser.add_argument("studies", nargs="*", metavar="|".join(STUDIES), help="which of them; default: all")
    parser.add_argument("--quick", action="store_true", help="a short run, whose numbers say little")
    parser.add_argument("--processes", type=int, help="fresh processes for each study")
    parser.add_argument("--page", action="store_true", help="a full run writes what it found into the documentation")
    parser.add_argument("--child", choices=STUDIES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = set(options.studies) - STUDIES.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(STUDIES)}")
    scale = Scale(options.quick)
    if options.child:
        fresh.report(study(options.child).measure(scale))
        return 0
    names = options.studies or list(STUDIES)
    done = run(names, scale, options.processes)
    if options.page and (options.quick or len(done) < len(STUDIES)):
        print(f"{page.PAGE.name} is left as it was: only a full run writes it")
    elif options.page:
        page.write(done)
    return len(names) - len(done)


def run(names: list[str], scale: Scale, processes: int | None) -> list[tuple[Study, Found, str]]:
    """Measure and print each study, then say how many goals are met. Return the studies that did not break off."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(f"{page.machine()}, load {load}\n")
    done: list[tuple[Study, Found, str]] = []
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
        done.append((one, found, took))
    verdicts = [met for one, found, _ in done for met in table.met(one, found)]
    print(f"{sum(verdicts)} of {len(verdicts)} goals met" + "".join(f", {name} broke off" for name in broken))
    return done


if __name__ == "__main__":
    sys.exit(main())
