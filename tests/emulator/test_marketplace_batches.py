"""BatchMeterUsage by its published rules: plain boto3 over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from .conftest import ONE_ATTEMPT

NOON = datetime(2026, 11, 12, 12, 30, tzinfo=UTC)
BUYER, OTHER, STRANGER = "222222222222", "333333333333", "444444444444"
LOOSE = ONE_ATTEMPT.merge(Config(parameter_validation=False))


@pytest.fixture
def lm(lm):
    lm.clock.freeze(NOON)
    return lm


@pytest.fixture
def metering(connect_to):
    return connect_to("meteringmarketplace")


@pytest.fixture
def product(lm):
    return lm.add_product("prod-1", ["pages", "words"], [BUYER, OTHER])


@pytest.fixture
def buyer(product):
    return product.customers[0]


@pytest.fixture
def of(buyer):
    """``of(5)``: a record of the buyer. ``customer=None`` and further members make another one."""

    def record(quantity=None, customer=buyer, at=NOON, dimension="pages", **more):
        if customer is not None:
            more = {"CustomerAWSAccountId": customer.account_id, "LicenseArn": customer.license_arn, **more}
        if quantity is not None:
            more["Quantity" if isinstance(quantity, int) else "QuantityAsDecimal"] = quantity
        return {"Timestamp": at, "Dimension": dimension, **more}

    return record


@pytest.fixture
def batch(metering):
    """``batch(*records, code=)``: the statuses, and with ``whole=True`` the whole answer."""

    def send(*records, code=None, whole=False, using=metering):
        answer = using.batch_meter_usage(UsageRecords=records, **({"ProductCode": code} if code else {}))
        return answer if whole else [one["Status"] for one in answer["Results"]]

    return send


class TestTheFirstRecordOfAnHourStands:
    def test_the_same_again_succeeds_with_the_same_id(self, lm, batch, of):
        (first,) = batch(of(5), whole=True)["Results"]
        assert (first["Status"], first["UsageRecord"]) == ("Success", of(5))
        again = batch(of(5), of("5.0", at=NOON - timedelta(minutes=5)), of(1, dimension="words"), whole=True)
        assert [one["Status"] for one in again["Results"]] == ["Success"] * 3
        ids = [one["MeteringRecordId"] for one in again["Results"]]
        assert (ids[0], ids[1], len(set(ids))) == (first["MeteringRecordId"], first["MeteringRecordId"], 2)
        assert (again["UnprocessedRecords"], lm.bill()) == ([], {"pages": 5, "words": 1})

    def test_another_quantity_is_a_duplicate_and_not_billed(self, lm, batch, of):
        assert batch(of(5), of(6), of("5.00"), of("5.5")) == [
            "Success",
            "DuplicateRecord",
            "Success",
            "DuplicateRecord",
        ]
        lm.clock.advance(1800)
        assert batch(of(7)) == ["DuplicateRecord"]
        assert lm.bill() == {"pages": 5}

    def test_the_open_hour_and_nothing_at_all(self, lm, batch, of):
        assert batch(of(0), of(3)) == ["Success", "DuplicateRecord"]
        assert lm.bill() == {}

    def test_each_licence_hour_and_region_has_its_own(self, lm, batch, of, product, connect_to):
        second = product.add_customer(BUYER)
        hour = NOON - timedelta(hours=1)
        assert batch(of(1), of(2, second), of(4, product.customers[1]), of(8, at=hour)) == ["Success"] * 4
        assert batch(of(16), using=connect_to("meteringmarketplace", region="eu-west-1")) == ["Success"]
        assert lm.bill() == {"pages": 31}
        assert [lm.bill(customer=one)["pages"] for one in (*product.customers, BUYER)] == [25, 4, 2, 27]
        assert lm.bill(product, customer=second.license_arn) == {"pages": 2}

    def test_who_asks_makes_no_difference(self, lm, batch, of, connect_to):
        assert batch(of(1)) == ["Success"]
        assert batch(of(2), using=connect_to("meteringmarketplace", access_key="ANOTHER")) == ["DuplicateRecord"]
        assert lm.bill() == {"pages": 1}

    def test_many_at_once(self, lm, batch, of):
        hours = [NOON - timedelta(hours=n) for n in range(13)]
        records = [of(n, at=at, dimension=one) for n, at in enumerate(hours) for one in ("pages", "words")]
        assert batch(*records[:25]) == ["Success"] * 25
        assert [one.quantity for one in lm.metering_records()] == [n // 2 for n in range(25)]


class TestTimestamps:
    def test_a_day_back(self, lm, batch, of, code):
        assert batch(of(1, at=NOON - timedelta(days=1) + timedelta(seconds=1))) == ["Success"]
        for at in (NOON - timedelta(days=1), NOON + timedelta(seconds=2)):
            with code("TimestampOutOfBoundsException"):
                batch(of(1, dimension="words"), of(1, at=at))
        assert lm.bill() == {"pages": 1}

    def test_a_month_is_open_until_six_on_the_first(self, lm, batch, of, code):
        last = datetime(2027, 2, 28, 23, tzinfo=UTC)
        lm.clock.freeze("2027-03-01T05:59:59Z")
        assert batch(of(1, at=last), of(1, at=last - timedelta(hours=16))) == ["Success"] * 2
        lm.clock.freeze("2027-03-01T06:00:00Z")
        with code("TimestampOutOfBoundsException"):
            batch(of(1, at=last, dimension="words"))
        assert batch(of(1, at=last + timedelta(hours=1), dimension="words")) == ["Success"]


class TestWhatFailsTheWholeBatch:
    @pytest.mark.parametrize(
        ("wrong", "error"),
        [
            ({"dimension": "Pages"}, "InvalidUsageDimensionException"),
            ({"at": NOON - timedelta(days=2)}, "TimestampOutOfBoundsException"),
            ({"LicenseArn": "arn:aws:license-manager::111122223333:license:l-none"}, "InvalidLicenseException"),
            ({"CustomerAWSAccountId": STRANGER}, "InvalidLicenseException"),
            ({"UsageAllocations": [{"AllocatedUsageQuantity": 2}]}, "InvalidUsageAllocationsException"),
            (
                {"UsageAllocations": [{"AllocatedUsageQuantity": 1, "Tags": [{"Key": "\u00e9", "Value": "v"}]}]},
                "InvalidTagException",
            ),
            ({"QuantityAsDecimal": "1"}, "ValidationException"),
        ],
    )
    def test_a_poisoned_record(self, lm, batch, of, code, wrong, error):
        with code(error):
            batch(of(1), of(1, **{"dimension": "words", **wrong}), of(1, at=NOON - timedelta(hours=1)))
        assert lm.metering_records() == []

    def test_a_licence_that_is_none_of_the_products_customers(self, lm, batch, of, code):
        licence = lm.add_license("prod-1", [("pages", 3, "Count")], beneficiary=BUYER)
        with code("InvalidLicenseException"):
            batch(of(1, None, CustomerAWSAccountId=BUYER, LicenseArn=licence.arn))
        assert lm.metering_records() == []

    def test_a_record_of_nobody(self, lm, batch, of, code, buyer):
        for more in ({"LicenseArn": buyer.license_arn}, {"LicenseArn": buyer.license_arn, "CustomerIdentifier": "x"}):
            with code("InvalidCustomerIdentifierException"):
                batch(of(1, None, **more))
        with code("InvalidCustomerIdentifierException"):
            batch(of(1, None), code="prod-1")
        with code("InvalidProductCodeException"):
            batch(of(1, None, CustomerAWSAccountId=BUYER))
        assert lm.metering_records() == []

    def test_two_products(self, lm, batch, of, code):
        (other,) = lm.add_product("prod-2", ["pages"], [BUYER]).customers
        with code("InvalidLicenseException"):
            batch(of(1), of(1, other))
        with code("InvalidLicenseException"):
            batch(of(1), code="prod-2")
        with code("InvalidProductCodeException"):
            batch(of(1), code="prod-3")
        assert (batch(of(1)), batch(of(1, other))) == (["Success"], ["Success"])
        assert lm.bill("prod-2") == {"pages": 1}

    def test_some_of_an_hour_with_allocations_and_some_without(self, lm, batch, of, code):
        tagged = of(1, UsageAllocations=[{"AllocatedUsageQuantity": 1}])
        with code("InvalidUsageAllocationsException"):
            batch(tagged, of(1))
        assert batch(tagged, of(0), of(1, dimension="words"), of(1, at=NOON - timedelta(hours=1))) == [
            *("Success", "DuplicateRecord", "Success", "Success")
        ]
        assert lm.bill() == {"pages": 2, "words": 1}

    def test_more_than_25(self, lm, connect_to, batch, of, code):
        with code("ValidationException"):
            batch(*[of(1)] * 26)
        assert batch(*[of(1)] * 25) == ["Success"] * 25
        assert batch() == []
        assert lm.bill() == {"pages": 1}

    def test_more_than_a_megabyte(self, lm, batch, of, code):
        tags = [{"Key": f"{n:0100}", "Value": "v" * 256} for n in range(4)]
        allocations = [
            {"AllocatedUsageQuantity": 1, "Tags": [*tags, {"Key": "n", "Value": str(n)}]} for n in range(1000)
        ]
        with code("RequestEntityTooLargeException"):
            batch(of(1000, UsageAllocations=allocations))
        assert batch(of(500, UsageAllocations=allocations[:500])) == ["Success"]
        assert lm.bill() == {"pages": 500}


class TestSubscriptions:
    def test_an_hour_for_the_last_usage(self, lm, batch, of, buyer):
        buyer.unsubscribe()
        lm.clock.advance(3599)
        assert batch(of(1)) == ["Success"]
        lm.clock.advance(1)
        assert batch(of(1, at=NOON - timedelta(hours=1)), of(1)) == ["CustomerNotSubscribed"] * 2
        assert lm.bill() == {"pages": 1}

    def test_the_others_go_on(self, lm, batch, of, buyer, product):
        buyer.unsubscribe()
        lm.clock.advance(3600)
        answer = batch(of(1), of(2, product.customers[1]), whole=True)
        assert [one["Status"] for one in answer["Results"]] == ["CustomerNotSubscribed", "Success"]
        assert ["MeteringRecordId" in one for one in answer["Results"]] == [False, True]

    def test_usage_of_an_hour_outside_of_the_agreement(self, lm, product, batch, of, code):
        customer = product.add_customer({"account_id": STRANGER, "begin": NOON, "end": NOON + timedelta(hours=1)})
        assert batch(of(1, customer)) == ["Success"]
        with code("InvalidLicenseException"):
            batch(of(1, customer, at=NOON - timedelta(hours=1)))
        lm.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
        assert batch(of(1, customer, at=NOON + timedelta(minutes=40))) == ["Success"]
        with code("InvalidLicenseException"):
            batch(of(1, customer, at=NOON + timedelta(minutes=90)))

    def test_licences_stand_for_customers(self, lm, batch, of, code):
        licence = lm.add_license("sku-1", [("pages", 3, "Count")], beneficiary=BUYER)
        mine = {"CustomerAWSAccountId": BUYER, "LicenseArn": licence.arn}
        assert batch(of(1, None, dimension="anything", **mine)) == ["Success"]
        with code("InvalidLicenseException"):
            batch(of(1, None, **{**mine, "CustomerAWSAccountId": STRANGER}))
        lm.update_license(licence, status="SUSPENDED")
        assert batch(of(1, None, **mine)) == ["CustomerNotSubscribed"]
        assert lm.bill("sku-1", customer=BUYER) == {"anything": 1}


class TestBeforeAnyProductIsAdded:
    @pytest.fixture
    def buyer(self):
        return None

    def test_all_is_accepted(self, lm, batch, of):
        arn = "arn:aws:license-manager::111122223333:license:l-1"
        mine = {"CustomerAWSAccountId": BUYER, "LicenseArn": arn}
        assert batch(of(1, None, **mine), of(2, None, dimension="x", **mine)) == ["Success"] * 2
        assert batch(of(4, None, CustomerIdentifier="somebody"), code="anything") == ["Success"]
        assert lm.bill() == {"pages": 5, "x": 2}
        assert [(one.product, one.account, one.license_arn) for one in lm.metering_records()] == [
            *((None, BUYER, arn), (None, BUYER, arn), ("anything", "somebody", None))
        ]


class TestProductCodes:
    """What integrations from before June 2026 send."""

    @pytest.fixture
    def product(self, lm):
        return lm.add_product("prod-1", ["pages", "words"], [BUYER, OTHER], customer_identifiers=True)

    def test_a_customer_by_account_and_by_identifier_is_one(self, lm, batch, of, buyer):
        assert batch(of(5, None, CustomerAWSAccountId=BUYER), code="prod-1") == ["Success"]
        assert batch(of(5, None, CustomerIdentifier=buyer.identifier), code="prod-1") == ["Success"]
        assert batch(of(6, None, CustomerIdentifier=buyer.identifier), code="prod-1") == ["DuplicateRecord"]
        assert lm.bill(customer=buyer) == {"pages": 5}

    def test_somebody_who_is_no_customer(self, lm, batch, of):
        found = batch(
            of(5, None, CustomerAWSAccountId=STRANGER), of(5, None, CustomerIdentifier="nobody"), code="prod-1"
        )
        assert (found, lm.bill()) == (["CustomerNotSubscribed"] * 2, {})

    def test_new_products_have_no_identifiers(self, lm, batch, of, code):
        lm.add_product("prod-2", ["pages"], [BUYER])
        with code("InvalidCustomerIdentifierException"):
            batch(of(5, None, CustomerIdentifier="x"), code="prod-2")

    def test_with_the_licence_in_one_record_it_is_billed_twice(self, lm, batch, of):
        assert batch(of(5), code="prod-1") == ["Success"]
        assert batch(of(5), code="prod-1") == ["Success"]
        assert lm.bill() == {"pages": 10}

    def test_with_the_licence_in_the_same_hour_it_is_billed_twice(self, lm, batch, of, buyer):
        assert batch(of(5, None, CustomerAWSAccountId=BUYER), code="prod-1") == ["Success"]
        assert batch(of(5)) == ["Success"]
        assert (lm.bill(), lm.bill(customer=buyer)) == ({"pages": 10}, {"pages": 10})


class TestFaults:
    def test_records_are_left_unprocessed(self, lm, batch, of):
        lm.faults.add("BatchMeterUsage", partial=["words"])
        records = [of(1), of(2, dimension="words"), of("4.5", at=NOON - timedelta(hours=1), dimension="words")]
        answer = batch(*records, whole=True)
        assert [one["UsageRecord"] for one in answer["Results"]] == records[:1]
        assert answer["UnprocessedRecords"] == records[1:]
        assert batch(*answer["UnprocessedRecords"]) == ["Success"] * 2
        assert lm.bill() == {"pages": 1, "words": Decimal("6.5")}

    def test_all_of_them_or_more_than_so_many(self, lm, batch, of):
        lm.faults.add("BatchMeterUsage", partial="*")
        lm.faults.add("BatchMeterUsage", partial={"*": 2, "words": 1})
        records = [of(1, at=NOON - timedelta(hours=n), dimension=one) for n in range(3) for one in ("pages", "words")]
        assert batch(*records, whole=True)["UnprocessedRecords"] == records
        assert batch(*records, whole=True)["UnprocessedRecords"] == [records[3], *records[4:]]

    def test_an_error_and_an_outage(self, lm, batch, of, code):
        lm.faults.add("BatchMeterUsage", error="ThrottlingException")
        lm.faults.add("BatchMeterUsage", error="InternalServiceErrorException")
        with code("ThrottlingException") as refusal:
            batch(of(1))
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        with code("InternalServiceErrorException") as refusal:
            batch(of(1))
        assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        with lm.down(), code("503"):
            batch(of(1))
        assert lm.bill() == {}

    def test_an_answer_that_is_lost(self, lm, batch, of):
        lm.faults.add("BatchMeterUsage", drop="after")
        with pytest.raises(ConnectionClosedError):
            batch(of(5))
        assert lm.bill() == {"pages": 5}
        assert batch(of(5)) == ["Success"]
        assert lm.bill() == {"pages": 5}

    def test_a_request_that_is_lost(self, lm, batch, of):
        lm.faults.add("BatchMeterUsage", drop="before")
        with pytest.raises(ConnectionClosedError):
            batch(of(5))
        assert lm.bill() == {}
