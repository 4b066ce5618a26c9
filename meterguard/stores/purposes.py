"""The purposes of a place, a ledger or a lease store: the words for people, and the exceptions that say its trouble."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..ports import LedgerFault
from ..rows import StoreFault

Fault = LedgerFault | StoreFault
FAULTS = (LedgerFault, StoreFault)


class Purpose(NamedTuple):
    """The purpose of a place."""

    noun: str
    use: str
    """What a process does that needs it."""
    unused: str
    """Why there may be none yet."""
    fault: Callable[[str], Fault]
    """Makes the exception that says that the place cannot be had now, and that nothing was written."""
    unknown: Callable[[str], Fault]
    """Makes the exception for a write that may have been carried out."""
    risk: str
    """What happens where locks do not hold."""
    remedy: str
    """What to do with a damaged file."""
    price: str
    """What an empty one does not know."""


LEDGER = Purpose(
    noun="ledger",
    use="draws",
    unused="nothing was drawn or metered with it yet",
    fault=LedgerFault,
    unknown=partial(LedgerFault, may_have_written=True),
    risk="units could be lost or used twice",
    remedy="restore a copy; or move it away",
    price=(
        "An empty one knows no record of usage, and none of the units that were drawn and not used yet, or asked for"
        " without an answer: the licence has counted those all the same."
    ),
)
LEASE_STORE = Purpose(
    noun="lease store",
    use="takes leases",
    unused="no lease was taken with it yet",
    fault=StoreFault,
    unknown=StoreFault,
    risk="processes would take more seats than one",
    remedy="move it away",
    price="That costs at most one more seat for each lease, until the lease that was forgotten ends.",
)
