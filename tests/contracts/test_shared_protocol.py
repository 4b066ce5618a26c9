"""Three processes share a lease over every store: seeded lives with deaths, lost answers and time that passes."""

from __future__ import annotations

import pytest

from meterguard.stores.memory_rows import MemoryRows
from tests.properties.shared_world import KEY, Life

LIVES = {"memory": 1_500}
FEW = 25


@pytest.mark.timeout(120)
def test_a_store_that_loses_what_was_written_costs_seats_and_never_opens_a_gate():
    """It goes back to an earlier state now and then, under a new epoch. Nobody rides on what is not live."""
    for seed in range(500):
        Life(MemoryRows(), seed, seats=9, losses=0.03).live(150)


@pytest.mark.timeout(120)
def test_no_second_seat_no_wrong_yes_and_nothing_left_behind(make_shared_store, request):
    kind = request.node.callspec.params["make_shared_store"]
    store = make_shared_store()
    for seed in range(LIVES.get(kind, FEW)):
        life = Life(store, seed)
        try:
            life.live(120)
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from problem
        kept = store.read(KEY).row
        assert store.replace(KEY, kept.version if kept else "", None, 0.0).is_won, "the next life begins with nothing"
