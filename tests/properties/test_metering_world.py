"""Whatever goes wrong, AWS bills what the ledger says: each unit once.

Of 500 seeds a run of the whole suite takes some, to be quick. METERGUARD_ALL_SEEDS=1 takes all of them, against the
model of AWS and against the emulator.
"""

from __future__ import annotations

import os
from collections import defaultdict
from decimal import Decimal

import boto3
import pytest

from meterguard.aws.metering import BatchUsageMeter, UsageMeter
from meterguard.aws.settings import Settings
from meterguard.emulator import Emulator
from meterguard.metering_records import RecordState
from meterguard.stores.memory_ledger import MemoryLedger
from tests.properties.metering_world import BUYERS, DIMENSIONS, START, ToEmulator, World

KINDS = ("saas", "host", "agentcore")
PARTS = 5
ALL = range(500)
MODELLED, EMULATED = (ALL, ALL) if os.environ.get("METERGUARD_ALL_SEEDS") else (ALL[::4], ALL[::20])


def check_tallies(world, records, billed):
    tallies = world.processes[0].reports.tallies()
    # an answer that was lost before a long outage leaves a record that is billed and given up
    known = [tallies[state] for state in (RecordState.DELIVERED, RecordState.GIVEN_UP)]
    assert sum(one.records for one in known) == records
    assert sum(one.quantity for one in known) == billed
    assert tallies[RecordState.PENDING] == (0, Decimal(0))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_bill_is_the_ledger(part):
    for seed in MODELLED[part::PARTS]:
        world = World(seed, MemoryLedger(), KINDS[seed % 3])
        world.run()
        assert world.aws.bill() == world.expected(), f"seed {seed}"
        check_tallies(world, len(world.aws.kept), sum(world.aws.bill().values()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_emulators_bill_is_the_ledger(environment, part):
    for seed in EMULATED[part::PARTS]:
        with Emulator().in_process() as lm:
            world = emulated_world(lm, seed, KINDS[seed % 3])
            world.run()
            expected = defaultdict(Decimal)
            for series, quantity in world.expected().items():
                expected[series.dimension] += quantity
            assert lm.bill() == expected, f"seed {seed}"
            check_tallies(world, len(lm.metering_records()), sum(lm.bill().values()))


def emulated_world(lm, seed, kind):
    lm.clock.advance(START - lm.clock.now())
    client = boto3.Session().client("meteringmarketplace", region_name="us-east-1")
    settings = Settings(5.0, client=client)
    if kind == "saas":
        service, most = BatchUsageMeter(settings), 25
        bought(lm)
    else:
        service, most = UsageMeter(settings, "code"), 1
        lm.add_product("code", sorted(set(DIMENSIONS.values())), agentcore=kind == "agentcore")
    world = World(seed, MemoryLedger(), kind, wire=lambda world: ToEmulator(world, most, lm, service))
    if kind == "saas":
        arns = {one.account_id: one.license_arn for one in lm.product("code").customers}
        world.buyers = {name: one._replace(license_arn=arns[one.account_id]) for name, one in BUYERS.items()}
    return world


def bought(lm):
    accounts = sorted({one.account_id for one in BUYERS.values()})
    lm.add_product("code", sorted(set(DIMENSIONS.values())), accounts)
