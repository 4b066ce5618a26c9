"""Time and AWS Marketplace for examples that run in processes of their own."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from tests.examples.conftest import EXAMPLES
from tests.house.source import ROOT

HOUR = 3600
BEGIN = datetime(2026, 11, 11, 12, 10, tzinfo=UTC)
PRODUCT = "prod-4vxq2"


class Time:
    """The clocks of an emulator and of all processes that read a file, moved together."""

    def __init__(self, lm, file):
        self._lm, self._file, self._ahead = lm, file, 0.0
        self.shift(BEGIN.timestamp() - time.time())

    def shift(self, seconds):
        self._lm.clock.advance(seconds)  # first, or a process would be ahead of AWS
        self._ahead += seconds
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(self._ahead))
        fresh.replace(self._file)


def settings(lm, folder, example):
    """The environment of a server that runs an example whose clock is moved."""
    return {
        "AHEAD": str(folder / "ahead"),
        "EXAMPLE": example,
        "PRODUCT_CODE": PRODUCT,
        "METERGUARD_LEDGER": f"sqlite:///{folder}/usage.db",
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": lm.url,
        "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLES, ROOT, ROOT / "tests/examples/sites"))),
    }
