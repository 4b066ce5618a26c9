"""A fleet: processes on hosts, and what happens to them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from meterguard.core.shared.row import IsAlive
from meterguard.runtime.sweep import EVERY, EVERY_OF_A_FLEET

from .direct import Direct
from .loop import Loop, Steps, Task
from .measures import Measures
from .process import Process
from .service import Service, Terms
from .sharing import Owner, Sharing
from .store import DYNAMODB, POSTGRESQL, REDIS, SQLITE, Kind, Store, size

A_HOST = 8  # processes
BOOT = 2.0  # seconds from the end of a process to the first call of the one that follows it
SUPERVISED = 5.0  # seconds after which a process that was killed is started again
LOOK = 0.5  # seconds between two looks at a process that is to end
PATIENCE = 10.0  # seconds after which a process that has been told to end is killed


@dataclass(frozen=True)
class Arrangement:
    """Who shares a lease with whom."""

    name: str
    says: str
    kind: Kind | None = None
    """The store; None where nothing is shared."""
    is_fleet: bool = False
    """True for one store for all, False for one a host."""
    is_each_call: bool = False


@dataclass
class Slot:
    """A place in the fleet where one process follows another."""

    number: int
    owner: str = ""
    process: Process | None = None
    task: Task | None = None
    starts: int = field(default=0)


class World:
    """All processes of one licence."""

    def __init__(self, arrangement: Arrangement, processes: int, seed: int = 1, terms: Terms | None = None) -> None:
        self.arrangement = arrangement
        self.dice = random.Random(seed)
        self.loop = Loop()
        self.measures = Measures(self.loop)
        self.service = Service(self.loop, self.measures, self.dice, terms or Terms())
        self.slots = [Slot(number) for number in range(processes)]
        self.alive: set[str] = set()
        hosts = 1 if arrangement.is_fleet else -(-processes // A_HOST)
        kind = arrangement.kind
        self.stores = [Store(self.loop, self.measures, self.dice, kind) for _ in range(hosts)] if kind else []

    # -- what happens to a process -----------------------------------------------------------------

    def start(self, slot: Slot) -> None:
        """Start a process, whose first call comes at once."""
        if slot.owner in self.alive:
            return
        slot.starts += 1
        slot.owner = f"{self._machine(slot)}/{slot.number}/{slot.starts}"
        self.alive.add(slot.owner)
        slot.process = Process(self.loop, self.measures, self.dice, self._lessor(slot))
        slot.task = self.loop.spawn(slot.process.live())
        self._sweep(slot)

    def restart(self, slot: Slot) -> None:
        """Replace a process: it leaves, and another one starts."""
        self.loop.spawn(self._replaced(slot))

    def _replaced(self, slot: Slot) -> Steps[None]:
        yield from self.stopped(slot)
        yield BOOT
        self.start(slot)

    def stopped(self, slot: Slot) -> Steps[None]:
        """Tell a process to end, and wait until it has."""
        process, owner = slot.process, slot.owner
        if slot.task is None or process is None:
            return
        slot.task.kill()
        self.measures.troubled(process, is_troubled=False)
        leaving = slot.task = self.loop.spawn(process.end())
        until = self.loop.now + PATIENCE
        while not leaving.is_over and self.loop.now < until:
            yield LOOK
        leaving.kill()
        self.alive.discard(owner)

    def kill(self, slot: Slot, *, again: bool = True) -> None:
        """End a process where it is; its supervisor starts another one."""
        if slot.task is None or slot.process is None or slot.owner not in self.alive:
            return
        slot.task.kill()
        self.measures.troubled(slot.process, is_troubled=False)
        self.alive.discard(slot.owner)
        self.loop.after(self.dice.random() * self._every, lambda: self._sweep_anywhere(slot))
        if again:
            self.loop.after(SUPERVISED, lambda: self.start(slot))

    # -- who shares --------------------------------------------------------------------------------

    def needed(self) -> int:
        """Return how many seats the fleet needs now."""
        slots = [slot for slot in self.slots if slot.owner in self.alive]
        if self.arrangement.kind is None:
            return len(slots)
        return len({self._store(slot) for slot in slots})

    def listed(self) -> int:
        """Return how many processes the longest row lists."""
        return max((len(store.kept.row.holders) for store in self.stores), default=0)

    def largest_row(self) -> int:
        """Return the bytes of the longest row."""
        return max((size(store.kept.row) for store in self.stores), default=0)

    def looks(self) -> float:
        """Return the round trips a minute that the sweeps of the processes alive make, which are not played."""
        if not self.stores:
            return 0.0
        stores = Counter(self._store(slot) for slot in self.slots if slot.owner in self.alive)
        each = 2 if self.arrangement.is_fleet else 1  # a look, and a word of its own for those on other hosts
        return 60 / self._every * (each * len(self.alive) + 2 * len(stores))

    @property
    def _every(self) -> float:
        return EVERY_OF_A_FLEET if self.arrangement.is_fleet else EVERY

    def _lessor(self, slot: Slot) -> Direct | Sharing:
        if not self.stores:
            return Direct(self.loop, self.service, self.dice)
        machine = self._machine(slot)
        owner = Owner(slot.owner, machine, self._is_alive_from(machine))
        return Sharing(self.loop, self.service, self._store(slot), self.dice, owner)

    def _store(self, slot: Slot) -> Store:
        return self.stores[0 if self.arrangement.is_fleet else slot.number // A_HOST]

    def _machine(self, slot: Slot) -> str:
        return f"m{slot.number // A_HOST}"

    def _is_alive_from(self, machine: str) -> IsAlive:
        """Return what a process of this machine believes: of another machine nobody knows who is dead."""
        alive, here = self.alive, f"{machine}/"
        return lambda owner: owner in alive or not owner.startswith(here)

    def _sweep_anywhere(self, dead: Slot) -> None:
        if not self.stores:
            return
        store = self._store(dead)
        slots = [slot for slot in self.slots if slot.owner in self.alive and self._store(slot) is store]
        if slots:
            self._sweep(self.dice.choice(slots))

    def _sweep(self, slot: Slot) -> None:
        lessor = slot.process and slot.process.lessor
        if isinstance(lessor, Sharing):
            self.loop.spawn(lessor.swept())


NONE = Arrangement("none", "no store: a lease a process (`memory://`)")
A_FILE = Arrangement("sqlite", "SQLite: a lease a host of 8 processes", SQLITE)
FLEETS = (
    Arrangement("redis", "Redis: a lease for all", REDIS, is_fleet=True),
    Arrangement("postgresql", "PostgreSQL: a lease for all", POSTGRESQL, is_fleet=True),
    Arrangement("dynamodb", "DynamoDB: a lease for all", DYNAMODB, is_fleet=True),
)
EACH_CALL = Arrangement("call", 'one call per request (`hold="call"`)', is_each_call=True)
ARRANGEMENTS = (NONE, A_FILE, *FLEETS, EACH_CALL)
