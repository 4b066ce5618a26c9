"""The demonstration in plain lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from .formats import expected, per_call, shown, verdict
from .records import Claim, Curtain, Finale, Opening, Record, Step

_ROW = "  {:<40}{:>9}  {:>8}  {:>9}"


class Plain:
    """Prints each step when it is over."""

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Show each record, then hand it on."""
        for record in records:
            for line in _lines(record):
                print(_encodable(line), flush=True)
            yield record


def _encodable(line: str) -> str:
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return line.replace("µ", "u")
    return line


def _lines(record: Record) -> Iterator[str]:
    match record:
        case Opening():
            yield "meterguard demo"
            yield f"Real boto3, and an emulated AWS License Manager at {record.url}."
            yield f"The licence has {record.terms}."
        case Curtain():
            yield ""
            yield f"{record.number}. {record.title}"
        case Step():
            yield f"   {record.outcome.story}"
            yield from map(_claim, record.outcome.claims)
        case Finale():
            yield ""
            yield from _sheet(record)
            yield ""
            yield verdict(record)
        case _:
            pass


def _claim(claim: Claim) -> str:
    mark = "ok" if claim.holds else "FAILED"
    more = expected(claim)
    return f"     {mark:<7}{claim.text:<40}{shown(claim.actual, claim.unit)}{more and f'  ({more})'}"


def _sheet(finale: Finale) -> Iterator[str]:
    yield _ROW.format("What it cost", "calls", "requests", "a call")
    for step in finale.steps:
        title, outcome = f"{step.number}. {step.title}", step.outcome
        yield _ROW.format(title, f"{outcome.calls:,}", sum(step.requests.values()), per_call(outcome)).rstrip()
    yield _ROW.format("", f"{finale.calls:,}", finale.requests, "").rstrip()
