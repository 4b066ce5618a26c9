"""The table of refresh tokens, which are for customers without an AWS account. It is pure, like `pools`."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace

__all__ = ("RefreshToken", "Tokens")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A token of a licence. Its holder has the ``text``."""

    identifier: str
    text: str = field(repr=False)
    licence_arn: str = field(repr=False)
    account: str
    expires: float
    properties: tuple[str, ...] = ()
    roles: tuple[str, ...] = field(default=(), repr=False)
    status: str = "AVAILABLE"

    def is_good_at(self, now: float) -> bool:
        """Return whether the token gives access tokens at that moment."""
        return self.status == "AVAILABLE" and now < self.expires


class Tokens:
    """All refresh tokens, deleted ones too."""

    def __init__(self, tokens: MutableMapping[str, RefreshToken]) -> None:
        self._tokens = tokens
        self._by_text = {token.text: identifier for identifier, token in tokens.items()}

    def __iter__(self) -> Iterator[RefreshToken]:
        """Return every token, in the order of creation."""
        return iter(self._tokens.values())

    def add(self, token: RefreshToken) -> None:
        """Put a new token in the table."""
        self._tokens[token.identifier] = token
        self._by_text[token.text] = token.identifier

    def find(self, identifier: str) -> RefreshToken | None:
        """Return a token by its id."""
        return self._tokens.get(identifier)

    def read(self, text: str) -> RefreshToken | None:
        """Return a token by its text."""
        return self._tokens.get(self._by_text.get(text, ""))

    def delete(self, identifier: str) -> None:
        """Set a token's status to DELETED."""
        self._tokens[identifier] = replace(self._tokens[identifier], status="DELETED")
