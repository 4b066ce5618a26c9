"""Accounts: the books of one drawn entitlement, as a ledger keeps them. Frozen, and written down as text."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple, Self


@dataclass(frozen=True, slots=True)
class Holding:
    """The units that one process has taken out of an account, and has not accounted for yet."""

    owner: str
    """The process: host, boot, pid, start, and a random part."""
    units: int = 0
    credit: int = 0
    """Units of the overdraft that it has taken."""
    posted: int = 0
    """The number of the last batch that it posted: a batch that is posted again changes nothing."""
    seen: float = 0.0
    """When it was last heard of, in seconds of the ledger's clock."""
    is_dead: bool = False
    """True once its units were written off. It stays for a while, so that a late batch of it is known."""


@dataclass(frozen=True, slots=True)
class Order:
    """A block that was asked for and has not come: the intent, durable before its request leaves."""

    token: str = field(repr=False)
    """The ``ClientToken``."""
    units: int
    born: float
    owner: str | None
    """The process whose request is in the air; None where the next one to need units may send it again."""


class Unresolved(NamedTuple):
    """An order that is too old to be sent again: whether its units were drawn nobody can say."""

    units: int
    born: float


@dataclass(frozen=True, slots=True)
class Account:
    """The books of one entitlement of one licence. ``drawn`` is always the sum of what became of it."""

    scope: str
    """Tells licences apart, without naming one: a digest of product, issuer and beneficiary."""
    name: str
    unit: str
    drawn: int = 0
    charged: int = 0
    left: int = 0
    """Drawn, and in no process's hands."""
    lost: int = 0
    owed: int = 0
    """Used on credit, to be charged before anything else when units are drawn again."""
    owed_lost: int = 0
    """On credit in the hands of a process that died."""
    holdings: tuple[Holding, ...] = ()
    orders: tuple[Order, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    latest: float = 0.0
    """The latest moment at which it was written; a clock that is behind it was set back."""
    told: tuple[int, ...] = ()
    """The marks of low water, in percent, that were told: each once for all processes."""
    parts: str = "0"
    """Parts of units (a fraction, such as ``"3/1000"``) that are paid for, not used, and in no process's hands."""

    @property
    def key(self) -> str:
        """The key of the account in its ledger."""
        return account_key(self.scope, self.name, self.unit)

    @property
    def held(self) -> int:
        """The units in the hands of processes."""
        return sum(one.units for one in self.holdings)

    @property
    def credit(self) -> int:
        """The units of the overdraft that are in use: owed, or in the hands of a process."""
        return self.owed + self.owed_lost + sum(one.credit for one in self.holdings)

    @property
    def is_balanced(self) -> bool:
        """True when all that was drawn is accounted for. Anything else is a bug, or a damaged ledger."""
        uses = (self.charged, self.left, self.lost, self.held)
        is_whole = self.parts == "0" or Fraction(self.parts) > 0
        return self.drawn == sum(uses) and min(*uses, self.owed, self.owed_lost, self.credit) >= 0 and is_whole

    def holding(self, owner: str) -> Holding:
        """Return what a process holds; an empty holding where it has none."""
        return next((one for one in self.holdings if one.owner == owner), Holding(owner))

    def encoded(self) -> str:
        """Return the account as text, for a ledger to keep."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def decoded(cls, text: str) -> Self:
        """Read an account from its text. Raises ``ValueError`` where it is none, or does not balance."""
        try:
            return cls._read(json.loads(text))
        except (TypeError, KeyError, AttributeError, ZeroDivisionError) as problem:
            raise ValueError(f"no account: {type(problem).__name__}") from None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Self:
        account = cls(
            **{
                **said,
                "holdings": tuple(Holding(**one) for one in said["holdings"]),
                "orders": tuple(Order(**one) for one in said["orders"]),
                "unresolved": tuple(Unresolved(*one) for one in said["unresolved"]),
                "told": tuple(said["told"]),
            }
        )
        if not account.is_balanced:
            raise ValueError("an account that does not balance")
        return account


def account_key(scope: str, name: str, unit: str) -> str:
    """Return the key under which a ledger keeps an account."""
    return f"{scope}/{unit}/{name}"
