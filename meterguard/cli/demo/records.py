"""Records of a demonstration: plain values, which a `Show` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Relation = Literal["is", "at most", "at least"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that a scene expects, and the value that it saw."""

    text: str
    actual: Any
    expected: Any
    relation: Relation = "is"
    unit: str = ""
    """``"s"`` for seconds; else what is counted, if it needs saying."""

    @property
    def holds(self) -> bool:
        """True when the actual value is as expected."""
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
    """The state of things in the middle of a scene."""

    calls: int
    seats: int
    of_seats: int
    leases: int
    is_up: bool
    pages: int = 0
    """Rendered by document services; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The story, the claims and the figures of a scene."""

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
        """True when all of its claims hold."""
        return all(claim.holds for claim in self.outcome.claims)


@dataclass(frozen=True, slots=True)
class Finale:
    """The demonstration is over."""

    steps: tuple[Step, ...]
    scenes: int
    seconds: float

    @property
    def claims(self) -> list[Claim]:
        """The claims of all steps."""
        return [claim for step in self.steps for claim in step.outcome.claims]

    @property
    def broken(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if not claim.holds]

    @property
    def holds(self) -> bool:
        """True when every scene was played and every claim holds."""
        return len(self.steps) == self.scenes and not self.broken

    @property
    def calls(self) -> int:
        """The number of guarded calls."""
        return sum(step.outcome.calls for step in self.steps)

    @property
    def requests(self) -> int:
        """The number of requests that reached License Manager."""
        return sum(sum(step.requests.values()) for step in self.steps)


Record = Opening | Curtain | Glimpse | Step | Finale


class Show(Protocol):
    """Shows a demonstration."""

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Show each record, then hand it on."""
        ...
