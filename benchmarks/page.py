"""Findings as a page of the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import table
from .plan import Found, Study

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
PACKAGES = (
    *(
        "meterguard",
        "wrapt",
        "cachetools",
        "boto3",
        "cachebox",
        "cashews",
        "aiocache",
        "dogpile.cache",
        "prometheus-client",
        "opentelemetry-sdk",
        "redis",
    ),
    *(
        "flask",
        "flask-limiter",
        "django",
        "django-ratelimit",
        "django-waffle",
        "starlette",
        "fastapi",
        "slowapi",
        "moto",
    ),
)
INTRODUCTION = """\
# Benchmarks

`make bench` measures meterguard beside floors and peers, and writes this page.

Read the **ratios**: the rows of one table were timed in one process, interleaved in a shuffled order; a ratio is taken
inside each round, and what is shown is the median over several fresh processes. Ratios carry over to other machines,
nanoseconds do not. A *floor* is the least that a thing of its kind can cost. A row without a goal is for comparison.
"""
NOT_BUILT = """\
Not built yet, so without a row: H4 (an exact count of every call that a gate lets through), H6 (a guard generated to
the signature). F2 (a call over a shared store) is the same code as in memory. T1 (clocks under test) is held by tests.
"""


def write(studies: list[tuple[Study, Found, str]], page: Path = PAGE) -> None:
    """Write the page of a full run: studies, what they found, and how they were measured."""
    page.write_text("\n".join(text(studies)), "utf-8")


def text(studies: list[tuple[Study, Found, str]]) -> Iterator[str]:
    """Yield the lines of the page."""
    verdicts = [one for study, found, _ in studies for one in table.met(study, found)]
    yield INTRODUCTION
    yield f"{machine()}. {sum(verdicts)} of {len(verdicts)} goals met.\n"
    yield f"{', '.join(versions())}.\n"
    yield NOT_BUILT
    for study, found, aside in studies:
        yield from section(study, found, aside)


def section(study: Study, found: Found, aside: str) -> Iterator[str]:
    """Yield the lines of one study."""
    yield f"## {study.title}\n\n`{study.name}`: {aside}.\n"
    yield f"| {' | '.join(table.HEADS)} |\n| --- | ---: | ---: | --- | --- | ---: | --- |"
    yield from (
        f"| {' | '.join(cell.strip().replace('|', chr(92) + '|') for cell in line)} |" for line in rows(study, found)
    )
    yield ""
    absent = [f"Not installed, so not measured: {', '.join(found.absent)}."] if found.absent else []
    yield from (f"{remark}\n" for remark in (*study.remarks, *found.remarks, *absent))


def rows(study: Study, found: Found) -> Iterator[table.Line]:
    """Yield the lines of a table; a row that belongs to the one above is set in by an arrow, for a page eats blanks."""
    for line in table.lines(study, found):
        yield line._replace(row=f"↳ {line.row.strip()}") if line.row.startswith(" ") else line


def machine() -> str:
    """Describe the machine as far as ratios depend on it."""
    return f"{platform.python_implementation()} {platform.python_version()} on {os.cpu_count()} cores"


def versions() -> Iterator[str]:
    """Yield name and version of each package that was measured."""
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
