"""Each answer of AWS, and what becomes of the record that it is about."""

from __future__ import annotations

import pytest

from meterguard.aws.metering import ANSWERS
from meterguard.events import UsageDiffers, UsagePending, UsageRejected
from meterguard.marketplace import Sink
from tests.marketplace.conftest import CODE, requests, use

HOUR = 3600
PAGES = {"Pages": "pages"}
ENDS = {
    "DuplicateRequestException": ("delivered", UsageDiffers),
    "IdempotencyConflictException": ("delivered", UsageDiffers),
    "CustomerNotEntitledException": ("pending", UsagePending),
    "TimestampOutOfBoundsException": ("pending", UsagePending),
    "InvalidUsageDimensionException": ("rejected", UsageRejected),
    "InvalidLicenseException": ("rejected", UsageRejected),
    "InvalidCustomerIdentifierException": ("rejected", UsageRejected),
    "InvalidTagException": ("rejected", UsageRejected),
    "InvalidUsageAllocationsException": ("rejected", UsageRejected),
    "InvalidProductCodeException": ("pending", UsagePending),
    "InvalidEndpointRegionException": ("pending", UsagePending),
    "DisabledApiException": ("pending", UsagePending),
    "InternalServiceErrorException": ("pending", UsagePending),
    "ThrottlingException": ("pending", UsagePending),
    "AccessDeniedException": ("pending", UsagePending),
    "ExpiredTokenException": ("pending", UsagePending),
    "ValidationException": ("pending", UsagePending),
    "SomethingNewException": ("pending", UsagePending),
}
LOST = [{"drop": "before"}, {"drop": "after"}, {"body": "garbled"}, {"body": "cut"}, {"body": "empty"}, {"status": 502}]


def test_the_table_has_every_answer_that_has_a_meaning_of_its_own():
    assert ANSWERS.keys() <= ENDS.keys()


@pytest.fixture(params=["MeterUsage", "BatchMeterUsage"])
def operation(request):
    return request.param


@pytest.fixture
def sink(lm, guard, operation):
    if operation == "MeterUsage":
        return Sink(guard, PAGES, product_code=CODE)
    buyer = lm.add_product(CODE, ["pages"], ["1" * 12]).customers[0]
    return Sink(guard, PAGES, customers={"acme": (buyer.account_id, buyer.license_arn)})


@pytest.mark.parametrize("code", ENDS)
def test_an_error_has_its_end(lm, clock, guard, sink, operation, told, code):
    state, event = ENDS[code]
    use(guard, 3, "acme")
    clock.shift(HOUR)
    lm.faults.add(operation, error=code, message="arn:aws:secret", times=1)
    status = sink.flush()
    found = {name: tally["records"] for name, tally in status.items()}
    assert found == {"pending": 0, "delivered": 0, "given_up": 0, "rejected": 0} | {state: 1}
    (about,) = told(event)
    assert about.code == code
    assert "arn:" not in str(about)
    again = sink.flush()
    if state == "pending":
        assert again["delivered"] == {"records": 1, "quantity": 3}
        assert lm.bill() == {"pages": 3}
    else:
        assert again == status
        assert len(requests(lm, operation)) == 1


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_an_answer_that_is_none_leaves_the_record_as_it_was(lm, clock, guard, sink, operation, told, fault):
    use(guard, 3, "acme")
    clock.shift(HOUR)
    lm.faults.add(operation, **fault, times=1)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 3}
    assert len(told(UsagePending)) == 1
    use(guard, 40, "acme")
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}
    assert lm.bill() == {"pages": 3}
    first, second = (one.parameters for one in requests(lm, operation))
    assert first == second


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"Results": 5}', b'{"Results": [{}]}', b'{"Results": [{"Status": "Success"}]}']
)
def test_a_batch_that_says_nothing_of_a_record_leaves_it_as_it_was(lm, clock, guard, told, body):
    buyer = lm.add_product(CODE, ["pages"], ["1" * 12]).customers[0]
    sink = Sink(guard, PAGES, customers={"acme": (buyer.account_id, buyer.license_arn)})
    use(guard, 3, "acme")
    clock.shift(HOUR)
    lm.faults.add("BatchMeterUsage", body=body, times=1)
    assert sink.flush()["pending"] == {"records": 1, "quantity": 3}
    assert sink.flush()["delivered"] == {"records": 1, "quantity": 3}
    assert len(told(UsagePending)) == 1
