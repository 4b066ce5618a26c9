"""A worker of a server, as a program of its own: ``python -m meterguard.cli.demo.worker``.

It says ``ready``, then serves a request for each line of its input, under a seat that it shares with the other workers
of its store. For each it says ``1``.
"""

from __future__ import annotations

import os
import sys

from ... import get_guard, requires_entitlement


@requires_entitlement("Seats", 1, "Count")
def serve() -> None:
    """Serve a request."""
    os.write(1, b"1\n")


def main() -> None:
    """Serve what is asked for, until there is no more."""
    get_guard().prewarm()
    os.write(1, b"ready\n")
    for _ in sys.stdin:
        serve()


if __name__ == "__main__":
    main()
