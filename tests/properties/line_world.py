"""A world of processes whose calls wait for the same seats, each stopped or killed between any two steps.

The line, the stands and the plan are those of applications. The seats of the service are a number, and the queue of a
process is what ``meterguard.runtime.queue`` does, in a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meterguard.core.shared import line as change
from meterguard.core.shared import stand as standing
from meterguard.core.shared.line import Entry, Line, LineSight, ReadLine, WriteLine
from meterguard.core.shared.stand import Stand
from meterguard.model import Entitlement

WANTED = change.text_of([(Entitlement("Seats", 1, "Count"),)])
NAMES = frozenset(("Seats",))


class World:
    """A licence with so many seats, a line, and a clock that all can read."""

    def __init__(self, seats, names):
        self.free = seats
        self.now = 1_000_000.0
        self.line, self.version = Line(), 0
        self.served = []
        self.processes = [Process(self, name) for name in names]
        self.living = set(names)

    def __getitem__(self, name):
        return next(one for one in self.processes if one.name == name)

    def is_alive(self, owner):
        return owner in self.living

    def sight(self):
        return LineSight(self.line, str(self.version), self.now)

    def act(self, do):
        match do:
            case ReadLine():
                return self.sight()
            case WriteLine(version, line):
                won = version == str(self.version)
                if won:
                    self.line, self.version = line, self.version + 1
                return won, self.sight()


@dataclass
class Process:
    """One process: its calls that wait, those that have seats, and what it is in the middle of."""

    world: World
    name: str
    is_alive: bool = True
    waiting: list = field(default_factory=list)  # moments of arrival
    holds: int = 0
    stand: Stand = field(default_factory=lambda: Stand(None))
    was_denied: bool = False
    is_due: bool = True
    woken: int = 0
    asking: tuple | None = None  # the call that asks, how often it was woken before, and whether it got a seat
    is_told: bool = True  # False where a unit went back that the others were not told of
    plan: object = None
    do: object = None
    look: tuple | None = None  # what was known as the look began

    # -- what the queue does -----------------------------------------------------------------------

    def come(self, arrived):
        self.waiting = sorted([*self.waiting, arrived])

    def cancel(self, arrived):
        self.waiting.remove(arrived)
        if self.asking and self.asking[0] == arrived:
            self.world.free += self.asking[2]  # a seat that comes for nobody goes back
            self.is_told = self.is_told and not self.asking[2]
            self.asking = None

    @property
    def head(self):
        return self.waiting[0] if self.waiting else None

    def may_ask(self):
        is_turn = self.head is not None and self.stand.me is not None and self.stand.me.ticket == self.ticket
        return self.is_alive and self.asking is None and is_turn and self.stand.is_first and self.is_due

    def ask(self):
        """Send a question; the service answers now, and the process hears of it later."""
        got = self.world.free > 0
        self.world.free -= got
        self.asking = self.head, self.woken, got

    def hear(self):
        arrived, woken, got = self.asking
        self.asking = None
        if got:
            self.waiting.remove(arrived)
            self.holds += 1
            self.world.served.append(arrived)
        else:
            self.was_denied = True
            self.is_due = woken != self.woken

    def give(self):
        """Give a seat back. The others are told by the next look."""
        self.holds -= 1
        self.world.free += 1
        self.is_told = False
        self.wake()

    def wake(self):
        self.is_due, self.woken = True, self.woken + 1

    # -- what the lineup does ----------------------------------------------------------------------

    @property
    def ticket(self):
        return f"{self.name}-{self.head:g}"

    def step(self):
        """Make the next step of a look at the line."""
        if self.plan is None:
            self.look = None
            self.plan = change.revise(self.change)
            self.do = next(self.plan)
            return
        try:
            self.do = self.plan.send(self.world.act(self.do))
        except StopIteration as end:
            self.plan = None
            self.stand, should_ask = standing.heard(end.value.line, self.look[0], self.world.now, self.world.is_alive)
            if should_ask:
                self.wake()

    def change(self, sight):
        if self.look is None:
            me = None if self.head is None else Entry(self.name, self.ticket, self.head, WANTED)
            stand = self.stand
            if me is None or stand.me is None or me.ticket != stand.me.ticket:
                stand = stand.headed(me)
            self.look = stand.counting(len(self.waiting)), not self.is_told
            self.is_told = True
        stand, tells = self.look
        line = change.owning(sight.line, self.name, {stand.me.ticket} if stand.me else ())
        now, alive = self.world.now, self.world.is_alive
        line = standing.revised(line, stand, sight.now, now, alive, was_denied=self.was_denied)
        return change.freed(line, NAMES, self.name) if tells else line

    def look_once(self):
        """Look at the line from the beginning to the end."""
        self.step()
        while self.plan is not None:
            self.step()

    @property
    def is_busy(self):
        """True while there is something for it to do."""
        is_looking = self.plan is not None or not self.is_told or self.stand.me is not None
        return self.is_alive and (is_looking or bool(self.waiting or self.holds))

    @property
    def may_act(self):
        """True where it can do more than look."""
        return self.asking is not None or self.holds > 0 or self.may_ask()

    def kill(self):
        """Kill it; the sweep of another gives back what it had."""
        if self.asking and self.asking[2]:
            self.holds += 1
        if self.plan is not None and self.look is not None and self.look[1]:
            self.is_told = False  # the others may not have been told
        self.world.living.discard(self.name)
        self.is_alive, self.plan, self.asking, self.waiting = False, None, None, []

    def state(self):
        """All that can make a difference from here on."""
        plan = (repr(self.do), self.look) if self.plan is not None else None
        is_new = self.asking is not None and self.asking[1] != self.woken
        asking = self.asking and (self.asking[0], self.asking[2], is_new)
        waits = self.is_alive, tuple(self.waiting), self.holds
        return (*waits, self.stand, self.was_denied, self.is_due, asking, self.is_told, plan)


def settle(world, *, with_pauses=False):
    """Let all go on, in turn, until nothing changes any more.

    :param with_pauses: let the first of the line ask once more after a pause, too.
    """
    before = None
    while before != (before := (world.line, world.free, *(one.state() for one in world.processes))):
        for one in world.processes:
            if one.is_alive:
                if one.asking is not None:
                    one.hear()
                one.look_once()
                one.is_due = one.is_due or with_pauses
                if one.may_ask():
                    one.ask()
                    one.hear()
                if not one.is_told:
                    one.look_once()
