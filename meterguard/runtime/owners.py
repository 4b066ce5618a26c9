"""Owners: the name of a till in a ledger, and whether the process behind a name has ended."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

from ..account import Holding

SILENT_FOR = 60.0  # seconds after which a process that cannot be looked at is taken for dead
PARTS = 4


def new_owner() -> str:
    """Return a name for a till of this process: machine and boot, process namespace, pid, its start, a random part.

    A process may have several tills over one ledger, each of which numbers its own batches.
    """
    pid = os.getpid()
    return "/".join((*_machine(), str(pid), f"{_started(pid)}-{uuid.uuid4().hex[:12]}"))


def is_dead(holding: Holding, now: float) -> bool:
    """Tell whether the process has ended: by a look where it can be looked at, else by how long it was silent.

    :param now: seconds of the clock that ``holding.seen`` was read from.
    """
    parts = holding.owner.split("/")
    if len(parts) == PARTS and tuple(parts[:2]) == _machine() and parts[2].isdigit():
        return not _is_running(int(parts[2]), parts[3].partition("-")[0])
    return now - holding.seen > SILENT_FOR


@cache
def _machine() -> tuple[str, str]:
    # A container may have this machine's name and this process's pid, so neither tells processes apart.
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return boot, str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return f"{uuid.getnode():x}", ""


def _is_running(pid: int, started: str) -> bool:
    now = _started(pid)
    if now or started:
        return now == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


def _started(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty where it has ended or nothing tells."""
    try:
        # the name of the program, in parentheses, may have blanks and parentheses in it
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    is_zombie = fields[0] in ("Z", "X")
    return "" if is_zombie else fields[19]
