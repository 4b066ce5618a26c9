"""The output of ``meterguard status``: a table for people, and one document."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from ..snapshot import Holder, SharedLeaseStatus, Snapshot
from .table import WIDTH, Table
from .texts import iso, printable

HEADINGS = ("entitlements", "per", "=state", "=ends in", "process", "=for")
COLOURS = {"orphaned": "yellow", "denied": "red", "failed": "red"}
SPANS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def document(found: Snapshot) -> str:
    """Write it as JSON."""
    leases = [_lease(one) for one in found.leases]
    return json.dumps({"store": found.store, "leases": leases, "waiting": found.waiting})


def report(found: Snapshot, now: datetime | None = None) -> Iterator[str]:
    """Yield the lines of a table, coloured, and below it what is to be done."""
    if not found.leases and not found.waiting:
        yield from textwrap.wrap(f"Nothing is held in {printable(found.store)}.", WIDTH, **_WHOLE)
        return
    yield from textwrap.wrap(f"In {printable(found.store)}:", WIDTH, **_WHOLE)
    yield ""
    yield from _table(found.leases, now or datetime.now(UTC))
    if found.waiting:
        yield f"Calls that wait for a seat: {found.waiting}."
    if any(one.orphaned for one in found.leases):
        yield ""
        yield "No process is left that sees to what is orphaned: meterguard release --orphans"
        yield "gives it back."


_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}  # a path is copied as it is


def _lease(one: SharedLeaseStatus) -> dict[str, object]:
    return {
        "entitlements": [
            {"name": part.name, "value": part.value, "unit": part.unit.value} for part in one.entitlements
        ],
        "per": one.per,
        "state": one.state,
        "expires_in": one.expires_in,
        "holders": [{"host": by.host, "pid": by.pid, "since": iso(by.since)} for by in one.holders],
        "orphaned": one.orphaned,
    }


def _table(leases: tuple[SharedLeaseStatus, ...], now: datetime) -> Iterator[str]:
    rows, colours = [], []
    for one in leases:
        found = list(_rows(one, now))
        rows += found
        colours += [COLOURS.get(_state(one))] * len(found)
    headings, *lines = Table(HEADINGS, rows).lines()
    yield click.style(headings, bold=True)
    for line, colour in zip(lines, colours, strict=True):
        yield line if colour is None else click.style(line, fg=colour)


def _rows(one: SharedLeaseStatus, now: datetime) -> Iterator[tuple[str, ...]]:
    """Yield the line of a lease, and below it those of its processes where there are several."""
    what = " + ".join(map(str, one.entitlements))
    lease = (what, one.per or "-", _state(one), "-" if one.expires_in is None else words(one.expires_in))
    if len(one.holders) == 1:
        yield (*lease, *_held(one.holders[0], now))
        return
    yield (*lease, f"{len(one.holders)} processes" if one.holders else "-", "")
    for holder in one.holders:
        yield ("", "", "", "", *_held(holder, now))


def _held(by: Holder, now: datetime) -> tuple[str, str]:
    pid = "?" if by.pid is None else by.pid
    return f"{pid}{' (dead)' if by.is_gone else ''} on {by.host}", words((now - by.since).total_seconds())


def _state(one: SharedLeaseStatus) -> str:
    return "orphaned" if one.orphaned else one.state


def words(seconds: float) -> str:
    """Write a time in words, by its largest unit: ``54 minutes``."""
    size, noun = next((span for span in SPANS if seconds >= span[0]), SPANS[-1])
    number = max(0, int(seconds // size))
    return f"{number} {noun}{'' if number == 1 else 's'}"
