"""Queues of waiting calls: all that wait for the same units stand in one, and the first asks for all.

With a shared store, the first here asks when it is its turn among the first ones of all processes.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from ..core.backoff import pause
from ..core.requirements import Requirement
from ..errors import EntitlementDenied
from .clock import stopwatch
from .waits import unresolved

Wanted = tuple[Requirement, ...]
"""What is waited for: any of these."""


class Ticket:
    """The time at which a call came, and how often units that it wants had come back by then."""

    __slots__ = ("came", "freed", "number", "wanted")

    def __init__(self, number: int, wanted: Wanted, freed: int) -> None:
        self.came = stopwatch()
        self.number = number
        self.wanted = wanted
        self.freed = freed


class Line(Protocol):
    """The line of all processes, as the queues of this one see it."""

    is_shared: bool

    def delay(self, queue: Queue) -> float:
        """Seconds until the first in a queue may ask, for all that is known. Called under the queue's lock."""
        ...

    def changed(self, queue: Queue) -> None:
        """Hear that another call is first in a queue, or that the first was told no."""
        ...

    def attend(self) -> None:
        """Do what is due where no thread does it."""
        ...

    def free(self, names: Collection[str]) -> None:
        """Hear that units came back here."""
        ...

    def ahead(self, queue: Queue) -> tuple[int, int]:
        """Return how many other processes were before, and how many calls wait there at most."""
        ...


class NoLine:
    """No line: this process shares nothing."""

    is_shared = False

    def delay(self, queue: Queue) -> float:  # noqa: ARG002 - all queues alike
        """Nobody else is before."""
        return 0.0

    def changed(self, queue: Queue) -> None:
        """Nobody looks."""

    def attend(self) -> None:
        """Nothing is due."""

    def free(self, names: Collection[str]) -> None:
        """Nobody waits elsewhere."""

    def ahead(self, queue: Queue) -> tuple[int, int]:  # noqa: ARG002 - all queues alike
        """Nobody else is before."""
        return 0, 0


class Standing(NamedTuple):
    """The place at which a call waited in vain."""

    calls: int
    """The calls of this process that were before it."""
    processes: int
    """The other processes whose calls were before."""
    others: int
    """How many calls wait there, at most."""


class Queues:
    """The queues of one guard."""

    def __init__(self) -> None:
        self.line: Line = NoLine()
        self._lock = threading.RLock()
        self._queues: dict[Wanted, Queue] = {}
        self._numbers = itertools.count()
        self._freed: Counter[str] = Counter()

    def ticket(self, wanted: Wanted) -> Ticket:
        """Return a place in the order, to be taken before the first question."""
        return Ticket(next(self._numbers), wanted, self.freed(wanted))

    def freed(self, wanted: Wanted) -> int:
        """Count how often units of this came back so far."""
        return sum(self._freed[one.name] for requirement in wanted for one in requirement)

    def denial(self, wanted: Wanted) -> EntitlementDenied | None:
        """Return the denial that the first in the queue heard last; None where nobody waits."""
        queue = self._queues.get(wanted)
        return None if queue is None else queue.denial

    def may_ask_first(self, wanted: Wanted) -> bool:
        """Tell whether a call that comes may ask before it stands in the queue: nobody can be before it."""
        return not self.line.is_shared and self.denial(wanted) is None

    def join(self, ticket: Ticket, denial: EntitlementDenied | None) -> Place:
        """Wait in the queue for this.

        :param denial: what the service said already, if it was asked.
        """
        with self._lock:
            queue = self._queues.get(ticket.wanted)
            if queue is None:
                queue = self._queues[ticket.wanted] = Queue(self, self._lock, ticket.wanted)
                if denial is not None:
                    queue.deny(denial, ticket.freed)
            place = Place(queue, ticket)
            bisect.insort(queue.places, place, key=lambda one: one.number)
            is_first = queue.places[0] is place
        if is_first:
            self.line.changed(queue)
        return place

    def drop(self, queue: Queue) -> None:
        """Forget a queue in which nobody waits for the first any more."""
        with self._lock:
            if self._queues.get(queue.wanted) is queue:
                del self._queues[queue.wanted]

    def free(self, names: Iterable[str]) -> None:
        """Let the call that has waited longest ask at once: units came back."""
        names = set(names)
        with self._lock:
            self._freed.update(names)
            concerned = [queue for queue in self._queues.values() if names & queue.names]
        for queue in concerned:
            queue.hurry()
        self.line.free(names)

    def dissolve(self) -> None:
        """Let every call ask for itself."""
        for queue in list(self._queues.values()):
            queue.dissolve()


