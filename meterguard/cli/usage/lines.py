"""Records for programs: CSV, JSON lines and CloudEvents."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from ...usage import UsageRecord
from ..texts import iso, number

HEADINGS = ("entitlement", "unit", "subject", "start", "end", "quantity")
TYPE = "meterguard.usage"


def as_json(record: UsageRecord) -> str:
    """Write a record as a JSON object. Its quantity is written out digit by digit, which no float could keep."""
    others = {
        "entitlement": record.entitlement,
        "unit": record.unit,
        "subject": record.subject,
        "start": iso(record.start),
        "end": iso(record.end),
    }
    return f'{json.dumps(others)[:-1]}, "quantity": {number(record.quantity)}}}'


def as_csv(records: Iterable[UsageRecord]) -> str:
    """Write records as CSV with a heading. No subject is an empty field."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADINGS)
    for one in records:
        subject = "" if one.subject is None else one.subject
        rows.writerow(
            (one.entitlement, one.unit, subject, iso(one.start), iso(one.end), number(one.quantity)),
        )
    return text.getvalue()


def as_cloudevents(records: Iterable[UsageRecord], scope: str, how: str) -> Iterator[str]:
    """Write each record as a CloudEvent 1.0, one JSON document each.

    :param scope: the licence, or the product of a meter, whose records they are.
    :param how: the bucket, and by what the records are told apart: the same usage told in two ways is two events.
    """
    source = f"urn:meterguard:{quote(scope, safe='')}"
    for record in records:
        event = {
            "specversion": "1.0",
            "id": _id(record, scope, how),
            "source": source,
            "type": TYPE,
            "time": iso(record.start),
            "datacontenttype": "application/json",
        }
        if record.subject:
            event["subject"] = record.subject
        yield f'{json.dumps(event)[:-1]}, "data": {as_json(record)}}}'


def _id(record: UsageRecord, scope: str, how: str) -> str:
    """Return an id that says of which usage a record is, and not how much: the same whenever it is asked for."""
    said = [scope, record.entitlement, record.unit, record.subject, iso(record.start), iso(record.end), how]
    return hashlib.sha256(json.dumps(said).encode("ascii")).hexdigest()[:32]
