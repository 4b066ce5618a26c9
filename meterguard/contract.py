"""SaaS contracts: what a customer has bought on AWS Marketplace, and the port of whoever tells it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from .ports import Origin

Value = int | float | bool | str
"""The value of a dimension: so many units, yes or no, or a text."""


class Bought(NamedTuple):
    """One dimension of a contract."""

    dimension: str
    value: Value
    ends_at: datetime | None = None
    """Aware; None: it does not end."""


class Contract(NamedTuple):
    """All that a customer has bought. Several lines may have one dimension, of several agreements."""

    lines: tuple[Bought, ...]
    served_at: datetime
    """The service's own time when it told."""


class ContractService(Protocol):
    """Tells what a customer has bought: one attempt a call, no memory. Every failure is a ``ServiceFault``."""

    def connect(self) -> None:
        """Import and make the client, which the first request needs. Idempotent."""
        ...

    def contract(self, dimensions: Iterable[str] = (), *, parting: bool = False) -> Contract:
        """Return what the customer has bought of these dimensions; of all, where none is named.

        :param parting: ask for time-outs short enough for a process that is leaving.
        """
        ...

    def origins(self) -> list[Origin]:
        """Return where what the client follows comes from. Asks nothing of AWS."""
        ...

    def forget(self) -> None:
        """In a forked child: clients are the parent's."""
        ...
