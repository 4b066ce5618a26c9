"""What a demonstration tells: plain values, for whoever shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Relation = Literal["is", "at most", "at least"]


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that has to be so, and how it turned out."""

    text: str
    actual: Any
    expected: Any
    relation: Relation = "is"
    unit: str = ""
    """``"s"`` for seconds; else what is counted, if it needs saying."""

    @property
    def holds(self) -> bool:
        """Whether it is so."""
        if self.relation == "is":
            return bool(self.actual == self.expected)
        if self.relation == "at most":
            return bool(self.actual <= self.expected)
        return bool(self.actual >= self.expected)


@dataclass(frozen=True, slots=True)
class Opening:
    """The demonstration begins."""

    url: str
    terms: str
    scenes: int


@dataclass(frozen=True, slots=True)
class Curtain:
    """A scene begins."""

    number: int
    title: str


@dataclass(frozen=True, slots=True)
class Glimpse:
    """How things stand in the middle of a scene."""

    calls: int
    seats: int
    of_seats: int
    leases: int
    is_up: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scene has to say for itself."""

    story: str
    claims: tuple[Claim, ...]
    calls: int = 0
    per_call: float | None = None
    """Seconds that one guarded call took."""


@dataclass(frozen=True, slots=True)
class Step:
    """A scene is over."""

    number: int
    title: str
    outcome: Outcome
    requests: Mapping[str, int]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether all it claimed is so."""
        return all(claim.holds for claim in self.outcome.claims)


@dataclass(frozen=True, slots=True)
class Finale:
    """The demonstration is over."""

    steps: tuple[Step, ...]
    scenes: int
    seconds: float

    @property
    def claims(self) -> list[Claim]:
        """All that was claimed."""
        return [claim for step in self.steps for claim in step.outcome.claims]

    @property
    def broken(self) -> list[Claim]:
        """What is not so."""
        return [claim for claim in self.claims if not claim.holds]

    @property
    def holds(self) -> bool:
        """Whether every scene was played and all that was claimed is so."""
        return len(self.steps) == self.scenes and not self.broken

    @property
    def calls(self) -> int:
        """Guarded calls made."""
        return sum(step.outcome.calls for step in self.steps)

    @property
    def requests(self) -> int:
        """Requests that reached License Manager."""
        return sum(sum(step.requests.values()) for step in self.steps)


Record = Opening | Curtain | Glimpse | Step | Finale


class Show(Protocol):
    """Shows a demonstration."""

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Show each record, then hand it on."""
        ...
