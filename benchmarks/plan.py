"""The nouns: a study has rows and goals, and finds figures for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """The size of a run: a full one, or a quick one."""

    quick: bool = False

    def pick(self, full: T, quick: T) -> T:
        """Return the first value for a full run, the second for a quick one."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Goal:
    """A limit for a figure: the figure's key is a row's, or ``row/other row`` for the ratio of two."""

    name: str
    says: str
    figure: str
    limit: float
    at_least: bool = False
    is_count: bool = False
    """A count has to hold in every process, so the worst one is judged; else it is the median."""

    def is_met(self, value: float) -> bool:
        """Return True when a figure is within the limit."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Row:
    """A line of a table: what was measured, in which unit, and which goals it stands for."""

    figure: str
    says: str
    unit: str = "ns"
    goals: Sequence[Goal] = ()


@dataclass
class Found:
    """The figures that one process found."""

    figures: dict[str, float] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    """Peers that are not installed."""
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Study:
    """The description of a table. ``measure`` runs in several fresh processes."""

    name: str
    title: str
    rows: Sequence[Row]
    measure: Callable[[Scale], Found]
    base: str | None = None
    """The row that ratios are shown over."""
    processes: int = 5
    remarks: Sequence[str] = ()

    @property
    def goals(self) -> list[Goal]:
        """Return the goals of all rows."""
        return [goal for row in self.rows for goal in row.goals]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the ratios that the goals and the table need."""
        asked = [goal.figure for goal in self.goals] + [f"{row.figure}/{self.base}" for row in self.rows if self.base]
        return [(one, other) for one, sign, other in (figure.partition("/") for figure in asked) if sign]
