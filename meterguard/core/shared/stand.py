"""Stands: what one process writes of itself into the line of all, and what it makes of what it reads there.

Two rules. A call that has become the first asks at once, and again whenever units have come back since: so a wake-up
is not lost, whatever became of those before it. And the first has to show that it goes on: whoever saw it stand still
for a while passes it by, and it takes its place again, with the arrival that it had, when it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import line as change
from .line import Entry, Line
from .row import IsAlive

SHOWN = 1.5  # seconds after which the first shows again that it goes on
STUCK = 5.0  # seconds after which one that shows nothing is passed by
NEAREST, LONGEST = 0.05, 2.0  # seconds between two looks at the line: of the first two, and of those far behind


@dataclass(frozen=True, slots=True)
class Stand:
    """A process in the line for one wanted thing, as far as it knows. Moments are its own stopwatch's."""

    me: Entry | None
    """For the call that came first of those that wait here; None where none is left."""
    is_listed: bool = False
    """True where its entry was seen in the line."""
    is_first: bool = False
    ahead: tuple[Entry, ...] = ()
    """The entries before, as they were seen last."""
    freed: int = 0
    """The number of the units that came back, as it was seen last."""
    watched_since: float = 0.0
    """Since when the very first has stood still."""
    shown_at: float = 0.0

    def headed(self, me: Entry | None) -> Stand:
        """Return the stand with another call at the head, which knows nothing yet."""
        if me is None or self.me is None or me.ticket != self.me.ticket:
            return Stand(me)
        return self

    def counting(self, calls: int) -> Stand:
        """Return the stand of so many calls."""
        if self.me is None or self.me.calls == calls:
            return self
        return replace(self, me=replace(self.me, calls=calls))


def revised(line: Line, stand: Stand, now: float, at: float, is_alive: IsAlive, *, was_denied: bool) -> Line:
    """Return the line as this process wants it to be.

    Who is alone writes nothing before the first no.

    :param now: by the store's clock.
    :param at: by the stopwatch of this process.
    """
    me = stand.me
    if me is None:
        return line
    left = change.without(line, _passed(line, stand, at, is_alive))
    known = change.entry_of(left, me.ticket)
    is_new = known is None and (was_denied or change.has_rivals(left, me, is_alive))
    is_due = known is not None and ((stand.is_first and at - stand.shown_at >= SHOWN) or left != line)
    if not (is_new or is_due):
        return left
    freed = stand.freed + 1 if known is None else known.freed
    return change.placed(change.living(left, is_alive), replace(me, seen=now, freed=freed))


def heard(line: Line, stand: Stand, at: float, is_alive: IsAlive) -> tuple[Stand, bool]:
    """Return the stand after a look at the line, and True where its call should ask at once."""
    me = stand.me
    if me is None:
        return Stand(None), False
    known, ahead = change.entry_of(line, me.ticket), change.before(line, me, is_alive)
    after = replace(
        stand,
        is_listed=known is not None,
        is_first=not ahead,
        ahead=ahead,
        watched_since=stand.watched_since if _still(ahead) == _still(stand.ahead) else at,
    )
    if known is not None:
        shown_at = stand.shown_at if known.seen == me.seen else at
        after = replace(after, me=replace(me, seen=known.seen), freed=known.freed, shown_at=shown_at)
    return after, after.is_first and (not stand.is_first or after.freed != stand.freed)


def interval(stand: Stand) -> float | None:
    """Return the seconds until the next look, None where there is nothing to look for: it grows with the distance."""
    if stand.me is None or not (stand.is_listed or stand.ahead):
        return None
    return min(NEAREST * max(1, len(stand.ahead)), LONGEST)


def _passed(line: Line, stand: Stand, at: float, is_alive: IsAlive) -> frozenset[str]:
    """Return the ticket of the very first where it has stood still for too long."""
    if stand.me is None or not stand.ahead or at - stand.watched_since < STUCK:
        return frozenset()
    ahead = change.before(line, stand.me, is_alive)
    return frozenset((ahead[0].ticket,)) if _still(ahead) == _still(stand.ahead) else frozenset()


def _still(ahead: tuple[Entry, ...]) -> tuple[str, float] | None:
    return (ahead[0].ticket, ahead[0].seen) if ahead else None
