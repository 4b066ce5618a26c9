"""Failures of other meters that were made public, each as a test of this one.

Those of budgets for language models are tests of the proxy: ``tests/examples/test_llm_proxy.py``.
"""

from __future__ import annotations

import pytest

from meterguard.ports import LedgerFault
from meterguard.stores.memory_ledger import MemoryLedger


class FailingLedger(MemoryLedger):
    """A ledger that others share. The next write may fail, before it is written or behind it."""

    is_shared = True

    def __init__(self):
        super().__init__()
        self.fails = []

    def transact(self, key, change):
        when = self.fails.pop(0) if self.fails else None
        if when == "before":
            raise LedgerFault("nothing was written")
        written = super().transact(key, change)
        if when == "behind":
            raise LedgerFault("the reply was lost", may_have_written=True)
        return written


@pytest.fixture
def ledger():
    return FailingLedger()


@pytest.fixture
def till(lm, licence, make_guard, ledger):
    """``till()``: the till of a process of its own, over one ledger."""

    def make():
        guard = make_guard(lm, licence)
        guard.ledger_in_use = ledger
        return guard, guard.till

    return make


def use(guard, units=1):
    with guard.consumes_entitlement("Pages", units, block=100):
        pass


def posted(till):
    """Post what was used, by hand: the job that does it soon finds nothing to do."""
    [part] = till.draws.slices()
    return till.teller.post(part)


def fails(ledger, till, when):
    """Post what was used, in vain: the ledger fails before it is written, or behind it."""
    ledger.fails.append(when)
    with pytest.raises(LedgerFault):
        posted(till)


def charged(ledger):
    return ledger.accounts()[0].charged, sum(line.quantity for line in ledger.usage())


def test_a_batch_that_was_not_written_is_counted_when_it_is_sent_again(till, ledger):
    """OpenMeter 5118: the key was claimed before the write, so a retry was metered zero times and answered success."""
    guard, mine = till()
    use(guard, 3)
    with mine.draws.slices()[0].dealing:
        fails(ledger, mine, "before")
        assert charged(ledger) == (0, 0)
        assert posted(mine)
    assert charged(ledger) == (3, 3)


def test_a_batch_whose_reply_was_lost_is_counted_once(till, ledger):
    """pensyve 94: a batch that had been taken in part was queued again whole, and counted twice."""
    guard, mine = till()
    use(guard, 3)
    with mine.draws.slices()[0].dealing:
        fails(ledger, mine, "behind")
        use(guard, 2)  # what comes meanwhile is of the next batch
        assert posted(mine)
        assert charged(ledger) == (3, 3)
        assert posted(mine)
    assert charged(ledger) == (5, 5)


def test_a_duplicate_is_delivered(till, ledger):
    """langfuse PR 16292: what had arrived before was taken for a failure, and sent for ever."""
    guard, mine = till()
    use(guard, 3)
    with mine.draws.slices()[0].dealing:
        fails(ledger, mine, "behind")
        assert posted(mine)
        assert not posted(mine), "nothing is left to be sent"


def test_a_batch_is_known_by_its_till_and_number_and_not_by_the_order_of_calls(till, ledger):
    """latitude-llm PR 3915: keys came from the order of calls, so parallel calls charged twice, or not at all."""
    (first, one), (second, other) = till(), till()
    use(first, 3)
    use(second, 4)
    with one.draws.slices()[0].dealing, other.draws.slices()[0].dealing:
        fails(ledger, other, "behind")
        assert posted(one)
        assert posted(other)
    assert charged(ledger) == (7, 7)
