"""MeterUsage by its published rules: plain boto3 over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from botocore.config import Config

from meterguard.emulator import Behavior, Emulator

from .conftest import ONE_ATTEMPT

NOON = datetime(2026, 11, 12, 12, 30, tzinfo=UTC)
BUYER, STRANGER = "222222222222", "333333333333"
LOOSE = ONE_ATTEMPT.merge(Config(parameter_validation=False))


@pytest.fixture
def lm(lm):
    lm.clock.freeze(NOON)
    return lm


@pytest.fixture
def metering(connect_to):
    return connect_to("meteringmarketplace")


@pytest.fixture
def serving(connect_to):
    """``serving(metering_ahead=60)``: an emulator with these switches, at noon, and a client of it."""
    started = []

    def start(**switches):
        started.append(Emulator(behavior=Behavior(**switches)).start())
        started[-1].clock.freeze(NOON)
        return started[-1], connect_to("meteringmarketplace", url=started[-1].url)

    yield start
    for one in started:
        one.close()


def meter(metering, quantity=None, at=NOON, code="prod-1", dimension="pages", **more):
    if quantity is not None:
        more["UsageQuantity" if isinstance(quantity, int) else "UsageQuantityAsDecimal"] = quantity
    answer = metering.meter_usage(ProductCode=code, Timestamp=at, UsageDimension=dimension, **more)
    return answer["MeteringRecordId"]


class TestTheFirstRecordOfAnHourStands:
    def test_the_same_again_is_the_same_record(self, lm, metering):
        first = meter(metering, 5)
        assert {meter(metering, 5), meter(metering, 5, NOON - timedelta(minutes=29))} == {first}
        assert lm.bill() == {"pages": 5}

    def test_another_quantity_is_refused_and_not_billed(self, lm, metering, code):
        meter(metering, 5)
        for quantity in (4, 6, "5.000001", 0):
            with code("DuplicateRequestException"):
                meter(metering, quantity)
        assert lm.bill() == {"pages": 5}

    @pytest.mark.parametrize("first", [17, "17", "17.0", "17.000000"], ids=repr)
    def test_quantities_are_compared_by_value(self, lm, metering, first):
        stands = meter(metering, first)
        assert {meter(metering, quantity) for quantity in (17, "17", "17.0", "17.00")} == {stands}
        assert lm.bill() == {"pages": Decimal(17)}

    def test_the_open_hour_is_closed_by_it(self, lm, metering, code):
        meter(metering, 5)
        lm.clock.advance(60)
        with code("DuplicateRequestException"):
            meter(metering, 7, NOON + timedelta(seconds=60))
        lm.clock.advance(1800)
        meter(metering, 7, NOON + timedelta(minutes=30))
        assert lm.bill() == {"pages": 12}

    def test_a_record_of_nothing_closes_it_too(self, lm, metering, code):
        meter(metering)
        with code("DuplicateRequestException"):
            meter(metering, 1)
        assert (lm.bill(), [one.quantity for one in lm.metering_records()]) == ({}, [0])

    def test_another_dimension_product_hour_or_region_is_another_record(self, lm, metering, connect_to):
        meter(metering, 1)
        meter(metering, 2, dimension="words")
        meter(metering, 4, code="prod-2")
        meter(metering, 8, NOON - timedelta(hours=1))
        meter(connect_to("meteringmarketplace", region="eu-west-1"), 16)
        assert lm.bill() == {"pages": 29, "words": 2}
        assert lm.bill("prod-2") == {"pages": 4}

    def test_each_instance_task_or_pod_has_one_of_its_own(self, lm, connect_to, code):
        lm.accounts.update({"HOST1": BUYER, "HOST2": BUYER})
        one, other = (connect_to("meteringmarketplace", access_key=name) for name in ("HOST1", "HOST2"))
        assert meter(one, 5) != meter(other, 5)
        with code("DuplicateRequestException"):  # as the second of four workers of one host
            meter(connect_to("meteringmarketplace", access_key="HOST1"), 6)
        assert lm.bill(customer=BUYER) == {"pages": 10}

    def test_a_session_is_the_same_task_with_whatever_key(self, lm, connect_to, session_of):
        first = meter(session_of("task-1"), 5)
        assert meter(session_of("task-1"), 5) == first
        assert meter(session_of("task-2"), 5) != first


@pytest.fixture
def session_of(lm, connect_to):
    """``session_of(name)``: a client with new credentials of a role's session."""
    import boto3

    mine = lm.add_license("MINE", [("Seats", 3, "Count")], issuer_account=lm.account_id)
    issuer = connect_to("license-manager")
    access = issuer.get_access_token(Token=issuer.create_token(LicenseArn=mine.arn, ClientToken="t")["Token"])
    clients = []

    def connect(name):
        found = connect_to("sts").assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{BUYER}:role/tasks", RoleSessionName=name, WebIdentityToken=access["AccessToken"]
        )["Credentials"]
        keys = [found[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
        clients.append(boto3.Session(*keys, region_name=lm.region).client("meteringmarketplace", endpoint_url=lm.url))
        return clients[-1]

    yield connect
    for one in clients:
        one.close()


class TestTimestamps:
    @pytest.mark.parametrize("back", [timedelta(), timedelta(hours=6)])
    def test_six_hours_back_are_taken(self, lm, metering, back):
        meter(metering, 1, NOON - back)
        assert [one.hour for one in lm.metering_records()] == [(NOON - back).replace(minute=0).timestamp()]

    @pytest.mark.parametrize("off", [timedelta(hours=-6, seconds=-1), timedelta(seconds=2), timedelta(days=9999)])
    def test_what_is_older_or_ahead_is_not(self, lm, metering, code, off):
        with code("TimestampOutOfBoundsException"):
            meter(metering, 1, NOON + off)
        assert lm.metering_records() == []

    def test_a_month_is_open_until_six_on_the_first(self, lm, metering, code):
        last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
        lm.clock.freeze("2026-12-01T05:59:59Z")
        meter(metering, 1, last)
        lm.clock.freeze("2026-12-01T06:00:00Z")
        with code("TimestampOutOfBoundsException"):
            meter(metering, 1, last, dimension="words")
        meter(metering, 1, last + timedelta(seconds=1), dimension="words")
        assert lm.bill() == {"pages": 1, "words": 1}

    def test_how_far_ahead_is_a_switch(self, serving, code):
        lm, metering = serving(metering_ahead=60)
        meter(metering, 1, NOON + timedelta(seconds=60))
        with code("TimestampOutOfBoundsException"):
            meter(metering, 1, NOON + timedelta(seconds=61), dimension="words")
        assert lm.bill() == {"pages": 1}


class TestWhoMayMeterWhat:
    def test_anybody_anything_until_a_product_is_added(self, lm, metering, code):
        meter(metering, 1, code="anything", dimension="whatever")
        lm.add_product("prod-1", ["pages"])
        with code("InvalidProductCodeException"):
            meter(metering, 1, code="anything", dimension="whatever")

    def test_a_product_has_its_dimensions_and_its_customers(self, lm, metering, connect_to, code):
        lm.add_product("prod-1", ["pages"], [BUYER])
        mine = connect_to("meteringmarketplace", access_key=BUYER)
        meter(mine, 3)
        with code("InvalidUsageDimensionException"):
            meter(mine, 3, dimension="Pages")
        with code("CustomerNotEntitledException"):
            meter(metering, 3)
        assert lm.bill() == {"pages": 3}

    def test_the_emulators_own_account_is_the_customer_if_none_is_named(self, lm, metering):
        assert [one.account_id for one in lm.add_product("prod-1", ["pages"]).customers] == [lm.account_id]
        meter(metering, 3)
        assert lm.bill() == {"pages": 3}

    def test_a_customer_who_left_is_refused(self, lm, metering, code):
        (customer,) = lm.add_product("prod-1", ["pages"]).customers
        meter(metering, 3)
        customer.unsubscribe()
        assert not customer.is_subscribed
        with code("CustomerNotEntitledException"):
            meter(metering, 3, dimension="pages")

    def test_a_licence_stands_for_a_product(self, lm, metering, connect_to, code):
        lm.add_product("another", ["pages"])
        lm.add_license("prod-1", [("Seats", 3, "Count")], end=NOON + timedelta(days=1))
        meter(metering, 1, dimension="whatever")
        with code("CustomerNotEntitledException"):
            meter(connect_to("meteringmarketplace", access_key=STRANGER), 1)
        lm.clock.advance(timedelta(days=1))
        with code("CustomerNotEntitledException"):
            meter(metering, 1, NOON + timedelta(days=1))

    def test_a_licence_of_somebody_without_an_account_is_everybodys(self, lm, connect_to):
        lm.add_license("prod-1", [("Seats", 3, "Count")], beneficiary="Jo")
        meter(connect_to("meteringmarketplace", access_key=STRANGER), 1)
        assert lm.bill(customer=STRANGER) == {"pages": 1}


class TestDryRun:
    def test_it_does_nothing(self, lm, metering, code):
        with code("DryRunOperation"):
            meter(metering, 5, DryRun=True)
        assert lm.metering_records() == []
        meter(metering, 6)
        meter(metering, 6, DryRun=False)

    def test_without_permission(self, connect_to, code):
        policy = {"Statement": [{"Effect": "Deny", "Action": "aws-marketplace:MeterUsage", "Resource": "*"}]}
        with Emulator(policy=policy) as lm:
            metering = connect_to("meteringmarketplace", url=lm.url)
            with code("UnauthorizedException"):
                meter(metering, 5, lm.clock.datetime(), DryRun=True)
            with code("AccessDeniedException"):
                meter(metering, 5, lm.clock.datetime())

    def test_with_permission(self, connect_to, code):
        policy = {"Statement": [{"Effect": "Allow", "Action": "aws-marketplace:Meter*", "Resource": "*"}]}
        with Emulator(policy=policy) as lm:
            metering = connect_to("meteringmarketplace", url=lm.url)
            with code("DryRunOperation"):
                meter(metering, 5, lm.clock.datetime(), DryRun=True)
            with code("AccessDeniedException"):
                metering.resolve_customer(RegistrationToken="x")


class TestClientTokens:
    def test_one_is_for_one_request(self, lm, metering, code):
        first = meter(metering, 5, ClientToken="same")
        assert meter(metering, "5.0", ClientToken="same") == first
        assert [one.replayed for one in lm.requests] == [False, True]
        for more in ({"quantity": 6}, {"dimension": "words"}, {"at": NOON - timedelta(seconds=1)}):
            with code("IdempotencyConflictException"):
                meter(metering, **{"quantity": 5, **more}, ClientToken="same")

    def test_it_counts_for_its_time(self, serving, code):
        lm, metering = serving(metering_replay_window=60)
        meter(metering, 1, ClientToken="same")
        with code("IdempotencyConflictException"):
            meter(metering, 2, ClientToken="same", dimension="words")
        lm.clock.advance(60)
        meter(metering, 2, ClientToken="same", dimension="words")
        assert lm.bill() == {"pages": 1, "words": 2}


class TestAgentCore:
    @pytest.fixture
    def lm(self, lm):
        lm.add_product("prod-1", ["pages"], agentcore=True)
        return lm

    def test_any_number_of_records_an_hour(self, lm, metering):
        assert len({meter(metering, quantity) for quantity in (5, 5, 6)}) == 3
        assert lm.bill() == {"pages": 16}

    def test_the_token_says_what_is_the_same(self, lm, metering, code):
        first = meter(metering, 5, ClientToken="same")
        lm.clock.advance(3600)
        assert meter(metering, "5.00", ClientToken="same") == first
        with code("IdempotencyConflictException"):
            meter(metering, 6, ClientToken="same")
        assert lm.bill() == {"pages": 5}

    def test_there_has_to_be_one(self, post):
        body = {"ProductCode": "prod-1", "UsageDimension": "pages", "Timestamp": NOON.timestamp(), "UsageQuantity": 1}
        status, _, answer = post(body, operation=None, headers={"X-Amz-Target": "AWSMPMeteringService.MeterUsage"})
        assert (status, b"ValidationException" in answer) == (400, True)

    def test_all_other_rules_hold(self, metering, code):
        with code("TimestampOutOfBoundsException"):
            meter(metering, 5, NOON - timedelta(hours=7))
        with code("InvalidUsageDimensionException"):
            meter(metering, 5, dimension="words")


def allocation(quantity, **tags):
    member = "AllocatedUsageQuantity" if isinstance(quantity, int) else "AllocatedUsageQuantityAsDecimal"
    found = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {member: quantity, **({"Tags": found} if found else {})}


class TestQuantities:
    @pytest.mark.parametrize("quantity", [0, 2**31 - 1, "0", "0.000001", "9999999999.999999"], ids=repr)
    def test_what_there_is(self, lm, metering, quantity):
        meter(metering, quantity)
        assert [one.quantity for one in lm.metering_records()] == [Decimal(quantity)]

    @pytest.mark.parametrize(
        "quantity", [-1, 2**31, "-1", "01", "1.", ".5", "1.0000000", "10000000000", "1e3", ""], ids=repr
    )
    def test_what_there_is_not(self, lm, connect_to, code, quantity):
        metering = connect_to("meteringmarketplace", config=LOOSE)
        with code("SerializationException" if quantity == 2**31 else "ValidationException"):
            meter(metering, quantity)
        assert lm.metering_records() == []

    def test_one_of_the_two(self, lm, metering, code):
        with code("ValidationException"):
            meter(metering, 5, UsageQuantityAsDecimal="5")
        assert lm.metering_records() == []


class TestAllocations:
    def test_they_are_kept_with_the_record(self, lm, metering):
        meter(metering, "5", UsageAllocations=[allocation("1.5", team="a", site="x"), allocation("3.5")])
        (record,) = lm.metering_records()
        assert [(one.quantity, one.tags) for one in record.allocations] == [
            (Decimal("1.5"), {"team": "a", "site": "x"}),
            (Decimal("3.5"), {}),
        ]

    @pytest.mark.parametrize(
        ("quantity", "allocations"),
        [
            (5, [allocation(4)]),
            (5, [allocation(4), allocation(2, team="a")]),
            (5, [allocation("5")]),
            ("5", [allocation(5)]),
            ("5", [allocation("2.5"), allocation(2)]),
            (5, [{**allocation(5), **allocation("5")}]),
            (5, [{"Tags": [{"Key": "a", "Value": "b"}]}]),
            (6, [allocation(3, team="a"), allocation(3, team="a")]),
            (6, [allocation(3, a="1", b="2"), allocation(3, b="2", a="1")]),
        ],
    )
    def test_they_sum_up_to_it_in_its_own_kind(self, lm, metering, code, quantity, allocations):
        with code("InvalidUsageAllocationsException"):
            meter(metering, quantity, UsageAllocations=allocations)
        assert lm.metering_records() == []

    @pytest.mark.parametrize(
        "tags",
        [
            {f"k{n}": "v" for n in range(6)},
            {"k" * 101: "v"},
            {"k": "v" * 257},
            {"k": "\N{SNOWMAN}"},
            {"back\\slash": "v"},
        ],
    )
    def test_tags(self, lm, metering, code, tags):
        with code("InvalidTagException"):
            meter(metering, 5, UsageAllocations=[allocation(5, **tags)])
        assert lm.metering_records() == []

    def test_two_tags_with_one_key(self, metering, code):
        twice = {**allocation(5), "Tags": [{"Key": "k", "Value": "a"}, {"Key": "k", "Value": "b"}]}
        with code("InvalidTagException"):
            meter(metering, 5, UsageAllocations=[twice])

    def test_so_many_and_no_more(self, lm, metering, code):
        many = [allocation(1, n=str(n)) for n in range(2501)]
        with code("ValidationException"):
            meter(metering, 2501, UsageAllocations=many)
        meter(metering, 2500, UsageAllocations=many[:2500])
        assert lm.bill() == {"pages": 2500}
