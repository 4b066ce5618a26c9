"""Presence: how processes of several machines know of each other whether they are still there.

On one machine the system tells. Elsewhere each process renews a row of its own, which the store forgets when it stops
doing so. Who sweeps the store and meets a process without such a row looks for it again, and after a while takes the
process for gone. A process that could not renew its own for long may be taken for gone while it lives, and what it
holds may be given back: it asks the service.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable
from uuid import uuid4

from ..rows import Row, StoreFault
from . import owners
from .clock import stopwatch
from .execution import Execution

FORGOTTEN_AFTER = 120.0  # seconds after which the store forgets a process that stopped renewing its row
GONE_AFTER = 75.0  # seconds without a row, twice the time between two looks: a store that was emptied hears of it first
IN_DOUBT_AFTER = 60.0  # seconds without a word to the store, after which others may soon take this process for gone


class Presence:
    """The row of this process in a store, and what it knows of the others."""

    def __init__(self, execution: Execution, owner: str) -> None:
        self._execution = execution
        self._owner = owner
        self._version = ""
        self._renewed_at = stopwatch()
        self._missing_since: dict[str, float] = {}
        """Processes of other machines that have no row, and since when."""

    def is_alive(self, owner: str) -> bool:
        """Tell whether the process behind a name may still be there. Takes no time."""
        is_fleet = self._execution.store.is_fleet
        if not is_fleet or owners.is_silent(owner) or owners.is_running(owner) is not None:
            return owners.may_live(owner, is_fleet=is_fleet)
        return not self._is_gone(owner)

    @property
    def knows_of_gone(self) -> bool:
        """True while there is a process that is taken for gone."""
        return any(map(self._is_gone, list(self._missing_since)))  # a copy, for other threads write it

    def _is_gone(self, owner: str) -> bool:
        return stopwatch() - self._missing_since.get(owner, math.inf) >= GONE_AFTER

    @property
    def is_in_doubt(self) -> bool:
        """True when others may take this process for gone."""
        return self._execution.store.is_fleet and stopwatch() - self._renewed_at > IN_DOUBT_AFTER

    def renew(self) -> None:
        """Renew this process's own row.

        :raises StoreFault: the store cannot be had.
        """
        began, row = stopwatch(), Row(uuid4().hex[:16], "here")
        won, seen = self._execution.store.replace(self._place(self._owner), self._version, row, FORGOTTEN_AFTER)
        self._version = seen.row.version if seen.row is not None else ""
        if not won:  # the store has forgotten it, or has an earlier one
            won = self._execution.store.replace(self._place(self._owner), self._version, row, FORGOTTEN_AFTER).is_won
            self._version = row.version
        if not won:
            raise StoreFault("somebody else has written the row of this process")
        self._renewed_at = began

    def rest(self) -> None:
        """Do without a row: this process holds nothing that others could give back."""
        self._renewed_at = stopwatch()

    def note(self, met: Iterable[str], places: Collection[str]) -> None:
        """Note which of the processes that somebody met are missing.

        :param places: the keys of rows that were met with them; a row that came later is found by :meth:`look`.
        """
        if not self._execution.store.is_fleet:
            return
        for owner in met:
            if not owners.is_silent(owner) and owners.is_running(owner) is None and self._place(owner) not in places:
                self._missing_since.setdefault(owner, stopwatch())

    def look(self) -> None:
        """Look again for the rows of those that are missing.

        :raises StoreFault: the store cannot be had.
        """
        for owner, since in list(self._missing_since.items()):
            is_back = self._execution.store.read(self._place(owner)).row is not None
            if is_back or stopwatch() - since > FORGOTTEN_AFTER:  # then what it left has gone back
                self._missing_since.pop(owner, None)

    def end(self) -> None:
        """Take this process's own row away."""
        if self._version:
            self._execution.store.replace(self._place(self._owner), self._version, None, 0.0)
            self._version = ""

    def _place(self, owner: str) -> str:
        return f"{self._execution.scope}/here-{hashlib.sha256(owner.encode()).hexdigest()[:24]}"
