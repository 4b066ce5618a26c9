"""Rounds: every row once in each, in a shuffled order, so that a noisy neighbour meets all of them alike."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable, Mapping
from timeit import Timer
from typing import Any

Samples = dict[str, list[float]]
"""Values of each row, one for each round."""


def interleaved(rows: Mapping[str, Callable[[], float]], rounds: int, *, uncounted: int = 1) -> Samples:
    """Measure every row in every round; the rounds that do not count go first."""
    samples: Samples = {row: [] for row in rows}
    order = list(rows)
    for number in range(uncounted + rounds):
        random.shuffle(order)
        for row in order:
            value = rows[row]()
            if number >= uncounted:
                samples[row].append(value)
    return samples


def loop(statement: str, number: int, **names: Any) -> Callable[[], float]:
    """Return a function that times one turn of a statement, in nanoseconds, its loop included."""
    timer = Timer(statement, globals=names)
    return lambda: timer.timeit(number) / number * 1e9


def figures(samples: Samples, pairs: Iterable[tuple[str, str]] = ()) -> dict[str, float]:
    """Return the median of each row, and of the ratios inside the rounds."""
    found = {row: statistics.median(values) for row, values in samples.items()}
    for one, other in pairs:
        if one in samples and other in samples:
            ratios = [a / b for a, b in zip(samples[one], samples[other], strict=True)]
            found[f"{one}/{other}"] = statistics.median(ratios)
    return found
