"""A line on stderr for each request that the emulator answers."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

from ..emulator import Request


class RequestLog:
    """A line on stderr for each request, once it is answered."""

    def __init__(self) -> None:
        # A slow reader of stderr must not slow the answers down, hence a thread.
        self._answered: SimpleQueue[Request | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="meterguard-request-log", daemon=True)
        self._thread.start()

    def note(self, request: Request) -> None:
        """Write a line for this request, soon."""
        self._answered.put(request)

    def finish(self) -> None:
        """Write the lines that are left, and end."""
        self._answered.put(None)
        self._thread.join()

    def _run(self) -> None:
        for request in iter(self._answered.get, None):
            print(line_of(request), file=sys.stderr, flush=True)


def line_of(request: Request) -> str:
    """Format one request. No token is shown: logs get pasted."""
    at = time.strftime("%H:%M:%S", time.localtime(request.at))
    outcome = "dropped" if request.dropped else str(request.status)
    parts = [
        at,
        f"{request.operation or '?':<26}",
        f"{outcome:<7}",
        request.error or "",
        _asked(request.parameters),
    ]
    if request.replayed:
        parts.append("(replayed)")
    line = "  ".join(part for part in parts if part).rstrip()
    return "".join(character if character.isprintable() else "?" for character in line)


def _asked(parameters: Mapping[str, Any]) -> str:
    wanted = parameters.get("Entitlements")
    if not isinstance(wanted, list):
        return ""
    items = [item for item in wanted if isinstance(item, dict)]
    names = ", ".join(" ".join(str(item[key]) for key in ("Name", "Value") if key in item) for item in items)
    return f"{parameters.get('ProductSKU', '')} {names}".strip()
