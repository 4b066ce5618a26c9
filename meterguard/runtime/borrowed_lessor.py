"""The lessor of a guard with borrowed licences: what they cover needs nobody else."""

from __future__ import annotations

from collections.abc import Callable

from ..core.borrowed import Borrowed
from ..core.requirements import Requirement
from ..core.shared.steps import Got
from ..core.terms import Term
from ..core.verdicts import Granted
from ..errors import UntrustedLease
from ..lease import LeaseFacts
from ..ports import Clock, FaultKind, ServiceFault
from .borrowings import Borrowings
from .lessor import Extended, Lessor, Wish


class BorrowedLessor:
    """Gives leases under borrowed licences, and has all others from another lessor."""

    def __init__(self, inner: Lessor, borrowings: Borrowings, clock: Clock) -> None:
        self.inner = inner
        self.is_shared = inner.is_shared
        self.borrowings = borrowings
        self._clock = clock
        self.on_look: Callable[[Borrowed], None] = lambda _: None
        """Hears, in the background, of a licence that is in use, once a minute."""

    def connect(self, requirement: Requirement) -> None:
        """Make the client, unless borrowed licences cover this."""
        if not self.borrowings.covers(requirement, self._clock.now()):
            self.inner.connect(requirement)

    def check_out(self, wish: Wish) -> Got:
        """Use a borrowed licence, or check a lease out."""
        taken = self.borrowings.take(wish.requirement, self._clock.now())
        if taken is None:
            return self.inner.check_out(wish)
        facts, term = taken
        return Got(Granted(facts, term), facts.token or "", is_ours=False)

    def extend(self, key: bytes, facts: LeaseFacts, term: Term, until: float) -> Extended:
        """Look at the clock and the file anew, or extend a lease."""
        if not facts.is_borrowed:
            return self.inner.extend(key, facts, term, until)
        now = self._clock.now()
        try:
            borrowed = self.borrowings.go_on(facts, now)
        except UntrustedLease:  # the checkout that follows says why
            borrowed = None
        if borrowed is None:
            raise ServiceFault(FaultKind.NOT_FOUND, "the borrowed licence has ended, or was returned")
        self.on_look(borrowed)
        return Extended(facts, borrowed.term(now), is_ours=False)

    def check_in(self, key: bytes, mark: str, token: str, *, parting: bool = False) -> bool:
        """Use a borrowed licence no longer, which stays borrowed; or check a lease in."""
        return not self.borrowings.leave(token) and self.inner.check_in(key, mark, token, parting=parting)

    def mark(self, key: bytes) -> str:
        """Return the mark under which a lease is held."""
        return self.inner.mark(key)

    def has_others(self, key: bytes) -> bool:
        """Tell whether other processes ride on a lease."""
        return self.inner.has_others(key)

    def is_open(self, key: bytes) -> bool:
        """Tell whether a checkout may have got something that nobody knows of."""
        return self.inner.is_open(key)

    def settle(self, key: bytes) -> None:
        """Give back what such a checkout may have got."""
        self.inner.settle(key)

    def end(self, until: float) -> None:
        """Let go of what is open."""
        self.inner.end(until)

    def forget(self) -> None:
        """In a forked child: the uses are the parent's."""
        self.borrowings.forget()
