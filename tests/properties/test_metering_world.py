"""Whatever goes wrong, AWS bills what the ledger says: each unit once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from meterguard.metering_records import RecordState
from meterguard.stores.memory_ledger import MemoryLedger
from tests.properties.metering_world import World

KINDS = ("saas", "host", "agentcore")
SEEDS = 500
BLOCK = 50


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_the_bill_is_the_ledger(first):
    for seed in range(first, first + BLOCK):
        world = World(seed, MemoryLedger(), KINDS[seed % 3])
        world.run()
        assert world.aws.bill() == world.expected(), f"seed {seed}"
        tallies = world.processes[0].reports.tallies()
        # an answer that was lost before a long outage leaves a record that is billed and given up
        known = [tallies[state] for state in (RecordState.DELIVERED, RecordState.GIVEN_UP)]
        assert sum(one.records for one in known) == len(world.aws.kept), f"seed {seed}"
        assert sum(one.quantity for one in known) == sum(world.aws.bill().values()), f"seed {seed}"
        assert tallies[RecordState.PENDING] == (0, Decimal(0)), f"seed {seed}"
