"""Units of a contract that are held: the book of all processes, which counts them, since AWS does not.

Each checkout has an entry under its token: the units that it holds, by dimension, and when it lapses by the service's
time. A book stands in one row, so that what is asked for together is taken together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from .requirements import Requirement

FORMAT = 1


class Held(NamedTuple):
    """The units that one checkout holds."""

    ends_at: float
    """Seconds since the epoch, by the service's clock."""
    units: Mapping[str, int]


Book = Mapping[str, Held]
"""What is held, by token."""


def counted(asked: Requirement) -> dict[str, int]:
    """Return the units that a requirement holds, by dimension."""
    return {one.name: int(one.value or 0) for one in asked if one.is_counted}


def live(book: Book, now: float) -> dict[str, Held]:
    """Return a book without what has lapsed."""
    return {token: held for token, held in book.items() if held.ends_at > now}


def in_use(book: Book, name: str) -> int:
    """Return how many units of a dimension are held."""
    return sum(held.units.get(name, 0) for held in book.values())


def taken(book: Book, token: str, held: Held) -> dict[str, Held]:
    """Return a book in which a token holds this, in place of what it held."""
    return {**book, token: held}


def released(book: Book, token: str) -> dict[str, Held]:
    """Return a book in which a token holds nothing."""
    return {one: held for one, held in book.items() if one != token}


def shortfall(book: Book, token: str, wanted: Mapping[str, int], bought: Mapping[str, int]) -> tuple[str, int] | None:
    """Return a dimension of which too few units are free beside what others hold, and how many are; None: all fits."""
    others = released(book, token)
    free = {name: bought.get(name, 0) - in_use(others, name) for name in wanted}
    return next(((name, max(0, free[name])) for name, units in wanted.items() if units > free[name]), None)


def to_text(book: Book) -> str:
    """Return a book as the text of a row."""
    held = {token: [one.ends_at, dict(one.units)] for token, one in book.items()}
    return json.dumps({"format": FORMAT, "held": held}, separators=(",", ":"))


def from_text(text: str) -> dict[str, Held]:
    """Return the book that a text says. Raises ``ValueError`` where it says none."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError("a book of another format")
        return {
            token: Held(float(ends_at), {name: int(number) for name, number in units.items()})
            for token, (ends_at, units) in data["held"].items()
        }
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"{type(problem).__name__} in a book") from None
