"""The line of all processes that wait for units of one licence: who came first, and whose turn it is to ask.

A :class:`Line` is frozen and made of plain values; the functions return the one that follows. One entry stands in it
for all calls of a process that wait for the same: that of the call which came first. Entries are in order of arrival,
by the clock of the store, however late each was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..keys import line_of
from ..requirements import Requirement
from .row import IsAlive

FORMAT = 1
KEPT = 600.0  # seconds for which a store keeps a line that nobody writes; the first in it does so every few seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """The calls of one process that wait for the same."""

    owner: str
    ticket: str
    """Random, another one for each call."""
    arrived: float
    """When the call came, by the store's clock."""
    wanted: str
    """Canonical text of what is waited for."""
    calls: int = 1
    """How many calls of the process waited when this was written."""
    seen: float = 0.0
    """When the process showed last that it goes on, by the store's clock."""
    freed: int = 0
    """Another number once units that are wanted have come back."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the entitlements that are waited for."""
        return frozenset(line[0] for requirement in json.loads(self.wanted) for line in requirement)

    @property
    def order(self) -> tuple[float, str]:
        """Its place among others that want the same."""
        return self.arrived, self.ticket


@dataclass(frozen=True, slots=True)
class Line:
    """All who wait, in order of arrival."""

    entries: tuple[Entry, ...] = ()


def text_of(wanted: Iterable[Requirement]) -> str:
    """Return what is waited for as canonical text: any of these."""
    lines = [[line_of(one) for one in sorted(each, key=lambda one: one.name)] for each in wanted]
    return json.dumps(lines, separators=(",", ":"))


def entry_of(line: Line, ticket: str) -> Entry | None:
    """Return the entry with this ticket."""
    return next((one for one in line.entries if one.ticket == ticket), None)


def before(line: Line, me: Entry, is_alive: IsAlive) -> tuple[Entry, ...]:
    """Return the entries whose turn comes before that of ``me``, which need not stand in the line."""
    return tuple(one for one in _rivals(line, me) if one.order < me.order and is_alive(one.owner))


def has_rivals(line: Line, me: Entry, is_alive: IsAlive) -> bool:
    """Tell whether others want the same."""
    return any(is_alive(one.owner) for one in _rivals(line, me))


def _rivals(line: Line, me: Entry) -> list[Entry]:
    return [one for one in line.entries if one.wanted == me.wanted and one.ticket != me.ticket]


def placed(line: Line, entry: Entry) -> Line:
    """Write an entry, in place of one with the same ticket."""
    others = [one for one in line.entries if one.ticket != entry.ticket]
    return Line(tuple(sorted([*others, entry], key=lambda one: one.order)))


def without(line: Line, tickets: Collection[str]) -> Line:
    """Take entries out."""
    return Line(tuple(one for one in line.entries if one.ticket not in tickets))


def owning(line: Line, owner: str, tickets: Collection[str]) -> Line:
    """Take out all entries of a process but these."""
    return Line(tuple(one for one in line.entries if one.owner != owner or one.ticket in tickets))


def living(line: Line, is_alive: IsAlive) -> Line:
    """Take out the entries of dead processes."""
    return Line(tuple(one for one in line.entries if is_alive(one.owner)))


def freed(line: Line, names: Collection[str], owner: str) -> Line:
    """Tell those who want units of these that some came back; not the process that says so."""

    def told(one: Entry) -> Entry:
        is_concerned = one.owner != owner and not one.names.isdisjoint(names)
        return replace(one, freed=one.freed + 1) if is_concerned else one

    return Line(tuple(map(told, line.entries)))


def waiting(line: Line) -> int:
    """Count the calls that wait, as far as their processes have said."""
    return sum(one.calls for one in line.entries)


# -- text ------------------------------------------------------------------------------------------


class NewerLine(ValueError):
    """A line was written by a newer version of meterguard."""


def to_text(line: Line) -> str:
    """Return a line as text."""
    entries = [[one.owner, one.ticket, one.arrived, one.wanted, one.calls, one.seen, one.freed] for one in line.entries]
    return json.dumps({"format": FORMAT, "entries": entries}, separators=(",", ":"))


def from_text(text: str) -> Line:
    """Return the line that a text says. Raises ``ValueError`` where it says none."""
    try:
        data = json.loads(text)
        if data["format"] > FORMAT:
            raise NewerLine(data["format"])
        line = Line(tuple(sorted((_entry(*one) for one in data["entries"]), key=lambda one: one.order)))
        "".join(name for one in line.entries for name in one.names)  # a name that is no text is a TypeError
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise ValueError(f"{type(problem).__name__} in a line") from None
    return line


def _entry(owner: str, ticket: str, arrived: float, wanted: str, calls: int, seen: float, freed: int) -> Entry:
    return Entry(str(owner), str(ticket), float(arrived), str(wanted), int(calls), float(seen), int(freed))


# -- steps -----------------------------------------------------------------------------------------


class LineSight(NamedTuple):
    """A line as it was read, or came back from a write."""

    line: Line
    version: str
    now: float
    """Seconds since the epoch by the store's clock."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """Read the line. Comes back as a ``LineSight``."""


@dataclass(frozen=True, slots=True)
class WriteLine:
    """Replace the line that was read. Comes back as a pair: whether it was replaced, and the ``LineSight`` of now."""

    version: str
    line: Line


Change = Callable[[LineSight], Line]
Revision = Generator[ReadLine | WriteLine, Any, LineSight]


def revise(change: Change) -> Revision:
    """Read the line and change it, again where another process was faster. Writes nothing that is there already."""
    sight: LineSight = yield ReadLine()
    while (after := change(sight)) != sight.line:
        won, sight = yield WriteLine(sight.version, after)
        if won:
            break
    return sight
