"""What happens to a fleet, one scene after another, and what is read off each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .calls import Caller
from .loop import BEGIN, Steps, Task
from .measures import MINUTE
from .world import Arrangement, Slot, World

HOUR = 3600.0
ROLLING = 600.0  # seconds over which a rolling deploy is spread
AT_ONCE = 5.0  # seconds over which the processes of all hosts are restarted when that is done at once
OUTAGE = 300.0  # seconds
CRASHES = 1 / 86_400  # kill -9 of a process, a second
STRICKEN = 0.1  # of all processes are killed at one moment
IN_SHORT, AT_LENGTH = 100_000, 700_000  # things done in a scene, after which it is given up
A_LARGE_ROW = 100  # processes that share a lease; with more everything takes longer, so that it is given up earlier
Figures = dict[str, float | None]
"""What was found, by name; None: not within the time of the scene."""


@dataclass
class Play:
    """A fleet on its way through the scenes."""

    world: World
    most: float
    """Things that are done in a scene, at most."""
    is_over: bool = False

    def scene(self, seconds: float) -> tuple[float, float]:
        """Go on for so long; return when that began and ended."""
        loop = self.world.loop
        begin = loop.now
        self.is_over = not loop.run(begin + seconds, self.most)
        return begin, loop.now

    def spread(self, seconds: float, act: Callable[[Slot], object]) -> None:
        """Have something done to each process, evenly over some seconds."""
        slots = self.world.slots
        for slot in slots:
            self.world.loop.after(seconds * slot.number / len(slots), partial(act, slot))

    def scatter(self, seconds: float, act: Callable[[Slot], object]) -> None:
        """Have something done to each process, at random within some seconds."""
        for slot in self.world.slots:
            self.world.loop.after(self.world.dice.random() * seconds, partial(act, slot))


def play(arrangement: Arrangement, processes: int, seed: int = 1, most: int = IN_SHORT) -> Figures:
    """Play all scenes. Once one is given up, the others go on with a new fleet."""
    if arrangement.is_fleet:
        most = max(min(most, most * A_LARGE_ROW // processes), IN_SHORT, 12 * processes)

    def new() -> Play:
        return Play(World(arrangement, processes, seed), most)

    if arrangement.is_each_call:
        return _calls(new()) | _calls_in_outage(new())
    on = new()
    figures = _rolling(on)
    for scene in (_steady, _crash, _deploy, _store_outage, _outage):
        if on.is_over:
            on = new()
            _rolling(on)
        figures |= scene(on)
    return figures


# -- scenes ----------------------------------------------------------------------------------------


def _rolling(on: Play) -> Figures:
    """The processes start one after another."""
    on.spread(ROLLING, on.world.start)
    begin, end = on.scene(ROLLING + 10 * MINUTE)
    return _load(on.world, "rolling ", begin, end) | _recovery(on, "rolling ", begin + ROLLING, end)


def _steady(on: Play) -> Figures:
    """Two hours of calls, in which now and then a process is killed."""
    world = on.world
    world.loop.spawn(_crashing(world, world.loop.now + 2 * HOUR))
    begin, end = on.scene(2 * HOUR)
    return _load(world, "", begin, end) | _listed(world)


def _crashing(world: World, until: float) -> Steps[None]:
    while True:
        yield world.dice.expovariate(CRASHES * len(world.slots))
        if world.loop.now >= until:
            return
        world.kill(world.dice.choice(world.slots))


def _crash(on: Play) -> Figures:
    """A tenth of all processes is killed, and started again."""
    world = on.world
    on.scene(HOUR)  # the seats of those that were killed before lapse
    for slot in world.dice.sample(world.slots, math.ceil(STRICKEN * len(world.slots))):
        world.kill(slot)
    begin, end = on.scene(65 * MINUTE)
    right = None if on.is_over else world.measures.seats.settled(begin, end, world.needed())
    return {"crash seats right": right} | _given_up(on, "crash ")


def _outage(on: Play) -> Figures:
    """The service is down, from a renewal on."""
    world = on.world
    world.service.outage.arm(OUTAGE)
    while world.service.outage.begun is None and not on.is_over:
        on.scene(MINUTE)
    begun = world.service.outage.begun or world.loop.now
    on.scene(begun + OUTAGE + 10 * MINUTE - world.loop.now)
    end = min(begun + OUTAGE, world.loop.now)
    return _load(world, "outage ", begun, end) | _recovery(on, "outage ", end, world.loop.now)


def _store_outage(on: Play) -> Figures:
    """The stores are away, each from its next use on."""
    world = on.world
    if not world.stores:
        return {}
    for store in world.stores:
        store.outage.arm(OUTAGE)
    on.scene(HOUR)
    begun = min(store.outage.begun or world.loop.now for store in world.stores)
    last = max(store.outage.begun or 0.0 for store in world.stores)
    on.scene(max(0.0, last + OUTAGE + 10 * MINUTE - world.loop.now))
    load = _load(world, "store outage ", begun, last + OUTAGE)
    return load | _recovery(on, "store outage ", last + OUTAGE, world.loop.now)


def _deploy(on: Play) -> Figures:
    """All processes are replaced at once."""
    world = on.world
    on.scatter(AT_ONCE, world.restart)
    begin, end = on.scene(10 * MINUTE)
    figures = _load(world, "deploy ", begin, end) | _recovery(on, "deploy ", begin, end)
    if not on.is_over:
        _, end = on.scene(HOUR)
        figures["deploy seats right"] = world.measures.seats.settled(begin, end, world.needed())
    return figures


def _calls(on: Play) -> Figures:
    """Three minutes of calls that take a seat each, and a crash."""
    world = on.world
    callers, tasks = _callers(world)
    on.scene(MINUTE)
    figures = _load(world, "", *on.scene(3 * MINUTE))
    for caller in callers[: math.ceil(STRICKEN * len(callers))]:
        caller.kill()
    for task in tasks:
        task.kill()
    begin, end = on.scene(HOUR + MINUTE)
    return figures | {"crash seats right": world.measures.seats.settled(begin, end, 0)}


def _calls_in_outage(on: Play) -> Figures:
    """Five minutes without the service."""
    world = on.world
    _callers(world)
    on.scene(MINUTE)
    world.service.outage.begin(OUTAGE)
    begin, end = on.scene(OUTAGE)
    figures = _load(world, "outage ", begin, end)
    if not on.is_over:
        begin, end = on.scene(2 * MINUTE)
    return figures | _recovery(on, "outage ", begin, end)


def _callers(world: World) -> tuple[list[Caller], list[Task]]:
    callers = [Caller(world.loop, world.measures, world.dice, world.service) for _ in world.slots]
    return callers, [world.loop.spawn(caller.live()) for caller in callers]


# -- figures ---------------------------------------------------------------------------------------


def _load(world: World, scene: str, begin: float, end: float) -> Figures:
    measures = world.measures
    return {
        f"{scene}calls": measures.asked.mean(begin, end),
        f"{scene}calls peak": measures.asked.peak(begin, end),
        f"{scene}refused": measures.refused.mean(begin, end),
        f"{scene}trips": measures.trips.mean(begin, end),
        f"{scene}trips peak": measures.trips.peak(begin, end),
        f"{scene}seats": measures.seats.mean(begin, end),
        f"{scene}seats peak": measures.seats.peak(begin, end),
        f"{scene}unknown": measures.unknown.mean(begin, end),
        f"{scene}denied": measures.denied.mean(begin, end),
    }


def _listed(world: World) -> Figures:
    return {"looks": world.looks(), "listed": world.listed(), "row": world.largest_row()}


def _recovery(on: Play, scene: str, since: float, end: float) -> Figures:
    """Return the seconds after which all processes had their leases again."""
    found: Figures = {f"{scene}recovery": None if on.is_over else on.world.measures.trouble.settled(since, end, 0)}
    return found | _given_up(on, scene)


def _given_up(on: Play, scene: str) -> Figures:
    return {f"{scene}given up": 1} if on.is_over else {}


def simulated_day(arrangement: Arrangement, processes: int, seed: int = 1) -> Figures:
    """Play a day of calls in which each process is killed about once."""
    world = World(arrangement, processes, seed)
    Play(world, math.inf).spread(ROLLING, world.start)
    world.loop.spawn(_crashing(world, BEGIN + 24 * HOUR))
    world.loop.run(BEGIN + 24 * HOUR)
    return _load(world, "", BEGIN + HOUR, world.loop.now) | _listed(world)
