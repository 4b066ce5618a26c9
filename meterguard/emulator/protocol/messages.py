"""Messages: the caller, the parameters, the answer, and the reply as an HTTP response."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ("LONGEST_BODY", "NOTHING", "Answer", "Caller", "Headers", "Parameters", "RawHeaders", "Reply")

LONGEST_BODY: Final = 1024 * 1024

Parameters = Mapping[str, Any]
"""The members of a request, of the types that the service's model says."""

Answer = dict[str, Any]
"""The members of an answer, of the types that the service's model says."""

RawHeaders = Collection[tuple[bytes, bytes]]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that the access key belongs to, and the Region that the request was signed for."""

    account: str
    region: str
    access_key: str | None = None
    session_arn: str | None = field(default=None, repr=False)

    @property
    def arn(self) -> str:
        """Return the ARN of the user, or of the session of a role."""
        return self.session_arn or f"arn:aws:iam::{self.account}:user/{self.access_key or 'anonymous'}"


@dataclass(frozen=True, slots=True)
class Reply:
    """The parts of an HTTP response.

    ``length`` is for its header: more than there is of the body, if that is cut.
    """

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    length: int

    @property
    def is_whole(self) -> bool:
        """Return whether all of the body is there."""
        return len(self.body) == self.length

    @property
    def is_nothing(self) -> bool:
        """Return whether the connection is closed instead of an answer."""
        return self.status == 0


NOTHING: Final = Reply(0, [], b"", 0)
