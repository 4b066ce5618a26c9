"""A plot in a file, SVG or PNG. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...extras import needed
from ...usage import UsageRecord
from ..texts import printable
from .series import Series, series

with needed("matplotlib", "plot", by="a plot in a file"):
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write(records: Iterable[UsageRecord], path: Path) -> None:
    """Write the usage over time, an axis for each entitlement, as a picture of the kind that the file's name says."""
    found = series(records)
    look = rc_context(
        {
            "svg.hashsalt": "meterguard",  # the same usage gives the same file
            "svg.fonttype": "none",  # words stay words, which a reader of screens can read
            "text.parse_math": False,  # a name may have a dollar sign
            "axes.formatter.useoffset": False,
            "date.converter": "concise",
        }
    )
    with look:
        figure = Figure(figsize=(9, 1 + 2.2 * max(1, len(found))), layout="constrained")
        if not found:
            figure.text(0.5, 0.5, "Nothing was used in this time.", ha="center", va="center")
        axes = figure.subplots(len(found), sharex=True, squeeze=False).flat if found else ()
        for one, place in zip(found, axes, strict=True):
            _draw(place, one)
        date = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, format=path.suffix[1:].lower(), dpi=150, metadata=date)


def _draw(axes: Axes, one: Series) -> None:
    starts: Any = [point.start for point in one.points]  # matplotlib takes dates, which its types do not know
    widths: Any = [point.end - point.start for point in one.points]
    axes.bar(starts, [float(point.quantity) for point in one.points], width=widths, align="edge", color="#1f6feb")
    axes.set_title(printable(one.title), loc="left")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_xlabel("UTC")
    axes.label_outer()
