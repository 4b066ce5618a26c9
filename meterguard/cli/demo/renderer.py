"""A document service, as a program of its own: ``python -m meterguard.cli.demo.renderer``.

It says ``ready``, then renders a document for each line of its input, which says how many seconds that takes. For each
document it says how many pages it has rendered: a pipe keeps that also when the process is killed.
"""

from __future__ import annotations

import os
import sys
import time

from ... import consumes_entitlement

PAGES = 3
"""Pages of each document."""
BLOCK = 100
"""Pages drawn from the licence at once."""


@consumes_entitlement("Pages", PAGES, "Count", block=BLOCK)
def render(seconds: float) -> None:
    """Render a document: its pages at once, and whatever else there is to do in so many seconds."""
    os.write(1, b"%d\n" % PAGES)
    time.sleep(seconds)


def main() -> None:
    """Render what is asked for, until there is no more."""
    os.write(1, b"ready\n")
    for line in sys.stdin:
        render(float(line))


if __name__ == "__main__":
    main()
