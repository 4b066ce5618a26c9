"""Calls that wait in several processes: every order of their steps, and long rounds in orders by chance.

``python -m tests.properties.test_lines`` plays a thousand rounds.
"""

from __future__ import annotations

import random
import sys
from collections import deque

import pytest

from meterguard.core.shared.stand import STUCK
from tests.properties.line_world import World, settle

# -- every order -------------------------------------------------------------------------------------

LOOK, ASK, HEAR, GIVE, KILL, CANCEL = "look", "ask", "hear", "give", "kill", "cancel"


def begun(schedule, scene):
    world = scene()
    for name, move in schedule:
        make(world[name], move)
    return world


def make(process, move):
    match move:
        case "look":
            process.step()
        case "cancel":
            process.cancel(process.waiting[-1])
        case _:
            getattr(process, move)()


def moves(world, schedule, most):
    done = [move for _, move in schedule]
    for one in world.processes:
        if not one.is_alive:
            continue
        if one.is_busy:
            yield one.name, LOOK
        if one.may_ask():
            yield one.name, ASK
        if one.asking is not None:
            yield one.name, HEAR
        if one.holds:
            yield one.name, GIVE
        if one.waiting and done.count(CANCEL) < most.get(CANCEL, 0):
            yield one.name, CANCEL
        if done.count(KILL) < most.get(KILL, 0):
            yield one.name, KILL


def explore(scene, **most):
    """Go through all states that any order leads to. Returns how many there are."""
    seen, todo = set(), deque([()])
    while todo:
        schedule = todo.pop()
        world = begun(schedule, scene)
        known = (world.line, world.free, *(one.state() for one in world.processes))
        if known in seen:
            continue
        seen.add(known)
        todo += [(*schedule, move) for move in moves(world, schedule, most)]
        check_settled(world, schedule)
    return len(seen)


def check_settled(world, schedule):
    """From here on a free seat finds whoever waits, without a pause if all who gave one back live to say so."""
    is_silent = any(not one.is_alive and not one.is_told for one in world.processes)
    settle(world, with_pauses=is_silent)
    waiting = [arrived for one in world.processes if one.is_alive for arrived in one.waiting]
    assert not (waiting and world.free), schedule
    firsts = [one for one in world.processes if one.is_alive and one.waiting and one.stand.is_first]
    assert bool(firsts) == bool(waiting), schedule
    assert len(firsts) <= 1, schedule
    assert {one.owner for one in world.line.entries if world.is_alive(one.owner)} <= {
        one.name for one in world.processes if one.waiting
    }, f"an entry is left after {schedule}"


def two_wait():
    """A has the seat, B and C wait for it."""
    world = World(0, "ABC")
    world["A"].holds = 1
    world["B"].come(1.0)
    world["C"].come(2.0)
    return world


def two_wait_in_line():
    """The same, once both stand in the line."""
    world = two_wait()
    for name in "BC":
        world[name].look_once()
    settle(world)
    return world


def one_gives_and_waits():
    """A has the seat and a call that waits, and so does B."""
    world = World(0, "AB")
    world["A"].holds = 1
    world["A"].come(2.0)
    world["B"].come(1.0)
    settle(world)
    return world


@pytest.mark.parametrize("scene", [two_wait_in_line, one_gives_and_waits])
@pytest.mark.parametrize("most", [{}, {KILL: 1}, {CANCEL: 1}], ids=["all live", "one dies", "one gives up"])
def test_a_free_seat_finds_who_waits_in_every_order(scene, most):
    assert explore(scene, **most) > 100


# -- orders by chance --------------------------------------------------------------------------------

WAITERS, SEATS = 200, 3
PROCESSES = "ABCDEFGH"


def a_round(seed, *, kills=0, cancels=0):
    """200 calls in 8 processes wait for 3 seats, until all were served. Return the world, and who was lost."""
    chance = random.Random(seed)
    world = World(0, PROCESSES)
    for arrived in range(WAITERS):
        chance.choice(world.processes).come(float(arrived))
    settle(world)  # until all have heard that nothing is free, and stand in the line
    for one in chance.sample(world.processes, SEATS):
        one.holds += 1  # by calls that came before all of these
    lost = []
    while busy := [one for one in world.processes if one.is_busy]:
        one = chance.choice(chance.choice((busy, [each for each in busy if each.may_act] or busy)))
        if kills and chance.random() < 0.002:
            kills -= 1
            lost += die(world, one)
        elif cancels and chance.random() < 0.02:
            cancels -= 1
            lost += give_up(chance, one)
        else:
            go_on(chance, one)
    return world, lost


def go_on(chance, one):
    """Make any of the steps that a process may make now."""
    steps = [one.step]
    steps += [one.ask] if one.may_ask() else []
    steps += [one.hear] if one.asking is not None else []
    steps += [one.give] if one.holds else []
    chance.choice(steps)()


def die(world, one):
    """Kill a process. A living one gives back, and tells, what it had."""
    lost = list(one.waiting)
    one.kill()
    heir = next((other for other in world.processes if other.is_alive), None)
    if heir is not None:
        heir.holds, one.holds, heir.is_told = heir.holds + one.holds, 0, heir.is_told and one.is_told
    return lost


def give_up(chance, one):
    if not one.waiting:
        return []
    arrived = chance.choice(one.waiting)
    one.cancel(arrived)
    return [arrived]


def play(seed):
    """No wake-up is lost: nobody asks after a mere pause here."""
    world, _ = a_round(seed)
    assert world.served == [float(arrived) for arrived in range(WAITERS)], seed


@pytest.mark.parametrize("seed", range(8))
def test_200_waiters_for_3_seats_are_served_in_the_order_in_which_they_came(seed):
    play(seed)


@pytest.mark.parametrize("seed", range(8))
def test_who_is_killed_or_gives_up_blocks_nobody(seed):
    world, lost = a_round(seed, kills=3, cancels=50)
    assert len(lost) > 50
    assert world.served == sorted(world.served)
    assert sorted([*world.served, *lost]) == [float(arrived) for arrived in range(WAITERS)]
    settle(world)
    assert not [one for one in world.line.entries if world.is_alive(one.owner)]


def test_who_is_stopped_is_passed_by_and_takes_its_place_again():
    world = two_wait_in_line()
    world["A"].give()
    world["A"].look_once()
    world.now += STUCK - 0.1  # B is stopped, and C watches it
    world["C"].look_once()
    assert not world["C"].may_ask()
    world.now += 0.1
    world["C"].look_once()
    assert world["C"].may_ask()
    world["B"].look_once()
    assert world["B"].may_ask(), "it came first"
    assert [one.owner for one in world.line.entries] == ["B", "C"]


def test_the_first_that_shows_itself_is_not_passed_by():
    world = two_wait_in_line()
    for _ in range(20):
        world.now += STUCK / 2
        for name in "BC":
            world[name].look_once()
        assert not world["C"].stand.is_first


if __name__ == "__main__":
    for seed in range(int(sys.argv[1]) if sys.argv[1:] else 1000):
        play(seed)
        sys.stdout.write(f"\r{seed + 1} rounds")
    sys.stdout.write("\n")
