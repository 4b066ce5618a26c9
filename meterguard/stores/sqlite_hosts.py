"""The hosts that use a file: SQLite's locks hold between the processes of one."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigurationError
from .sqlite_place import Place

SEEN_LATELY = 60.0  # seconds
NOTED_EVERY = 10.0
FORGOTTEN_AFTER = 86_400.0


class Host(NamedTuple):
    """A host, from one start of its system to the next."""

    boot: str
    name: str
    uptime: Callable[[], float]
    """Returns the seconds since its start, which no setting of a clock changes."""
    is_of_one_start: bool = True
    """False where ``boot`` is the same after the next start of the system."""


def this_host() -> Host:
    """Return the host on which this process runs."""
    boot = _boot_id()
    return Host(boot or _address(), platform.node(), _uptime, is_of_one_start=bool(boot))


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""  # not Linux


def _address() -> str:
    import uuid

    address = uuid.getnode()
    # With this bit it is a random number, another one in each process.
    return platform.node() if address >> 40 & 1 else f"{address:012x}"


def _uptime() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def note(connection: sqlite3.Connection, host: Host, place: Place) -> None:
    """Note in a transaction that this host uses the file. Raises ``ConfigurationError`` where another one does."""
    now = time.time()
    hosts = connection.execute("SELECT boot, name, seen FROM host").fetchall()
    for boot, name, seen in hosts:
        if boot != host.boot and _is_in_use(seen, now, host.uptime()):
            raise ConfigurationError(
                f"The {place} is in use by another host ({name}), which was seen {abs(now - seen):.0f} s ago:"
                f" locks do not hold between hosts, so that {place.purpose.risk}. Give each host a file of its own, or"
                f" use a {place.purpose.noun} in Redis. If {name} has stopped, try again in {SEEN_LATELY:.0f} s."
            )
    noted = {boot: seen for boot, _, seen in hosts}
    if abs(now - noted.get(host.boot, 0)) >= NOTED_EVERY:
        connection.execute("INSERT OR REPLACE INTO host VALUES (?, ?, ?)", (host.boot, host.name, now))
        connection.execute("DELETE FROM host WHERE boot != ? AND abs(? - seen) > ?", (host.boot, now, FORGOTTEN_AFTER))


def _is_in_use(seen: float, now: float, uptime: float) -> bool:
    """Return True where another host was seen lately. What was seen before this one started may be itself."""
    return abs(now - seen) < SEEN_LATELY and seen > now - uptime
