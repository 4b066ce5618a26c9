"""Draws whose processes are killed at every step: nothing is charged twice, and what is lost is bounded."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from meterguard.emulator import Emulator
from tests.properties.killed_processes import one_life

LIVES, PARTS = 2_000, 8


@pytest.mark.parametrize("part", range(PARTS))
def test_the_books_agree_whenever_processes_die(environment, part):
    kills = 0
    client = boto3.client("license-manager", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))
    emulator = Emulator()
    emulator.attach(client)
    for seed in range(part, LIVES, PARTS):
        try:
            kills += one_life(emulator, client, seed).kills
        except AssertionError as failure:
            failure.add_note(f"seed {seed}")
            raise
    assert kills > LIVES / PARTS  # more than one in each life
