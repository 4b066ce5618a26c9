"""A world of processes that share a lease, each stopped or killed between any two steps of what it does.

The plans are those of applications. The service here is a few lines: it grants, extends and takes back, answers a
``ClientToken`` that it knows as it did the first time, and is asked under the same exceptions as the real one.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from meterguard.core import verdicts
from meterguard.core.shared import checkout, departure, renewal, steps, text
from meterguard.core.shared.moments import Here
from meterguard.core.shared.row import FLIGHT_LASTS, SharedLease
from meterguard.core.verdicts import Granted
from meterguard.model import Entitlement
from meterguard.ports import Allowed, CheckoutAnswer, ExtendAnswer, FaultKind, Moment, ServiceFault
from meterguard.rows import Row, StoreFault
from meterguard.units import Unit

SEATS = (Entitlement("Seats", 1, "Count"),)
KEY, CANONICAL = "scope/seats", '[[["Seats",1,"Count"]]]'
ALLOWED = (Allowed("Seats", "1", Unit.COUNT),)
TTL = 100.0


class Service:
    """One licence."""

    def __init__(self, world, seats):
        self.world, self.seats = world, seats
        self.live = {}  # token: when it ends
        self.replays = {}
        self.most = 0
        self.asked = []

    def check_out(self, client_token):
        self.asked.append("checkout")
        if client_token not in self.replays:
            if self.taken() >= self.seats:
                raise ServiceFault(FaultKind.DENIED, "all in use", code="NoEntitlementsAllowedException")
            token = f"T{len(self.replays)}"
            self.live[token] = self.world.now + TTL
            self.replays[client_token] = token, self.world.now
            self.most = max(self.most, self.taken())
        token, issued = self.replays[client_token]
        ends = datetime.fromtimestamp(issued + TTL, UTC)
        return CheckoutAnswer(token, ALLOWED, datetime.fromtimestamp(issued, UTC), ends, self.served())

    def extend(self, token):
        self.asked.append("extension")
        if self.live.get(token, 0.0) <= self.world.now:
            raise ServiceFault(FaultKind.NOT_FOUND, "no such lease", code="ResourceNotFoundException")
        self.live[token] = self.world.now + TTL
        return ExtendAnswer(datetime.fromtimestamp(self.live[token], UTC), self.served())

    def check_in(self, token):
        self.asked.append("check-in")
        self.live.pop(token, None)

    def served(self):
        return datetime.fromtimestamp(self.world.now, UTC)

    def taken(self):
        return sum(ends > self.world.now for ends in self.live.values())


@dataclass
class Process:
    """One process: the plan that it is in the middle of, and what it rides on."""

    world: World
    name: str
    is_alive: bool = True
    plan: object = None
    waits: bool = False
    held: renewal.Held | None = None
    """What it believes to hold."""
    stalled: float = 0.0
    known: int = 0
    """Stands for all that it has heard so far."""
    numbers: object = field(default_factory=itertools.count)
    todo: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    fails: list = field(default_factory=list)
    """Faults of the next steps: whether the step was carried out all the same."""

    @property
    def party(self):
        return steps.Party(
            self.name, "host", self.world.is_alive, lambda: f"{self.name}{next(self.numbers)}", 0.2, lambda: 0.5
        )

    def begin(self, what):
        self.hear(what)
        if what == "obtain":
            asked = checkout.Asked(f"CT-{self.name}{next(self.numbers)}", None, self.world.judge, 0.0)
            return checkout.obtain(self.party, asked)
        if what == "renew":
            return renewal.renew(self.party, self.held) if self.held else None
        if what == "leave":
            held, self.held = self.held, None  # nobody rides on it from here on
            return departure.leave(self.party, held.mark, held.facts.token) if held else None
        return departure.reap(self.party)

    @property
    def is_done(self):
        return not self.is_alive or (self.plan is None and not self.todo)

    def step(self):
        """Go on to the next thing that others can see."""
        self.waits = False
        while self.plan is None and self.todo:
            self.plan = self.begin(self.todo.pop(0))
            if self.plan is not None:
                return self.go(lambda: next(self.plan))
        return None if self.plan is None else self.go(self.carry_out)

    def carry_out(self):
        do = self.next
        try:
            came = self.world.act(self, do)
        except (ServiceFault, StoreFault) as fault:
            self.hear(repr(fault))
            return self.plan.throw(fault)
        kept = self.world.store.read(KEY).row
        is_seen = isinstance(do, steps.Read | steps.Write)
        self.hear((came[0] is True, kept and kept.body) if is_seen else repr(came))
        return self.plan.send(came)

    def hear(self, what):
        self.known = hash((self.known, what, self.world.now))

    def go(self, move):
        try:
            self.next = move()
            self.waits = isinstance(self.next, steps.Pause)
        except StopIteration as end:
            self.plan = None
            self.end(end.value)
        except (ServiceFault, StoreFault) as fault:
            self.plan = None
            self.failures.append(fault)
            if isinstance(fault, ServiceFault) and fault.kind in renewal.LOST:
                self.held = None
            if isinstance(fault, ServiceFault) and fault.kind is FaultKind.DENIED:
                self.held = None

    def end(self, value):
        if isinstance(value, steps.Got) and isinstance(value.verdict, Granted):
            self.held = renewal.Held(value.verdict.facts, value.verdict.term, value.fence, value.mark)

    def kill(self):
        self.is_alive, self.plan, self.held = False, None, None


class World:
    """Processes over one store and one licence."""

    def __init__(self, store, seats=1, names="ABC"):
        self.store = store
        self.now = 1_000_000.0
        self.service = Service(self, seats)
        self.processes = [Process(self, name) for name in names]
        self.epoch = ""
        self.lost_memory = False
        self.written = []

    def is_alive(self, owner):
        return any(one.name == owner and one.is_alive for one in self.processes)

    def judge(self, answer, sent, now, is_resumed):
        return verdicts.judge(SEATS, answer, sent, now, is_resumed, 0.2, 0.5)

    def here(self):
        return Here("machine", Moment(self.now, self.now), self.now, self.epoch)

    def sight(self, seen):
        row = SharedLease(CANONICAL) if seen.row is None else text.from_text(seen.row.body, str)
        return steps.Sight(row, "" if seen.row is None else seen.row.version, self.here())

    def act(self, process, do):
        """Carry out one step, with the fault that stands in its way."""
        where = "store" if isinstance(do, steps.Read | steps.Write) else "service"
        if process.fails and not isinstance(do, steps.Pause):
            if process.fails.pop():
                self._act(process, do)
            raise (
                StoreFault("away")
                if where == "store"
                else ServiceFault(FaultKind.UNKNOWN, "no answer", may_have_acted=True)
            )
        return self._act(process, do)

    def _act(self, process, do):
        match do:
            case steps.Read():
                return self.sight(self.store.read(KEY))
            case steps.Write(version, row):
                written = None
                if not row.is_blank:
                    written = Row(f"{process.name}{next(process.numbers)}", text.to_text(row, str))
                won, seen = self.store.replace(KEY, version, written, row.keep())
                self.written += [written.body] if won and written else []
                return won, self.sight(seen)
            case steps.CheckOut(client_token):
                return self.service.check_out(client_token), Moment(self.now, self.now)
            case steps.Extend(token):
                return self.service.extend(token), Moment(self.now, self.now)
            case steps.CheckIn(token):
                return self.service.check_in(token)
            case steps.Pause():
                if all(one.is_done or one.waits for one in self.processes if one is not process):
                    self.now += FLIGHT_LASTS + 1.0  # nobody else makes a step
        return None

    def lose_memory(self, chance):
        """Go back to an earlier row, or to none; the store's epoch tells so.

        Not while a check-in is in the air: who reclaims that lease in this very moment loses it again.
        """
        for process in self.processes:
            while process.plan is not None and isinstance(process.next, steps.CheckIn):
                process.step()
        kept = self.store.read(KEY).row
        earlier = chance.choice([None, *self.written[-5:]])
        row = None if earlier is None else Row(f"again{chance.random()}", earlier)
        self.store.replace(KEY, kept.version if kept else "", row, 1e6)
        self.epoch = str(chance.random())
        self.lost_memory = True

    # -- what must hold ----------------------------------------------------------------------------

    def check(self):
        """Nobody rides on a lease that is not live at the service, and one seat is one seat."""
        for process in self.processes:
            held = process.held
            if held is None:
                continue
            ends = held.term.wall + held.term.lifetime
            if self.now < ends:
                assert self.service.live.get(held.facts.token, 0.0) > self.now, f"{process.name} rides on nothing"
        if not self.lost_memory:
            assert self.service.most <= 1, "a second seat was taken"

    def clean_up(self):
        """Let a later process return what is left, once all are gone."""
        later = Process(self, "Z", todo=["reap"])
        self.processes.append(later)
        while not later.is_done:
            later.step()
        assert not later.failures, later.failures


class Life:
    """A random life of a world: processes come and go, are killed, lose answers, and time passes."""

    def __init__(self, store, seed, names="ABC", seats=3, losses=0.0):
        self.random = random.Random(seed)
        self.world = World(store, seats, names)
        self.losses = losses
        """How often the store loses what was written, as at a failover: it goes back to what it was some writes ago."""

    def live(self, steps):
        for _ in range(steps):
            self.move()
            self.world.check()
        self.end()

    def move(self):
        draw, process = self.random.random(), self.random.choice(self.world.processes)
        if draw < 0.02:
            process.kill()
            self.world.processes.remove(process)
            self.world.processes.append(Process(self.world, process.name[0] + str(self.random.random())))
        elif draw < 0.06:
            self.pass_time(self.random.choice([1.0, 20.0, 31.0, 60.0, 101.0, 250.0]))
        elif draw < 0.06 + self.losses:
            self.world.lose_memory(self.random)
        else:
            self.go_on(process, draw)

    def go_on(self, process, draw):
        if process.plan is None and not process.todo:
            process.todo = [
                self.random.choice(["renew", "leave", "renew"] if process.held else ["obtain"] * 3 + ["reap"])
            ]
        process.fails = [self.random.random() < 0.5] if draw > 0.95 else []
        process.step()

    def pass_time(self, seconds):
        """Let time pass; but no process is held up for minutes between its claim and its request.

        Nobody can keep it from sending that request late. What comes of it then goes back, as it is not the claim's.
        """
        claims = [one for one in self.world.processes if one.plan and isinstance(one.next, steps.CheckOut)]
        if any(one.stalled + seconds > 200.0 for one in claims):
            return
        self.world.now += seconds
        for process in self.world.processes:
            process.stalled = process.stalled + seconds if process in claims else 0.0
            if process.held and self.world.now >= process.held.term.wall + process.held.term.lifetime:
                process.todo = ["leave"]  # which is what a process does once it notices

    def end(self):
        """All end well, in any order, or are killed; the next process returns what they left."""
        for process in list(self.world.processes):
            if self.random.random() < 0.5:
                process.kill()
            process.fails = []
        for process in self.world.processes:
            process.todo += ["leave"] * process.is_alive
        while waiting := [one for one in self.world.processes if not one.is_done]:
            self.random.choice(waiting).step()
            self.world.check()
        for process in self.world.processes:
            process.kill()
        self.world.clean_up()
        if not self.world.lost_memory:
            assert self.world.service.taken() == 0, "a seat is left"
