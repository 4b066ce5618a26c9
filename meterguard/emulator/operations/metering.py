"""MeterUsage, BatchMeterUsage: usage that AWS Marketplace bills."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from ..protocol.errors import ServiceError, malformed
from ..protocol.messages import Answer, Parameters
from ..protocol.quantities import Usage, read_usage
from ..state.allocation import Limits
from ..state.buyers import Buyer, buyer_of, require_entitled
from ..state.metering import MeteringRecord, require_in_time
from .call import Call

__all__ = ("batch_meter_usage", "meter_usage")

_SIX_HOURS: Final = 6 * 3600
_DAY: Final = 24 * 3600


def meter_usage(call: Call, parameters: Parameters) -> Answer:
    """Take the usage of an AMI or container product, once an hour from each instance, task or pod."""
    usage, listings = read_usage(parameters, "UsageQuantity"), call.state.listings
    if parameters.get("DryRun", False):
        raise ServiceError("DryRunOperation", "The request would have succeeded, but the DryRun flag is set.")
    code, dimension, timestamp = parameters["ProductCode"], parameters["UsageDimension"], parameters["Timestamp"]
    listings.require(code, dimension)
    require_entitled(listings, code, call.caller.account, call.now)
    require_in_time(timestamp, call.now, oldest=call.now - _SIX_HOURS, ahead=call.state.behavior.metering_ahead)
    listing = listings.find(code)
    is_hourly = listing is None or not listing.agentcore
    if not is_hourly and "ClientToken" not in parameters:
        raise malformed("ClientToken is required where usage may be reported several times an hour.")
    buyer = Buyer(code, call.caller.account)
    record = replace(_record(call, buyer, dimension, timestamp, usage), reporter=call.caller.arn, is_hourly=is_hourly)
    first = call.state.meterings.first(record)
    if first.quantity != record.quantity:
        raise ServiceError(
            "DuplicateRequestException", "Another quantity was already metered for this dimension and hour."
        )
    return {"MeteringRecordId": first.record_id}


def batch_meter_usage(call: Call, parameters: Parameters) -> Answer:
    """Take the usage of customers of one SaaS product, once an hour for each licence and dimension."""
    code = parameters.get("ProductCode")
    if code is not None:
        call.state.listings.require(code)
    entries = [_entry(call, code, one) for one in parameters["UsageRecords"]]
    if len({one.buyer.product for one in entries if one.buyer.product is not None}) > 1:
        raise ServiceError("InvalidLicenseException", "A request can meter the usage of one product only.")
    _require_like_allocations(entries)
    taken, left = _parted(entries, call.limits)
    return {"Results": [_result(call, code, one) for one in taken], "UnprocessedRecords": [one.sent for one in left]}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One record of a batch, with what it says."""

    sent: dict[str, Any]
    buyer: Buyer
    usage: Usage
    record: MeteringRecord


def _entry(call: Call, code: str | None, sent: dict[str, Any]) -> _Entry:
    """Return what a record says. One that makes no sense is an error, and fails its whole batch."""
    usage, oldest = read_usage(sent, "Quantity"), math.nextafter(call.now - _DAY, math.inf)
    require_in_time(sent["Timestamp"], call.now, oldest=oldest, ahead=call.state.behavior.metering_ahead)
    buyer = buyer_of(call.state.listings, code, sent, call.now)
    if buyer.product is not None:
        call.state.listings.require(buyer.product, sent["Dimension"])
    return _Entry(sent, buyer, usage, _record(call, buyer, sent["Dimension"], sent["Timestamp"], usage))


def _record(call: Call, buyer: Buyer, dimension: str, timestamp: float, usage: Usage) -> MeteringRecord:
    return MeteringRecord(
        record_id=str(UUID(call.new_id())),
        product=buyer.product,
        account=buyer.account,
        license_arn=buyer.license_arn,
        dimension=dimension,
        timestamp=float(timestamp),
        quantity=usage.quantity,
        region=call.caller.region,
        allocations=usage.allocations,
    )


def _require_like_allocations(entries: Sequence[_Entry]) -> None:
    """Refuse records of one hour of which some have allocations and some have none. Those of nothing do not count."""
    kinds: defaultdict[tuple[str, ...], set[bool]] = defaultdict(set)
    for one in entries:
        if one.usage.quantity:
            kinds[one.record.key].add(bool(one.usage.allocations))
    if any(len(kind) > 1 for kind in kinds.values()):
        raise ServiceError(
            "InvalidUsageAllocationsException", "All records of an hour must have allocations, or none of them."
        )


def _parted(entries: Sequence[_Entry], limits: Limits | None) -> tuple[list[_Entry], list[_Entry]]:
    """Part the records that are processed from those that a fault leaves out: more than it allows of a dimension."""
    taken: list[_Entry] = []
    left: list[_Entry] = []
    room = dict(limits or {})
    for one in entries:
        name = one.record.dimension if one.record.dimension in room else "*"
        room[name] = room.get(name, len(entries)) - 1
        (left if room[name] < 0 else taken).append(one)
    return taken, left


def _result(call: Call, code: str | None, entry: _Entry) -> Answer:
    if not entry.buyer.is_subscribed:
        return {"UsageRecord": entry.sent, "Status": "CustomerNotSubscribed"}
    record = entry.record
    first = call.state.meterings.first(record)
    if code is not None and record.license_arn is not None:
        # As AWS warns: usage that names the product as well as the licence is billed for both.
        call.state.meterings.first(replace(record, record_id=str(UUID(call.new_id())), license_arn=None))
    if first.quantity != record.quantity:
        return {"UsageRecord": entry.sent, "Status": "DuplicateRecord"}
    return {"UsageRecord": entry.sent, "MeteringRecordId": first.record_id, "Status": "Success"}
