"""Tables of plain text, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .texts import columns, fitted, printable

WIDTH = 80
GAP = "  "
LEAST = 10  # columns that a text gets, where there is too little room for all


class Table:
    """Rows below headings.

    A heading that begins with ``>`` has numbers below it, and one with ``=`` a few words: neither is ever shortened.
    """

    def __init__(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self._are_numbers = [heading.startswith(">") for heading in headings]
        self._are_whole = [heading.startswith((">", "=")) for heading in headings]
        self._headings = [heading.lstrip(">=") for heading in headings]
        self._rows = [[printable(cell) for cell in row] for row in rows]

    def lines(self) -> Iterator[str]:
        """Yield the lines: a table, or, where what is whole is too wide for one, a line for each value."""
        widths = self._widths()
        if widths is None:
            yield from self._listed()
            return
        for row in (self._headings, *self._rows):
            yield GAP.join(self._cells(row, widths)).rstrip()

    def _cells(self, row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
        for cell, width, is_number in zip(row, widths, self._are_numbers, strict=True):
            yield cell.rjust(width) if is_number else fitted(cell, width)

    def _widths(self) -> list[int] | None:
        widths = [max(map(columns, column)) for column in zip(self._headings, *self._rows, strict=True)]
        texts = [at for at, is_whole in enumerate(self._are_whole) if not is_whole]
        while (excess := sum(widths) + len(GAP) * (len(widths) - 1) - WIDTH) > 0:
            widest = max(texts, key=lambda at: widths[at])
            if widths[widest] <= LEAST:
                return None
            second = max((widths[at] for at in texts if at != widest), default=LEAST)
            widths[widest] -= min(excess, max(1, widths[widest] - max(LEAST, second)))
        return widths

    def _listed(self) -> Iterator[str]:
        room = max(map(len, self._headings))
        for row in self._rows:
            for heading, cell in zip(self._headings, row, strict=True):
                yield f"{heading:{room}}{GAP}{fitted(cell, WIDTH - room - len(GAP))}".rstrip()
            yield ""
