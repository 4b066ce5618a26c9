"""The demonstration as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from .records import Finale, Opening, Record, Step


class Document:
    """Prints one document when all is over."""

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Note each record, then hand it on."""
        terms = ""
        for record in records:
            if isinstance(record, Opening):
                terms = record.terms
            if isinstance(record, Finale):
                print(json.dumps(_document(record, terms), indent=2))
            yield record


def _document(finale: Finale, terms: str) -> dict[str, Any]:
    return {
        "holds": finale.holds,
        "licence": terms,
        "seconds": finale.seconds,
        "calls": finale.calls,
        "requests": finale.requests,
        "steps": list(map(_step, finale.steps)),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "title": step.title,
        "story": step.outcome.story,
        "holds": step.holds,
        "seconds": step.seconds,
        "calls": step.outcome.calls,
        "seconds_per_call": step.outcome.per_call,
        "requests": dict(step.requests),
        "claims": [asdict(claim) | {"holds": claim.holds} for claim in step.outcome.claims],
    }