class Queue:
    """The calls that wait for the same units. The lock is that of all queues."""

    def __init__(self, queues: Queues, lock: threading.RLock, wanted: Wanted) -> None:
        self._queues = queues
        self.lock = lock
        self.wanted = wanted
        self.names = {one.name for requirement in wanted for one in requirement}
        self.places: list[Place] = []
        self.asking: Place | None = None
        self.denial: EntitlementDenied | None = None
        self.is_dissolved = False
        self._woken = 0
        self._tries = 0
        self._due = 0.0

    @property
    def line(self) -> Line:
        """The line of all processes."""
        return self._queues.line

    def freed(self) -> int:
        """Count how often units of this came back so far, here or as far as was heard of others."""
        return self._queues.freed(self.wanted) + self._woken

    def delay(self, place: Place) -> float:
        """Seconds until it may be this one's turn to ask; 0.0: it is, and nobody else's until it has asked."""
        with self.lock:
            if self.is_dissolved:
                return 0.0
            if self.places[0] is not place or self.asking not in (None, place):
                return math.inf
            left = max(0.0, self._due - stopwatch(), self.line.delay(self))
            if not left:
                self.asking, place.freed = place, self.freed()
            return left

    def deny(self, denial: EntitlementDenied, freed: int) -> None:
        """The service said no, asked when units had come back so often: the next question has to wait."""
        with self.lock:
            self.asking, self.denial = None, denial
            if self.freed() != freed:
                self._due = 0.0
            else:
                self._due = stopwatch() + 0.1 + pause(self._tries, random.random())
                self._tries += 1
        self.line.changed(self)
        self.call_first()

    def stand_behind(self, denial: EntitlementDenied) -> None:
        """Others are before, of whom the service said nothing yet: what a call hears whose time runs out."""
        with self.lock:
            self.denial = self.denial or denial

    def wake(self) -> None:
        """Let the first ask at once, also where it asks now: units may have come back elsewhere."""
        with self.lock:
            self._woken += 1
        self.hurry()

    def hurry(self) -> None:
        """Let the first ask at once."""
        with self.lock:
            self._tries, self._due = 0, 0.0
        self.call_first()

    def dissolve(self) -> None:
        """Let each call ask for itself: one answer is no answer for all of them."""
        with self.lock:
            self.is_dissolved = True
            self._queues.drop(self)
            called = list(self.places)
        for place in called:
            place.call()

    def leave(self, place: Place) -> None:
        """Take a call out; the next in order moves up."""
        with self.lock:
            was_first = self.places[0] is place
            self.places.remove(place)
            if self.asking is place:
                self.asking = None
            if not self.places:
                self._queues.drop(self)
        if was_first:
            self.line.changed(self)
        self.call_first()

    def call_first(self) -> None:
        """Have the first look whether it is its turn."""
        with self.lock:
            first = self.places[0] if self.places else None
        if first is not None:
            first.call()


class Place:
    """One call in a queue."""

    __slots__ = ("_news", "came", "freed", "number", "queue")

    def __init__(self, queue: Queue, ticket: Ticket) -> None:
        self.queue = queue
        self.came, self.number = ticket.came, ticket.number
        self.freed = 0
        self._news: Future[None] = unresolved()

    def look(self) -> tuple[float, Future[None]]:
        """Seconds until it may be its turn to ask, 0.0: now; and what is done when something has changed."""
        self.queue.line.attend()
        with self.queue.lock:
            if self._news.done():
                self._news = unresolved()
            return self.queue.delay(self), self._news

    def call(self) -> None:
        """Tell the call that something has changed."""
        with self.queue.lock:
            news, is_told = self._news, self._news.done()
            if not is_told:
                news.set_result(None)

    def denied(self, denial: EntitlementDenied) -> None:
        """Note that the call asked, and the service said no."""
        self.queue.deny(denial, self.freed)

    def standing(self) -> Standing:
        """Return what is before it."""
        with self.queue.lock:
            return Standing(self.queue.places.index(self), *self.queue.line.ahead(self.queue))

    def leave(self) -> None:
        """Leave the queue."""
        self.queue.leave(self)
