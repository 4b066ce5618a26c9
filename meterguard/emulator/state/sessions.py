"""The table of temporary credentials, which let a customer without an AWS account act in a role's account."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

__all__ = ("ROLE", "Session", "Sessions")

ROLE: Final = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/(?:[!-~]+/)?([\w+=,.@-]{1,64})", re.ASCII)
"""The ARN of a role: its partition, its account and its name."""


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of one role, and who has them."""

    access_key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    role: str = field(repr=False)
    name: str
    expires: float

    @property
    def account(self) -> str:
        """Return the account of the role, in which the session acts."""
        return self._role[1]

    @property
    def arn(self) -> str:
        """Return the ARN of the session as a user."""
        partition, account, role = self._role
        return f"arn:{partition}:sts::{account}:assumed-role/{role}/{self.name}"

    @property
    def user_id(self) -> str:
        """Return the id of the session as a user; that of the role stands before the colon."""
        return f"AROA{sha256(self.role.encode()).hexdigest()[:17].upper()}:{self.name}"

    @property
    def _role(self) -> tuple[str, str, str]:
        found = ROLE.fullmatch(self.role)
        return (found[1], found[2], found[3]) if found else ("aws", "", "")


class Sessions:
    """All temporary credentials, ended ones too: whoever uses them is told that they have ended."""

    def __init__(self, sessions: MutableMapping[str, Session]) -> None:
        self._sessions = sessions

    def add(self, session: Session) -> None:
        """Put new credentials in the table."""
        self._sessions[session.access_key] = session

    def find(self, access_key: str | None) -> Session | None:
        """Return the credentials with an access key."""
        return self._sessions.get(access_key or "")

    def secrets_of(self, access_key: str) -> tuple[str, str] | None:
        """Return the secret and the session token that belong to an access key."""
        session = self.find(access_key)
        return None if session is None else (session.secret, session.token)
