"""Postings: what was used is written down soon, off the calls' path, and at the end at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import ConfigurationError
from ..ports import LedgerFault
from .agenda import Errand
from .compaction import Compaction
from .slices import Slice
from .teller import Teller
from .workers import Submit

SOON = 0.1  # seconds after a charge until it is written down
IDLE = 1.0  # seconds without a call until free units go back, so that a crash loses none of them
SIGN_OF_LIFE = 20.0  # seconds between signs of life of a process whose calls take long


class Postings:
    """Posts the slices of one guard. Its fields are changed by the one job a slice has at a time."""

    def __init__(
        self,
        teller: Teller,
        slices: Callable[[], list[Slice]],
        remind: Callable[[Errand, float], None],
        submit: Submit,
        compaction: Compaction,
    ) -> None:
        self._teller = teller
        self._compaction = compaction
        self._slices = slices
        self._remind = remind
        self._submit = submit
        self.is_inline = False
        """True where there are no threads, or none any more: a charge is written down by the call that makes it."""

    def soon(self, part: Slice) -> None:
        """Write down what a slice has used, soon. A ledger of this process alone has time until somebody reads it."""
        if self.is_inline:
            self._post(part, give_back=True)
        elif not part.is_flush_due and self._teller.ledger.is_shared:
            self._later(part, SOON)

    def _later(self, part: Slice, delay: float) -> None:
        part.is_flush_due = delay <= SOON  # else a charge that comes sooner has it done sooner
        if part.errand is None:
            part.errand = Errand(partial(self._submit, partial(self._tend, part)))
        self._remind(part.errand, delay)

    def _tend(self, part: Slice) -> None:
        """Write down what was used. Units that nobody has used for a while go back."""
        was_idle, part.is_idle = part.is_idle, part.uses == part.uses_seen
        part.uses_seen = part.uses
        is_written = self._post(part, give_back=part.is_idle and was_idle)
        self._compaction.look()
        if not part.is_idle:
            self._later(part, SOON)
        elif not is_written or part.free:
            self._later(part, IDLE)
        elif part.open:
            self._later(part, SIGN_OF_LIFE)
        else:
            part.is_flush_due = False

    def _post(self, part: Slice, *, give_back: bool) -> bool:
        try:
            if not self._teller.post(part, give_back=give_back) and part.open:
                self._teller.deal(part, lambda account, _: account)
        except (LedgerFault, ConfigurationError) as fault:
            self._teller.unavailable(part, part.open, fault)
            return False
        return True

    def settle(self) -> dict[str, int]:
        """Write down all that was used, and return how many units of each account are free in this process.

        :raises LedgerFault: the ledger cannot be written.
        """
        free: dict[str, int] = {}
        for part in self._slices():
            while self._teller.post(part):
                pass
            free[part.key] = part.free
        return free

    def close(self) -> None:
        """Write down everything, and return what no running call has."""
        self.is_inline = True
        for part in self._slices():
            try:
                self._teller.leave(part)
            except (LedgerFault, ConfigurationError) as fault:
                self._teller.unavailable(part, part.open, fault)
        self._compaction.end()
        self._teller.ledger.close()
