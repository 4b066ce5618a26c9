"""All of it as one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ...usage import Balance, Comparison, Forecast, UsageRecord
from ..texts import iso, number
from .lines import as_json

_PARTS = ("unit", "drawn", "charged", "reserved", "left", "lost")


def document(
    balances: Mapping[str, Balance],
    records: Iterable[UsageRecord],
    comparisons: Iterable[Comparison] | None = None,
    forecasts: Mapping[str, Forecast] | None = None,
) -> str:
    """Write balances and records; where the licence was asked, also the comparison with it and the forecast."""
    entitlements = {name: {part: getattr(one, part) for part in _PARTS} for name, one in balances.items()}
    parts = [
        f'"entitlements": {json.dumps(entitlements)}',
        f'"records": [{", ".join(map(as_json, records))}]',
    ]
    if comparisons is not None:
        parts.append(f'"reconciliation": {json.dumps([_compared(one) for one in comparisons])}')
    if forecasts is not None:
        told = ", ".join(f"{json.dumps(name)}: {_forecast(one)}" for name, one in forecasts.items())
        parts.append(f'"forecast": {{{told}}}')
    return f"{{{', '.join(parts)}}}"


def _compared(one: Comparison) -> dict[str, str | int | None]:
    return {
        "entitlement": one.entitlement,
        "unit": one.unit,
        "consumed": one.consumed,
        "drawn": one.drawn,
        "difference": one.difference,
        "pending": one.pending,
    }


def _forecast(one: Forecast) -> str:
    runs_out = None if one.runs_out_at is None else iso(one.runs_out_at.replace(microsecond=0))
    return f'{{"rate_per_day": {number(one.rate_per_day)}, "runs_out_at": {json.dumps(runs_out)}}}'
