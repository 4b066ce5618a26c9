"""A call as the operations see it: who calls, where, when, and the tables to work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .pools import State
from .portions import Limits

__all__ = ("Answer", "Call", "Caller", "Handler", "Sign")

Answer = dict[str, Any]

Sign = Callable[[Answer], str]
"""Makes a signed token of a payload."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the account that the access key belongs to, and the Region the request was signed for."""

    account: str
    region: str
    access_key: str | None = None


@dataclass(slots=True)
class Call:
    """One call.

    ``signer`` makes or finds the key to sign with. ``limits`` is a fault's: the most that a checkout may give of
    each name.
    """

    state: State
    caller: Caller
    now: float
    new_id: Callable[[], str]
    signer: Callable[[], Sign]
    limits: Limits | None = None


Handler = Callable[[Call, Mapping[str, Any]], Answer]
