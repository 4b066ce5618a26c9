"""Processes that share a lease: every order of their steps, with each of them killed at each step."""

from __future__ import annotations

import pytest

from tests.properties.shared_world import KEY, World


class Rows:
    """A store that is a dict, quick to copy and to compare."""

    def __init__(self):
        from meterguard.stores.memory_rows import MemoryRows

        self.real = MemoryRows()
        self.read, self.replace = self.real.read, self.real.replace


STEP, KILL, LOSE, FAIL = "step", "kill", "lose", "fail"


def make(world, name, move):
    """Let a process make its next step, or end it there."""
    process = next(one for one in world.processes if one.name == name)
    if move == KILL:
        process.kill()
        return
    process.fails = {STEP: [], LOSE: [True], FAIL: [False]}[move]
    process.step()
    world.check()


def begun(schedule, scripts):
    """Return a world after a schedule: pairs of a process and what becomes of it or of its next step."""
    world = World(Rows(), names="".join(scripts))
    for process in world.processes:
        process.todo = list(scripts[process.name])
    for name, move in schedule:
        make(world, name, move)
    return world


def state(world):
    """All that can make a difference from here on."""
    kept = world.store.read(KEY).row
    processes = tuple((one.is_alive, len(one.todo), one.known) for one in world.processes)
    return kept and kept.body, tuple(sorted(world.service.live)), processes


def moves(world, schedule, most):
    """Yield what may come next."""
    done = [move for _, move in schedule]
    for process in world.processes:
        if process.is_done:
            continue
        others = any(not one.is_done and not one.waits for one in world.processes if one is not process)
        if not (process.waits and others):  # who waits, waits for another's step
            yield process.name, STEP
            if process.plan is not None and not process.waits:
                yield from ((process.name, move) for move in (LOSE, FAIL) if done.count(move) < most.get(move, 0))
        if done.count(KILL) < most.get(KILL, 0):
            yield process.name, KILL


def explore(scripts, **most):
    """Go through every schedule, each state once. Returns how many ends there were."""
    seen, ends, stack = set(), 0, [()]
    while stack:
        schedule = stack.pop()
        world = begun(schedule, scripts)
        while (known := state(world)) not in seen:
            seen.add(known)
            assert len(schedule) < 80, f"no end in sight: {schedule}"
            further = [(*schedule, move) for move in moves(world, schedule, most)]
            if not further:
                end(world, schedule)
                ends += 1
                break
            schedule, *others = further
            stack += others
            make(world, *schedule[-1])
    return ends


def end(world, schedule):
    """All processes are gone: the next one returns what they left."""
    if not any(move in (LOSE, FAIL) for _, move in schedule):
        assert not any(process.failures for process in world.processes), schedule
    for process in world.processes:
        process.kill()
    world.clean_up()
    world.check()
    assert world.service.taken() == 0, f"a seat is left after {schedule}"


@pytest.mark.parametrize(
    "scripts",
    [
        {"A": ["obtain", "leave"], "B": ["obtain", "leave"]},
        {"A": ["obtain", "renew", "leave"], "B": ["obtain", "leave"]},
        {"A": ["obtain", "leave"], "B": ["reap", "obtain"]},
    ],
    ids=["two that come and go", "one that renews", "one that reaps"],
)
@pytest.mark.parametrize(
    "most", [{KILL: 2}, {KILL: 1, LOSE: 1}, {LOSE: 1, FAIL: 1}], ids=["deaths", "lost answers", "faults"]
)
@pytest.mark.timeout(240)  # tens of thousands of states
def test_every_order_of_two_processes_with_a_death_at_any_step(scripts, most):
    assert explore(scripts, **most) > 500


def test_who_waited_for_a_renewal_that_failed_hears_so():
    world = World(Rows(), names="AB")
    first, second = world.processes
    for process in world.processes:
        process.todo = ["obtain"]
        while not process.is_done:
            process.step()
        process.todo = ["renew"]
    for process in (
        first,
        first,
        first,
        second,
        second,
    ):  # one has noted its flight, one waits
        process.step()
    first.fails = [False]
    while not first.is_done:
        first.step()
    while not second.is_done:
        second.step()
    assert [str(one) for one in (*first.failures, *second.failures)] == ["no answer", "no answer"]
    assert world.service.asked.count("extension") == 0, "it had not got there, and nobody asked again"


def test_who_leaves_late_does_not_leave_what_it_has_joined_again():
    world = World(Rows(), names="A")
    (process,) = world.processes
    held = []
    for what in ("obtain", "obtain", "leave"):
        process.todo = [what]
        if what == "leave":
            process.held = held[0]
        while not process.is_done:
            process.step()
        held.append(process.held)
    process.held = held[1]
    world.check()
    assert (held[0].mark != held[1].mark, world.service.taken(), process.failures) == (True, 1, [])
