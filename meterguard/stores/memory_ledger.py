"""A ledger in this process: exact while it lives, gone when it ends."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from ..account import Account
from ..ports import Change, Notes, Posting
from ..usage import UsageKey, UsageLine, day_of


class MemoryLedger:
    """A ``Ledger`` of this process. It takes no time and cannot fail."""

    is_shared = False
    is_fleet = False

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked child: begin anew."""
        self._lock = threading.RLock()
        self._accounts: dict[str, Account] = {}
        self._usage: defaultdict[UsageKey, Decimal] = defaultdict(Decimal)
        self._notes: dict[str, Notes] = {}

    def transact(self, key: str, change: Change) -> Posting:
        """Change one account."""
        with self._lock:
            posting = change(self._accounts.get(key), time.time())
            self._accounts[key] = posting.account
            self.post(posting.usage)
            return posting

    def post(self, lines: Iterable[UsageLine], token: str | None = None) -> None:  # noqa: ARG002 - no fault leaves it open
        """Add to the usage."""
        with self._lock:
            for key, quantity in lines:
                self._usage[key] += quantity

    def accounts(self) -> list[Account]:
        """Return all accounts."""
        with self._lock:
            return list(self._accounts.values())

    def usage(self, since: float | None = None, until: float | None = None) -> Iterable[UsageLine]:
        """Return the usage of some hours."""
        with self._lock:
            lines = [UsageLine(key, quantity) for key, quantity in self._usage.items()]
        return [
            line
            for line in lines
            if (since is None or line.key.hour >= since) and (until is None or line.key.hour < until)
        ]

    def notes(self, book: str) -> Notes:
        """Return what is noted in a book."""
        with self._lock:
            return self._notes.get(book, Notes("", {}))

    def note(self, book: str, expected: str, changes: Mapping[str, str | None]) -> str | None:
        """Write rows of a book."""
        with self._lock:
            version, rows = self.notes(book)
            if version != expected:
                return None
            kept = {key: text for key, text in {**rows, **changes}.items() if text is not None}
            written = self._notes[book] = Notes(str(int(version or "0") + 1), kept)
            return written.version

    def compact(self, hours_before: float, days_before: float) -> None:
        """Put old hours together to days, and delete what is older still."""
        with self._lock:
            lines, self._usage = self._usage, defaultdict(Decimal)
            for key, quantity in lines.items():
                kept = day_of(key) if key.hour < hours_before else key
                if key.hour >= days_before:
                    self._usage[kept] += quantity

    def describe(self) -> str:
        """Return where it is."""
        return (
            "in the memory of this process, and gone when it ends: where several processes draw or meter, or the books "
            "have to outlive one, give them one to share"
        )

    def close(self) -> None:
        """Nothing is open."""
