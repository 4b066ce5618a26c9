"""Files of borrowed licences, as the runtime needs them."""

from __future__ import annotations

from typing import Protocol


class BorrowedFault(Exception):
    """A file of borrowed licences could not be read or written. The text is for people and holds no secret."""


class BorrowedFile(Protocol):
    """A file of borrowed licences: their signed tokens, and the latest moment at which somebody looked.

    Every failure is a ``BorrowedFault``.
    """

    def read(self) -> tuple[str, ...]:
        """Return the signed tokens, the oldest first; none where there is no file."""
        ...

    def prepare(self) -> None:
        """Find out whether it can be written."""
        ...

    def add(self, signed_token: str) -> None:
        """Add a signed token. It is there for good when this returns."""
        ...

    def remove(self, signed_token: str) -> None:
        """Remove a signed token."""
        ...

    def latest(self) -> float:
        """Return the latest moment seen, in seconds of the wall clock; 0.0 where nobody looked."""
        ...

    def note(self, wall: float) -> None:
        """Note a moment, if it is the latest. Where that cannot be written, it is not."""
        ...

    def describe(self) -> str:
        """Return where it is, for people."""
        ...
