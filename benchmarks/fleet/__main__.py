"""``python -m benchmarks.fleet [--write] [--sizes 1,10] [--day N]``: the tables of the page about fleets."""

from __future__ import annotations

import argparse
import time

from . import scenes, summary
from .world import A_FILE, FLEETS, NONE


def main() -> None:
    """Play the scenes that are asked for, and print or keep what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description="a fleet in simulation")
    parser.add_argument("--sizes", default=",".join(map(str, summary.SIZES)), help="numbers of processes")
    parser.add_argument("--write", action="store_true", help="play it at length, for the documentation")
    parser.add_argument("--day", type=int, metavar="PROCESSES", help="a day of calls and crashes, nothing else")
    options = parser.parse_args()
    if options.day:
        day(options.day)
        return
    sizes = [int(size) for size in options.sizes.split(",")]
    figures = summary.found(sizes=sizes, most=scenes.AT_LENGTH if options.write else scenes.IN_SHORT)
    print(summary.tables(figures))
    if options.write:
        summary.write(figures)
        page = summary.PAGE.read_text("utf-8")
        summary.PAGE.write_text(summary.with_tables(page, summary.read()), "utf-8")


def day(processes: int) -> None:
    """Print what a day of calls comes to."""
    for arrangement in (NONE, A_FILE, FLEETS[0]):
        began = time.monotonic()
        found = scenes.simulated_day(arrangement, processes)
        cells = [f"{key} {summary.shown(value)}" for key, value in found.items()]
        print(f"{arrangement.says}, {time.monotonic() - began:.0f} s: {', '.join(cells)}")


if __name__ == "__main__":
    main()
