"""Metering records: what is reported to AWS Marketplace, and the port of the service that takes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from .usage import UsageKey, UsageLine


class Customer(NamedTuple):
    """A buyer of a SaaS product, as ``ResolveCustomer`` names one."""

    account_id: str
    """``CustomerAWSAccountId``."""
    license_arn: str

    def __repr__(self) -> str:
        return "Customer(...)"


class Series(NamedTuple):
    """The usage that AWS counts together."""

    dimension: str
    customer: Customer | None = None
    """None for a product in the buyer's account, which is known by its credentials."""

    @property
    def digest(self) -> str:
        """A text that tells series apart, and names no customer."""
        said = json.dumps([self.dimension, *(self.customer or ())], ensure_ascii=True)
        return hashlib.sha256(said.encode("ascii")).hexdigest()[:20]


class RecordState(StrEnum):
    """The end of a record, or that it has none yet."""

    PENDING = "pending"
    """Written down. Whether AWS has it is not known."""
    DELIVERED = "delivered"
    REJECTED = "rejected"
    """AWS said no to it, and would again."""
    GIVEN_UP = "given_up"
    """AWS takes nothing any more that is so old."""


@dataclass(frozen=True, slots=True)
class MeteringRecord:
    """A quantity of one hour, as it is written down before it is sent. It never changes but for its state."""

    key: str
    """Its place in the book: one for each series and hour, so that there cannot be a second one."""
    series: Series | None
    """None for usage of a subject that nobody mapped to a customer before it was too old."""
    moment: int
    """The start of the hour; without such hours (AgentCore) the moment itself. Seconds since the epoch."""
    quantity: Decimal
    parts: tuple[UsageLine, ...] = field(repr=False)
    """The lines of usage of which it is the sum."""
    client_token: str = field(repr=False)
    sender: str = ""
    """The host that alone may send it; empty: any may."""
    state: RecordState = RecordState.PENDING
    is_late: bool = False
    """True where it was too old before it was written down, so that it was never sent."""

    def encoded(self) -> str:
        """Return the record as text, for a ledger."""
        customer = self.series.customer if self.series else None
        said = {
            "dimension": self.series.dimension if self.series else None,
            "customer": list(customer) if customer else None,
            "moment": self.moment,
            "quantity": f"{self.quantity:f}",
            "parts": [[*key, f"{quantity:f}"] for key, quantity in self.parts],
            "token": self.client_token,
            "sender": self.sender,
            "state": self.state,
            "late": self.is_late,
        }
        return json.dumps(said, separators=(",", ":"))

    @classmethod
    def decoded(cls, key: str, text: str) -> MeteringRecord:
        """Return the record that a text says. Raises ``ValueError`` for any other text."""
        try:
            said = json.loads(text)
            customer = Customer(*said["customer"]) if said["customer"] else None
            return cls(
                key=key,
                series=Series(said["dimension"], customer) if said["dimension"] is not None else None,
                moment=int(said["moment"]),
                quantity=Decimal(said["quantity"]),
                parts=tuple(UsageLine(UsageKey(*part[:-1]), Decimal(part[-1])) for part in said["parts"]),
                client_token=str(said["token"]),
                sender=str(said["sender"]),
                state=RecordState(said["state"]),
                is_late=bool(said["late"]),
            )
        except (ArithmeticError, KeyError, TypeError) as problem:
            raise ValueError(f"no metering record ({type(problem).__name__})") from None


class Verdict(StrEnum):
    """The meaning of an answer about one record."""

    DELIVERED = "delivered"
    DIFFERS = "differs"
    """AWS has another quantity for this hour, which it bills."""
    REJECTED = "rejected"
    NOT_ENTITLED = "not entitled"
    """The buyer has no subscription now."""
    OUT_OF_BOUNDS = "out of bounds"
    """AWS calls the record too old, or of the future."""
    INVALID = "invalid"
    """AWS calls the request wrong."""
    UNKNOWN = "unknown"
    """AWS has not said."""


FINAL = {
    Verdict.DELIVERED: RecordState.DELIVERED,
    Verdict.DIFFERS: RecordState.DELIVERED,
    Verdict.REJECTED: RecordState.REJECTED,
}
"""The states that verdicts end in. Any other verdict leaves a record pending."""


class Answer(NamedTuple):
    """AWS's answer about one record."""

    verdict: Verdict
    code: str | None = None
    problem: str = ""
    """For people, without a secret. It ends a sentence."""


class Reply(NamedTuple):
    """AWS's answers about the records of a request, in their order."""

    answers: tuple[Answer, ...]
    served_at: datetime | None = None
    """The response's ``Date`` header."""


class MeteringFault(Exception):
    """A whole request failed.

    ``of_record`` is True where a single record may be what is wrong with it, so that the others fare better without;
    False where no request has a chance now. The answer in it holds for each of the records.
    """

    def __init__(self, answer: Answer, *, of_record: bool) -> None:
        super().__init__(answer.problem)
        self.answer = answer
        self.of_record = of_record


class MeteringService(Protocol):
    """Takes metering records, one request a call and without a memory. A failed request is a ``MeteringFault``."""

    most: int
    """The most records of one request."""

    def takes_fractions(self) -> bool:
        """Return False where the installed botocore knows whole quantities only."""
        ...

    def send(self, records: Sequence[MeteringRecord]) -> Reply:
        """Send records, and return what was said of them."""
        ...

    def forget(self) -> None:
        """In a forked child: the connections are the parent's."""
        ...
