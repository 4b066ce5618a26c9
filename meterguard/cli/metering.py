"""The output of ``meterguard meter``: a table for people, one document, and a line for each thing that went wrong."""

from __future__ import annotations

import json

from ..events import Event, UsageDiffers, UsageGivenUp, UsagePending, UsageRejected
from ..marketplace import SinkStatus, SinkTally
from .exits import Exit
from .table import Table
from .texts import number, period


def document(status: SinkStatus) -> str:
    """Write it as JSON, with exact numbers."""
    return "{" + ", ".join(f"{json.dumps(name)}: {_tally(one)}" for name, one in _each(status)) + "}"


def report(status: SinkStatus) -> str:
    """Return the lines of a table."""
    rows = [(name.replace("_", " "), str(one["records"]), number(one["quantity"])) for name, one in _each(status)]
    return "\n".join(Table(("=", ">records", ">quantity"), rows).lines())


def trouble(event: Event) -> tuple[Exit, str]:
    """Return the exit code for an event and a line that tells it; an empty line where all is well."""
    match event:
        case UsagePending(records=records, problem=problem):
            return Exit.UNAVAILABLE, f"pending: {_count(records)}: {problem}"
        case UsageRejected(code=code, problem=problem):
            return Exit.FAILED, f"rejected: {_record(event)}: {problem} ({code})"
        case UsageDiffers():
            return Exit.FAILED, f"not billed: {_record(event)}: AWS has another quantity for this hour already"
        case UsageGivenUp():
            return Exit.FAILED, f"given up: {_record(event)}: AWS takes nothing any more that is so old"
    return Exit.OK, ""


def _count(records: int) -> str:
    return "all" if records == 0 else "1 record" if records == 1 else f"{records} records"


def _record(event: UsageRejected | UsageDiffers | UsageGivenUp) -> str:
    dimension = event.dimension or "usage of a subject without a customer"
    return f"{number(event.quantity)} {dimension} of {period(event.start, event.start)} UTC"


def _each(status: SinkStatus) -> list[tuple[str, SinkTally]]:
    names = ("pending", "delivered", "given_up", "rejected")
    return [(name, status[name]) for name in names]  # type: ignore[literal-required]


def _tally(one: SinkTally) -> str:
    return f'{{"records": {one["records"]}, "quantity": {number(one["quantity"])}}}'
