"""The command line.

What belongs here:

1. Commands, one file each in `commands`: parse, call, print. The rest of the package does the work; no other room
   prints.
2. Data goes to stdout, all else to stderr. ``--json`` makes the data one document. Exit codes are in `exits`.
3. `--help` is quick: boto3, Starlette and rich are imported by the command that needs them, rich by
   `demo.live` and `usage.bars` alone, matplotlib by `usage.pictures`.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

__all__ = ("main",)


def main() -> None:
    """Run the command line; ends the process with the command's exit code."""
    try:
        from .commands import meterguard
    except ModuleNotFoundError as missing:
        if missing.name != "click":
            raise
        from ..errors import MissingExtra

        print(f"Error: {MissingExtra('the command line', 'cli')}", file=sys.stderr)
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that this terminal cannot show ends no command
    meterguard(prog_name="meterguard")
