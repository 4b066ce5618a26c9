"""AWS Marketplace Metering through boto3: one request a call, no retries, no memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..metering_records import Answer, MeteringFault, MeteringRecord, Reply, Series, Verdict
from ..ports import FaultKind, ServiceFault
from . import metadata
from .boto_types import Client
from .regions import from_environment
from .services import MARKETPLACE_METERING
from .settings import Settings
from .transport import Transport

MOST_OF_A_BATCH = 25  # API reference, BatchMeterUsage

_SET_UP = "check the product code, the Region, and where this program runs"

ANSWERS: Mapping[str, Answer] = {
    "DuplicateRequestException": Answer(Verdict.DIFFERS, problem="AWS has another quantity for this hour already"),
    "IdempotencyConflictException": Answer(Verdict.DIFFERS, problem="AWS has another record under this token already"),
    "CustomerNotEntitledException": Answer(Verdict.NOT_ENTITLED, problem="the buyer has no subscription now"),
    "TimestampOutOfBoundsException": Answer(
        Verdict.OUT_OF_BOUNDS, problem="AWS calls its hour too old or not begun; check the clock of this machine"
    ),
    "InvalidUsageDimensionException": Answer(Verdict.REJECTED, problem="the product has no such dimension"),
    "InvalidLicenseException": Answer(Verdict.REJECTED, problem="AWS knows no such licence of this customer"),
    "InvalidCustomerIdentifierException": Answer(Verdict.REJECTED, problem="AWS knows no such customer"),
    "InvalidTagException": Answer(Verdict.REJECTED, problem="AWS refuses its tags"),
    "InvalidUsageAllocationsException": Answer(Verdict.REJECTED, problem="AWS refuses its allocations"),
    "InvalidProductCodeException": Answer(Verdict.INVALID, problem=f"AWS knows no such product; {_SET_UP}"),
    "InvalidEndpointRegionException": Answer(Verdict.INVALID, problem=f"this is another Region's endpoint; {_SET_UP}"),
    "DisabledApiException": Answer(Verdict.INVALID, problem=f"this Region does not offer it; {_SET_UP}"),
}
"""The meaning of the service's own errors. All others mean what they mean everywhere."""

_OF_EACH = {"InvalidProductCodeException", "InvalidEndpointRegionException", "DisabledApiException"}

STATUSES: Mapping[object, Answer] = {
    "Success": Answer(Verdict.DELIVERED),
    "DuplicateRecord": Answer(Verdict.DIFFERS, "DuplicateRecord", "AWS has another quantity for this hour already"),
    "CustomerNotSubscribed": Answer(
        Verdict.REJECTED, "CustomerNotSubscribed", "the customer has no subscription to this product"
    ),
}
"""The meaning of ``UsageRecordResult.Status``."""
_UNPROCESSED = Answer(Verdict.UNKNOWN, "UnprocessedRecords", "AWS did not process it this time")
_FRACTION = Answer(Verdict.INVALID, None, "this botocore sends no fractions; upgrade boto3")
_UNSAID = Answer(Verdict.UNKNOWN, None, "AWS said nothing of it that can be read")


def connection(settings: Settings, client: Client | None, *, in_place: bool) -> Settings:
    """Return the settings of the connection to AWS Marketplace Metering, from those that a guard has for all of AWS.

    :param in_place: True for ``MeterUsage``, which counts in the Region of the instance, task or pod. ECS, EKS and
        Lambda name it in ``AWS_REGION``; the guard's is that of the licence.
    """
    region = (from_environment() if in_place else None) or settings.region_name
    return replace(settings, region_name=region, client=client, service=MARKETPLACE_METERING)


