"""The book of metering records in a ledger, as one process reads and writes it."""

from __future__ import annotations

from collections.abc import Callable

from ..core.metering_book import Book
from ..errors import ConfigurationError
from ..ports import Ledger, LedgerFault

ATTEMPTS = 100  # to write into a book that others write into, too


class RecordBook:
    """Reads the book, and changes it by rows."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self._name = name
        self._version = ""
        self.book = Book()
        """The book as it was read or written last."""

    def read(self) -> Book:
        """Read the book.

        :raises ConfigurationError: it is damaged.
        :raises LedgerFault: the ledger cannot be read.
        """
        notes = self._ledger.notes(self._name)
        try:
            self._version, self.book = notes.version, Book.read(notes.rows)
        except ValueError as problem:
            raise ConfigurationError(
                f"the metering records in the ledger are damaged ({problem}): restore the ledger from a copy; nothing "
                "was sent"
            ) from None
        return self.book

    def change(self, change: Callable[[Book], Book]) -> tuple[Book, Book]:
        """Change the book that was read last, or the one of now where somebody else was faster.

        Returns it before and after. A change may be called several times; only its last book counts.

        :raises ConfigurationError: it is damaged.
        :raises LedgerFault: the ledger cannot be written.
        """
        for _ in range(ATTEMPTS):
            before = self.book
            after = change(before)
            rows = after.since(before)
            version = self._ledger.note(self._name, self._version, rows) if rows else self._version
            if version is not None:
                self._version, self.book = version, after
                return before, after
            self.read()
        raise LedgerFault("others wrote into the metering records first, again and again; nothing was written")
