"""Owners: the name of a till in a ledger, and whether the process behind a name has ended."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

from ..account import Holding

SILENT_FOR = 60.0  # seconds after which a process that cannot be looked at is taken for dead
PARTS = 4
SILENT = "-silent"


def new_owner() -> str:
    """Return a name for a till of this process: machine and boot, process namespace, pid, its start, a random part.

    A process may have several tills over one ledger, each of which numbers its own batches.
    """
    pid = os.getpid()
    return "/".join((*machine(), str(pid), f"{_started(pid)}-{uuid.uuid4().hex[:12]}"))


def silent(owner: str) -> str:
    """Return the name as that of a process which shows no sign of life, for it has no threads."""
    return owner + SILENT


def is_silent(owner: str) -> bool:
    """Tell whether the process behind a name shows no sign of life, so that its silence says nothing."""
    return owner.endswith(SILENT)


def is_dead(holding: Holding, now: float) -> bool:
    """Tell whether the process has ended: by a look where it can be looked at, else by how long it was silent.

    :param now: seconds of the clock that ``holding.seen`` was read from.
    """
    seen = is_running(holding.owner)
    return now - holding.seen > SILENT_FOR if seen is None else not seen


def is_running(owner: str) -> bool | None:
    """Tell whether the process behind a name is running; None where it cannot be looked at from here."""
    parts = owner.split("/")
    if len(parts) == PARTS and tuple(parts[:2]) == machine() and parts[2].isdigit():
        return _is_running(int(parts[2]), parts[3].partition("-")[0])
    return None


def may_live(owner: str, *, is_fleet: bool) -> bool:
    """Tell whether the process behind a name may still be there, as far as anybody here can tell.

    :param is_fleet: True where processes of other hosts use the same store, which cannot be looked at.
    """
    seen = is_running(owner)
    # a store of one host was used by others only before that host was started
    return (is_fleet or owner.startswith(f"{machine()[0]}/")) if seen is None else seen


def pid_of(owner: str) -> int | None:
    """Return the pid in a name, which counts in the process's own namespace; None for a name of another form."""
    parts = owner.split("/")
    return int(parts[2]) if len(parts) == PARTS and parts[2].isdecimal() and parts[2].isascii() else None


@cache
def machine() -> tuple[str, str]:
    """Return what tells this machine, from one start to the next, and the process namespace from all others."""
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
