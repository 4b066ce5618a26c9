"""Refresh tokens: where one comes from, and what it says of itself. Nothing is verified here; the service does that."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..ports import FaultKind, ServiceFault
from ..secret import Secret
from . import metadata
from .outcome import hidden

# A JWT, so that no other secret is sent to AWS because somebody named the wrong file.
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_LARGEST = 65_536  # bytes

ASK_THE_VENDOR = "ask the vendor for a new refresh token"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token as it was given: its text, or a file that is read each time, for tokens are replaced there."""

    given: str | Path = field(repr=False)
    is_last_resort: bool = False
    """True where it counts only if boto3 finds no other credentials."""

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"the file {self.given}" if isinstance(self.given, Path) else "refresh_token="

    @property
    def is_open_to_others(self) -> bool:
        """True for a file that the group or everybody may read."""
        if not isinstance(self.given, Path) or os.name != "posix":
            return False
        try:
            return bool(self.given.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
        except OSError:
            return False

    def read(self) -> Secret:
        """Return the text. Raises a ServiceFault, a refusal, where there is none."""
        text, problem = _content(self.given) if isinstance(self.given, Path) else (Secret(self.given), None)
        if problem is None and not _JWT.fullmatch(text):
            problem = "holds no refresh token, which is a JWT: three parts with a dot between them"
        if problem is not None:
            raise ServiceFault(FaultKind.REFUSED, f"{self.place} {problem}; {ASK_THE_VENDOR}, or name the right file")
        return text

    def ends(self) -> datetime | None:
        """Return when the token ends by its own word; None where it does not say. Raises as :meth:`read` does."""
        return ends(claims(self.read()))


def _content(path: Path) -> tuple[Secret, str | None]:
    """Return the text in a file, and what is wrong with the file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep us waiting
            return Secret(), "is no regular file"
        with path.open("rb") as file:
            content = Secret(file.read(_LARGEST).decode("ascii", "replace").strip())
    except OSError as problem:
        return Secret(), f"cannot be read ({problem.strerror})"
    return content, None if content else "is empty"


def claims(token: str) -> Mapping[object, object]:
    """Return what a token says of itself; nothing where that cannot be read."""
    payload = Secret(token.split(".")[1])
    try:
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return {}
    return metadata.mapping(hidden(found))


def roles(said: Mapping[object, object]) -> tuple[Secret, ...]:
    """Return the ARNs of the roles that a token names."""
    named = said.get("roles")
    return tuple(one for one in named if isinstance(one, Secret)) if isinstance(named, list) else ()


def ends(said: Mapping[object, object]) -> datetime | None:
    """Return when a token ends by its own word."""
    end = said.get("exp")
    try:
        return datetime.fromtimestamp(end, UTC) if isinstance(end, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None
