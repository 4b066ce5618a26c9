"""The lineup: the queues of this guard in the line that all processes of a shared store stand in.

Whoever comes first in a queue here stands in the line for all of it, and asks the service only when it is first there
too. One look at the line is made for all queues, on a worker, at intervals that grow with the distance from the head.
Where the store cannot be had, or tells nothing in time, each queue goes on by itself.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import uuid4

from ..core import messages
from ..core.shared import line as change
from ..core.shared import stand as standing
from ..core.shared.line import Entry, Line, LineSight, NewerLine, ReadLine, Revision
from ..core.shared.stand import Stand
from ..errors import ConfigurationError
from ..rows import Row, Seen, StoreFault
from . import owners
from .agenda import Errand
from .clock import stopwatch
from .queue import Place, Queue
from .shared_lessor import SharedLessor
from .workers import Job

SILENT = 2.0  # seconds without a look at the line after which a queue goes on by itself
PARTING = 0.5  # seconds for which a guard that closes waits for a look that is under way
OFFSET_KEPT = 30.0  # seconds
AGAIN = 1.0  # seconds until a store that cannot be had is asked again


@dataclass(slots=True)
class _Member:
    """One queue in the line. The lock of the queues guards it."""

    queue: Queue
    stand: Stand
    place: Place | None = None
    """The call that the stand is about."""
    trusted_until: float = 0.0
    """Until when the stand counts, by the stopwatch."""


class Lineup:
    """The queues of one guard in the line of all.

    :param submit: runs a job soon, on a worker where there are any.
    :param remind: has an errand run later; does nothing where there are no threads.
    """

    is_shared = True

    def __init__(
        self, lessor: SharedLessor, submit: Callable[[Job], None], remind: Callable[[Errand, float], None], inline: bool
    ) -> None:
        self._lessor = lessor
        self._submit = submit
        self._remind = remind
        self._inline = inline
        self._lock = threading.RLock()
        self._looking = threading.Lock()
        self._members: dict[Queue, _Member] = {}
        self._freed: set[str] = set()
        self._is_asked = self._is_closed = False
        self._is_tidied = True
        self._is_inherited = False
        """Whether it came through a fork."""
        self._next = 0.0
        self._quickest = 0.0, 0.0, 0.0
        """A look at the line: how long it took, until when it counts, and the offset of the clocks by it."""
        self._silent_since = math.inf
        """Since when the store gives no answer."""
        self._errand = Errand(self._soon)

    # -- what queues ask -------------------------------------------------------------------------

    def delay(self, queue: Queue) -> float:
        """Seconds until the first in a queue may ask, for all that is known. Called under the queue's lock."""
        member = self._members.get(queue)
        if member is None:
            return 0.0
        if member.stand.is_first and queue.places and member.place is queue.places[0]:
            return 0.0
        left = max(0.0, member.trusted_until - stopwatch())
        return min(left, max(0.001, self._next - stopwatch())) if self._inline and left else left

    def changed(self, queue: Queue) -> None:
        """Look at the line: another call is first in the queue, or it was told no, or nobody waits any more."""
        now = stopwatch()
        with queue.lock:
            if queue not in self._members and queue.places:
                self._members[queue] = _Member(queue, Stand(None))
            member = self._members.get(queue)
            if member is not None and self._silent_since > now - SILENT:
                member.trusted_until = max(member.trusted_until, now + SILENT)
        self._soon()

    def attend(self) -> None:
        """Look at the line if it is time and there are no threads that do."""
        if self._inline and stopwatch() >= self._next:
            self._soon()

    def free(self, names: Collection[str]) -> None:
        """Tell those who wait elsewhere that units came back, off the caller's path."""
        with self._lock:
            self._freed.update(names)
        if not self._is_closed:  # then it is told at the end, once for all
            self._soon()

    def forget(self) -> None:
        """In a forked child: what stands in the line is the parent's, and a lock may be another thread's."""
        self._lock, self._looking = threading.RLock(), threading.Lock()
        self._is_inherited = True

    def tidy(self, names: Collection[str]) -> None:
        """Take the dead out of the line, and tell the others of what came back of theirs."""
        self._is_tidied = False
        self.free(names)

    def ahead(self, queue: Queue) -> tuple[int, int]:
        """Return how many other processes were before, and how many calls wait there at most."""
        member = self._members.get(queue)
        ahead = () if member is None else member.stand.ahead
        return len(ahead), sum(one.calls for one in ahead)

    def end(self) -> None:
        """Leave the line, and say what came back. The guard closes."""
        self._is_closed = self._is_asked = True
        if self._looking.acquire(timeout=PARTING):
            self._looking.release()
        self._look()

    # -- looks -----------------------------------------------------------------------------------

    def _soon(self) -> None:
        try:
            with self._lock:
                is_coming = self._is_inherited or (self._is_asked and not self._inline)
                self._is_asked = True
            if not is_coming:
                self._submit(self._look)
        except BaseException:  # of a signal handler: nobody may come, so the next who asks does not rely on it
            self._is_asked = False
            raise

    def _look(self) -> None:
        """Look at the line while somebody wants it, unless another thread does."""
        while (names := self._begin()) is not None:
            delay, self._silent_since = AGAIN, min(self._silent_since, stopwatch())
            try:
                delay = self._revise(names)
            except BaseException:  # of a hook: those who asked meanwhile rely on this thread, which ends here
                with self._lock:
                    self._is_asked = False
                    self._freed |= names
                raise
            finally:
                self._looking.release()
            if delay < math.inf:
                self._next = stopwatch() + delay
                self._remind(self._errand, delay)

    def _begin(self) -> set[str] | None:
        """Begin a look; None where none is wanted, or the thread that looks will look again."""
        with self._lock:
            if self._is_inherited or not self._is_asked or not self._looking.acquire(blocking=False):
                return None
            self._is_asked = False
            names, self._freed = self._freed, set()
            return names

    def _revise(self, names: set[str]) -> float:
        """Bring the line up to date, and the queues. Returns the seconds until the next look."""
        began, is_tidied = stopwatch(), self._is_tidied
        members: list[tuple[_Member, Stand]] = []
        self._is_tidied = True

        def wanted(sight: LineSight) -> Line:
            members[:] = members or self._headed(self._offset(sight.now, began))
            line = sight.line if is_tidied else change.living(sight.line, self._is_alive)
            return self._wanted(line, sight.now, members, names)

        try:
            sight = self._carry_out(change.revise(wanted))
        except (StoreFault, ConfigurationError):
            self._silent_since = -math.inf
            return self._go_on_alone(names)
        self._silent_since = math.inf
        return min((self._hear(sight.line, *each) for each in members), default=math.inf)

    def _offset(self, now: float, began: float) -> float:
        """Return the seconds from our stopwatch to the store's clock, by the quickest look of late."""
        ended = stopwatch()
        took, until, offset = self._quickest
        if ended >= until or ended - began <= took:
            offset = now - (began + ended) / 2
            self._quickest = ended - began, ended + OFFSET_KEPT, offset
        return offset

    def _headed(self, offset: float) -> list[tuple[_Member, Stand]]:
        """Return the queues with those that come first in them now."""
        headed = []
        for member in list(self._members.values()):
            with member.queue.lock:
                places = member.queue.places
                head = places[0] if places else None
                if member.place is not head:
                    member.place = head
                    member.stand = member.stand.headed(None if head is None else self._entry(member, head, offset))
                member.stand = member.stand.counting(len(places))
                headed.append((member, member.stand))
        return headed

    def _entry(self, member: _Member, head: Place, offset: float) -> Entry:
        wanted = change.text_of(member.queue.wanted)
        return Entry(self._lessor.owner, uuid4().hex[:12], round(head.came + offset, 6), wanted)

    def _wanted(self, line: Line, now: float, members: list[tuple[_Member, Stand]], names: set[str]) -> Line:
        at, owner = stopwatch(), self._lessor.owner
        line = change.owning(line, owner, {stand.me.ticket for _, stand in members if stand.me is not None})
        for member, stand in members:
            was_denied = member.queue.denial is not None
            line = standing.revised(line, stand, now, at, self._is_alive, was_denied=was_denied)
        return change.freed(line, names, owner) if names else line

    def _hear(self, line: Line, member: _Member, stand: Stand) -> float:
        """Tell a queue what was read. Returns the seconds until the next look for it."""
        queue, now = member.queue, stopwatch()
        after, should_ask = standing.heard(line, stand, now, self._is_alive)
        delay = standing.interval(after)
        delay = math.inf if delay is None else delay * (0.5 + random.random())
        with queue.lock:
            member.stand = after
            member.trusted_until = now + SILENT + min(delay, 2 * standing.LONGEST)
            if not queue.places:
                self._members.pop(queue, None)
        if after.ahead and queue.denial is None:
            queue.stand_behind(messages.others_wait(queue.wanted[0]))
        if should_ask:
            queue.wake()
        return delay

    def _go_on_alone(self, names: set[str]) -> float:
        """Let each queue ask by itself, and the store be asked again."""
        with self._lock:
            self._freed |= names
        for member in list(self._members.values()):
            with member.queue.lock:
                member.trusted_until = 0.0
            member.queue.call_first()
        return AGAIN if (self._members or self._freed) and not self._is_closed else math.inf

    def _is_alive(self, owner: str) -> bool:
        """Tell whether a process may be there. One of another machine is: who shows nothing is passed by anyway."""
        return owners.may_live(owner, is_fleet=self._lessor.execution.store.is_fleet)

    # -- the store -------------------------------------------------------------------------------

    def _carry_out(self, plan: Revision) -> LineSight:
        execution = self._lessor.execution
        try:
            do = next(plan)
            while True:
                if isinstance(do, ReadLine):
                    do = plan.send(sight_of(execution.store.read(execution.line)))
                else:
                    row = Row(uuid4().hex[:16], change.to_text(do.line)) if do.line.entries else None
                    won, seen = execution.store.replace(execution.line, do.version, row, change.KEPT)
                    do = plan.send((won, sight_of(seen)))
        except StopIteration as end:
            sight: LineSight = end.value
            return sight


def sight_of(seen: Seen) -> LineSight:
    """Return the line that was read. One that is damaged counts as empty, and is written anew."""
    if seen.row is None:
        return LineSight(Line(), "", seen.now)
    try:
        return LineSight(change.from_text(seen.row.body), seen.row.version, seen.now)
    except NewerLine:
        raise ConfigurationError("a newer meterguard wrote the line of those who wait") from None
    except ValueError:
        return LineSight(Line(), seen.row.version, seen.now)
