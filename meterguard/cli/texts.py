"""Numbers, moments and names as they are printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unicodedata import east_asian_width

DAY = timedelta(days=1)


def number(quantity: Decimal) -> str:
    """Write a quantity out, exactly: ``12``, ``0.25``."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 of UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def period(start: datetime, end: datetime) -> str:
    """Write a span by its start, as shortly as its length allows."""
    if end - start < DAY:
        return f"{start:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d}" if end - start == DAY else f"{start:%Y-%m}"


def printable(text: str) -> str:
    """Return a name without what would move the cursor of a terminal or colour it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def columns(text: str) -> int:
    """Return the columns that a text takes in a terminal."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def fitted(text: str, width: int) -> str:
    """Return a text in exactly so many columns, shortened or filled up."""
    if columns(text) > width:
        while columns(text) >= width:
            text = text[:-1]
        text += "…"
    return text + " " * (width - columns(text))