class _Meter:
    """Sends records by one operation, and reads its errors."""

    operation: str
    shape: str
    """The shape of botocore's model that has the quantity."""

    def __init__(self, settings: Settings, method: str) -> None:
        self._transport = Transport(settings, {self.operation: method}, None)

    def takes_fractions(self) -> bool:
        """Return False where the installed botocore knows whole quantities only."""
        return any(name.endswith("QuantityAsDecimal") for name in self._members())

    def _members(self) -> Sequence[str]:
        """Return the members that botocore knows; those of the newest for a stand-in of a client."""
        model: Any = getattr(self._transport.clients.client().meta, "service_model", None)
        if model is None or self.shape not in model.shape_names:
            return ["QuantityAsDecimal"]
        return list(model.shape_for(self.shape).members)

    def forget(self) -> None:
        """In a forked child: forget the parent's clients."""
        self._transport.clients.reset()

    def _ask(self, request: Mapping[str, object]) -> Mapping[Any, Any]:
        try:
            return metadata.mapping(self._transport.ask(self.operation, dict(request)))
        except ServiceFault as fault:
            said = fault
        known = ANSWERS.get(said.code or "")
        if known is not None:
            raise MeteringFault(known._replace(code=said.code), of_record=said.code not in _OF_EACH)
        is_wrong = said.kind is FaultKind.INVALID
        answer = Answer(Verdict.INVALID if is_wrong else Verdict.UNKNOWN, said.code, said.detail)
        raise MeteringFault(answer, of_record=is_wrong)

    def _quantity(self, record: MeteringRecord, name: str) -> dict[str, object]:
        if self.takes_fractions():
            return {f"{name}AsDecimal": f"{record.quantity:f}"}
        if record.quantity % 1:  # a process with a newer botocore has written it down, and will send it
            raise MeteringFault(_FRACTION, of_record=True)
        return {name: int(record.quantity)}


class UsageMeter(_Meter):
    """``MeterUsage``: for products that run in the buyer's account, one record a request."""

    most = 1
    operation, shape = "MeterUsage", "MeterUsageRequest"

    def __init__(self, settings: Settings, product_code: str) -> None:
        super().__init__(settings, "meter_usage")
        self._product_code = product_code

    def send(self, records: Sequence[MeteringRecord]) -> Reply:
        """Send a record."""
        (record,) = records
        request = {
            "ProductCode": self._product_code,
            "Timestamp": datetime.fromtimestamp(record.moment, UTC),
            "UsageDimension": _series(record).dimension,
            **self._quantity(record, "UsageQuantity"),
        }
        if "ClientToken" in self._members():  # the same in each attempt; an old botocore knows none
            request["ClientToken"] = record.client_token
        answer = self._ask(request)
        is_taken = bool(answer.get("MeteringRecordId"))  # else something on the way has answered
        return Reply((Answer(Verdict.DELIVERED) if is_taken else _UNSAID,), metadata.served_at(answer))


class BatchUsageMeter(_Meter):
    """``BatchMeterUsage``: for SaaS, up to 25 records a request."""

    most = MOST_OF_A_BATCH
    operation, shape = "BatchMeterUsage", "UsageRecord"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "batch_meter_usage")

    def send(self, records: Sequence[MeteringRecord]) -> Reply:
        """Send records."""
        sent = [self._sent(record) for record in records]
        answer = self._ask({"UsageRecords": sent})
        found = dict.fromkeys(map(_identity, sent), _UNSAID)
        for result in map(metadata.mapping, _each(answer.get("Results"))):
            found[_identity(result.get("UsageRecord"))] = STATUSES.get(result.get("Status"), _UNSAID)
        for record in _each(answer.get("UnprocessedRecords")):
            found[_identity(record)] = _UNPROCESSED
        return Reply(tuple(found[_identity(one)] for one in sent), metadata.served_at(answer))

    def _sent(self, record: MeteringRecord) -> dict[str, object]:
        series = _series(record)
        account_id, license_arn = series.customer or ("", "")
        return {
            "Timestamp": datetime.fromtimestamp(record.moment, UTC),
            "CustomerAWSAccountId": account_id,
            "LicenseArn": license_arn,
            "Dimension": series.dimension,
            **self._quantity(record, "Quantity"),
        }


def _series(record: MeteringRecord) -> Series:
    if record.series is None:
        raise ValueError("a record without a series is never sent")
    return record.series


def _each(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _identity(record: object) -> tuple[object, ...]:
    """Return what tells a record from the others of its request. AWS says it again in its answer."""
    said = metadata.mapping(record)
    moment = said.get("Timestamp")
    hour = moment.timestamp() // 3600 if isinstance(moment, datetime) else None
    return said.get("CustomerAWSAccountId"), said.get("LicenseArn"), said.get("Dimension"), hour
