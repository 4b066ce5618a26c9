"""Low water: how much of a licence's units has been drawn, told when it passes a mark, once for all processes."""

from __future__ import annotations

import threading
from dataclasses import replace

from ..account import Account
from ..core.low_water import marks_passed
from ..events import LowWater
from ..ports import LedgerFault, Usage
from .slices import Slice
from .teller import Teller, units_of
from .usage import UsageSurvey
from .waits import wait_for


class LowWaterWatch:
    """Looks at the usage of a licence after a block was drawn. Where IAM does not let it, it tells nothing."""

    def __init__(self, teller: Teller, survey: UsageSurvey) -> None:
        self._teller = teller
        self._survey = survey
        self._looking = threading.Lock()

    def look(self, part: Slice, since: float) -> None:
        """Ask for the usage, on a worker, and tell what is new.

        :param since: when the block had been drawn, by the stopwatch; an answer that is older says too little.
        """
        with self._looking:  # or an answer that is noted late would take a mark back
            wait = self._survey.wait(since)
            if wait_for(wait.future, wait.seconds):
                for usage in wait.future.result() or ():
                    if (usage.name, usage.unit.value) == (part.name, part.unit):
                        self._note(part, usage)

    def _note(self, part: Slice, usage: Usage) -> None:
        passed = marks_passed(usage.consumed, usage.maximum)
        new: set[int] = set()

        def deal(account: Account, _now: float) -> Account:
            new.clear()
            new.update(passed - set(account.told))
            # marks that lie ahead again, as after a reset or an upgrade, will be told again
            return replace(account, told=tuple(sorted(passed)))

        try:
            self._teller.deal(part, deal)
        except LedgerFault:
            return  # the next block looks again
        for mark in sorted(new):
            self._teller.publisher.tell(LowWater((units_of(part, 1),), mark, usage.consumed, usage.maximum or 0))
