"""A server that speaks Redis, judged by what it says of itself: what it is fit for, and what its errors mean."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import ConfigurationError

OLDEST = (6, 2)
# Errors that pass by themselves, or by what an operator does to the server. Redis 6.2 puts the error of a script
# into a longer text, so the code is looked for anywhere in it.
PASSING = {
    "BUSY": "a script of somebody else keeps it busy",
    "CLUSTERDOWN": "its cluster is down",
    "LOADING": "it is still reading its data",
    "MASTERDOWN": "it is a replica without a master",
    "MISCONF": "it cannot write to its disk",
    "NOREPLICAS": "it has too few replicas",
    "OOM": "it is out of memory (maxmemory)",
    "READONLY": "it is a read-only replica",
    "TRYAGAIN": "its cluster is being rearranged",
    "UNBLOCKED": "its role has changed",
}
CODE = re.compile(rf"\b({'|'.join(PASSING)})\b")


class Facts(NamedTuple):
    """The facts about a server that decide; None where it does not tell."""

    version: str | None
    appendonly: bool | None
    policy: str | None
    """What it does when its memory is full: ``maxmemory-policy``."""


def check_version(facts: Facts, place: str, noun: str) -> None:
    """Raise ``ConfigurationError`` where a server is too old."""
    numbers = re.match(r"(\d+)\.(\d+)", facts.version or "")
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise ConfigurationError(
            f"The server at {place} is Redis {facts.version}; a {noun} needs 6.2 or newer, or Valkey."
        )


def check(facts: Facts, place: str) -> None:
    """Raise ``ConfigurationError`` where a server would lose a ledger, or is too old."""
    check_version(facts, place, "ledger")
    if facts.appendonly is False:
        raise ConfigurationError(
            f"The server at {place} keeps nothing on its disk (appendonly is no). A ledger that is lost "
            "loses the units that were drawn and not used yet, and all usage that was not billed yet. "
            "Turn it on: CONFIG SET appendonly yes, and appendonly yes in its configuration."
        )
    if (facts.policy or "").startswith("allkeys-"):
        raise ConfigurationError(
            f"The server at {place} deletes any key when its memory is full (maxmemory-policy {facts.policy}), "
            "the ledger too. Set maxmemory-policy to noeviction, or use another server for the ledger."
        )


def passing(text: str) -> str | None:
    """Return in plain words why a server that answered with this error cannot serve now; None for other errors."""
    found = CODE.search(text)
    return PASSING[found[1]] if found else None
