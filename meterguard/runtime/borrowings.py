"""Borrowings: the borrowed licences that a guard may use, and who in this process uses how much of them."""

from __future__ import annotations

import itertools
import threading

from ..borrowed_file import BorrowedFault, BorrowedFile
from ..core import borrowed, messages
from ..core.borrowed import SOON, Borrowed, Program, Uses
from ..core.requirements import Requirement
from ..core.terms import Term
from ..events import BorrowEnding
from ..lease import LeaseFacts
from ..ports import LicenseService, Moment, Proof
from .publisher import Publisher


class Borrowings:
    """The licences in one file. It is read at each look, for another process may have borrowed or returned one."""

    def __init__(self, file: BorrowedFile, program: Program, service: LicenseService, publisher: Publisher) -> None:
        self.file = file
        self.program = program
        self._service = service
        self._publisher = publisher
        self._lock = threading.RLock()
        self._proofs: dict[str, Proof | None] = {}
        self._taken: dict[str, Uses] = {}
        self._numbers = itertools.count(1)
        self._told: set[str] = set()

    def live(self, asked: Requirement, now: Moment) -> list[Borrowed]:
        """Return the licences that have not ended, and note that somebody has looked at this moment.

        :raises UntrustedLease: something in the file does not agree, or the clock was set back.
        """
        try:
            found = self.judged(now)
        except BorrowedFault as fault:
            raise messages.unreadable_borrow(asked, str(fault)) from None
        if not found:
            return []
        self.file.note(now.wall)
        for one in found:
            if isinstance(one, str):
                raise messages.distrusted_borrow(asked, self.file.describe(), one)
        live = [one for one in found if isinstance(one, Borrowed) and one.is_live(now)]
        self._tell(live, now)
        return live

    def judged(self, now: Moment) -> list[Borrowed | str]:
        """Return each licence in the file, or why it is not believed.

        :raises BorrowedFault: the file cannot be read.
        """
        tokens, latest = self.file.read(), self.file.latest()
        return [borrowed.judged(one, self._proof(one), self.program, now, latest) for one in tokens]

    def _proof(self, signed_token: str) -> Proof | None:
        """Verify a signed token, each once."""
        with self._lock:
            if signed_token not in self._proofs:
                if len(self._proofs) > 64:
                    self._proofs.clear()
                self._proofs[signed_token] = self._service.proof(signed_token)
            return self._proofs[signed_token]

    def _tell(self, live: list[Borrowed], now: Moment) -> None:
        for one in live:
            if one.end - now.wall <= SOON and one.signed_token not in self._told:
                self._told.add(one.signed_token)
                self._publisher.tell(BorrowEnding(one.entitlements, one.end - now.wall))

    def covers(self, asked: Requirement, now: Moment) -> bool:
        """Tell whether the licences cover a requirement, beside what is used of them."""
        with self._lock:
            return borrowed.shares(asked, self.live(asked, now), self._used()) is not None

    def take(self, asked: Requirement, now: Moment) -> tuple[LeaseFacts, Term] | None:
        """Use the licences for a requirement; None where they do not cover it, or others use too much of them."""
        with self._lock:
            live = self.live(asked, now)
            shares = borrowed.shares(asked, live, self._used())
            if shares is None:
                return None
            first, *others = sorted((one for one in live if _has(one, shares)), key=lambda one: one.end)
            facts = first.facts(asked, next(self._numbers), others)
            self._taken[facts.token or ""] = shares
            return facts, first.term(now)

    def go_on(self, facts: LeaseFacts, now: Moment) -> Borrowed | None:
        """Return the licence that a use goes on under; None where one that it needs has ended, or was given back."""
        with self._lock:
            live = self.live(facts.entitlements, now)
            needed = {token for token, _ in self._taken.get(facts.token or "", {})}
            if not needed <= {one.claims.token for one in live}:
                return None
            return next((one for one in live if one.signed_token == facts.signed_token), None)

    def leave(self, token: str) -> bool:
        """End a use. False for the token of another lease."""
        with self._lock:
            return self._taken.pop(token, None) is not None

    def forget(self) -> None:
        """In a forked child: the uses are the parent's, and the lock may be another thread's."""
        self._lock = threading.RLock()
        self._taken = {}

    def _used(self) -> Uses:
        used: Uses = {}
        for uses in self._taken.values():
            for place, units in uses.items():
                used[place] = used.get(place, 0) + units
        return used


def _has(one: Borrowed, shares: Uses) -> bool:
    return any(token == one.claims.token for token, _ in shares)
