"""Products, customers and bills: in Python, over a restart, in seed files, over HTTP and without a socket."""

from __future__ import annotations

import http.client
import json
import pickle
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import boto3
import pytest
from moto import mock_aws

from meterguard.emulator import Emulator, MeteringRecord, Product, SeedError, StateError

NOON = datetime(2026, 11, 12, 12, 30, tzinfo=UTC)
BUYER, OTHER = "222222222222", "333333333333"


def meter(client, customer, quantity, at=NOON, dimension="pages"):
    record = {"CustomerAWSAccountId": customer.account_id, "LicenseArn": customer.license_arn, "Timestamp": at}
    record |= {"Dimension": dimension, "QuantityAsDecimal": quantity}
    (result,) = client.batch_meter_usage(UsageRecords=[record])["Results"]
    return result


class TestBills:
    @pytest.fixture
    def lm(self, lm):
        lm.clock.freeze(NOON)
        return lm

    def test_by_product_and_customer(self, lm, connect_to):
        client = connect_to("meteringmarketplace")
        first = lm.add_product("prod-1", ["pages", "words"], [BUYER, OTHER])
        second = lm.add_product("prod-2", ["pages"], [BUYER])
        buyer, other = first.customers
        meter(client, buyer, "1.5")
        meter(client, buyer, "2", NOON - timedelta(hours=1))
        meter(client, other, "4", dimension="words")
        meter(client, second.customers[0], "8")
        assert lm.bill() == {"pages": Decimal("11.5"), "words": 4}
        assert (lm.bill(first), lm.bill("prod-2")) == ({"pages": Decimal("3.5"), "words": 4}, {"pages": 8})
        assert (lm.bill(customer=BUYER), lm.bill(first, customer=BUYER)) == (
            {"pages": Decimal("11.5")},
            {"pages": Decimal("3.5")},
        )
        assert (lm.bill(customer=other), lm.bill(customer=other.license_arn)) == ({"words": 4}, {"words": 4})
        assert (lm.bill("none"), lm.bill(customer="none")) == ({}, {})
        assert all(type(one) is Decimal for one in lm.bill().values())

    def test_records_are_in_the_order_of_acceptance(self, lm, connect_to):
        client = connect_to("meteringmarketplace")
        (customer,) = lm.add_product("prod-1", ["pages"], [BUYER]).customers
        late = meter(client, customer, "2")
        early = meter(client, customer, "1", NOON - timedelta(hours=2))
        meter(client, customer, "3")
        assert lm.metering_records() == [
            MeteringRecord(
                record_id=one["MeteringRecordId"],
                product="prod-1",
                account=BUYER,
                license_arn=customer.license_arn,
                dimension="pages",
                timestamp=at.timestamp(),
                quantity=Decimal(quantity),
                region="us-east-1",
            )
            for one, at, quantity in ((late, NOON, 2), (early, NOON - timedelta(hours=2), 1))
        ]
        assert [one.hour for one in lm.metering_records()] == [
            (NOON - timedelta(hours=back, minutes=30)).timestamp() for back in (0, 2)
        ]
        assert customer.license_arn not in repr(lm.metering_records())
        assert pickle.loads(pickle.dumps(lm.metering_records())) == lm.metering_records()


class TestProducts:
    def test_found_by_their_code(self, lm):
        first, second = lm.add_product("prod-1", ["pages"]), lm.add_product("prod-2", ["pages", "words"])
        assert lm.products() == [first, second] == [lm.product("prod-1"), lm.product("prod-2")]
        assert (second.code, second.dimensions, repr(second)) == ("prod-2", ("pages", "words"), "<Product prod-2>")
        assert len({first, second, lm.product("prod-1")}) == 2
        assert isinstance(first, Product)

    def test_customers(self, lm):
        product = lm.add_product("prod-1", ["pages"], [])
        assert product.customers == []
        first = product.add_customer(BUYER)
        second = product.add_customer({"account_id": BUYER, "begin": NOON})
        assert product.customers == [first, second]
        assert (first.account_id, first.product_code, first.identifier) == (BUYER, "prod-1", None)
        assert (repr(first), len({first, second, product.customers[0]})) == (f"<Customer {BUYER} of prod-1>", 2)

    def test_unsubscribed_once(self, lm):
        lm.clock.freeze(NOON)
        (customer,) = lm.add_product("prod-1", ["pages"]).customers
        assert customer.is_subscribed
        customer.unsubscribe()
        lm.clock.advance(600)
        customer.unsubscribe()
        assert not customer.is_subscribed
        assert lm._state.listings.agreed(customer.license_arn).end == NOON.timestamp()


class TestOverARestart:
    def test_all_of_it_stays(self, again, connect_to):
        lm = again()
        lm.clock.freeze(NOON)
        bought = {"account_id": BUYER, "entitlements": {"pages": 2.5}}
        product = lm.add_product("prod-1", ["pages"], [bought, OTHER], customer_identifiers=True)
        customer, other = product.customers
        client = connect_to("meteringmarketplace", url=lm.url)
        first, token = meter(client, customer, "1.50"), customer.registration_token
        mine = connect_to("meteringmarketplace", url=lm.url, access_key=OTHER)
        mine.register_usage(ProductCode="prod-1", PublicKeyVersion=1)
        other.unsubscribe()
        records, identifier = lm.metering_records(), customer.identifier
        lm = again()
        assert lm.metering_records() == records
        assert lm.bill() == {"pages": Decimal("1.5")}
        customer, other = lm.product("prod-1").customers
        assert (customer.registration_token, customer.identifier, other.is_subscribed) == (token, identifier, False)
        assert meter(client, customer, "1.5")["MeteringRecordId"] == first["MeteringRecordId"]
        assert meter(client, customer, "2")["Status"] == "DuplicateRecord"
        assert client.resolve_customer(RegistrationToken=token)["CustomerAWSAccountId"] == BUYER
        mine.register_usage(ProductCode="prod-1", PublicKeyVersion=1)  # the task runs on
        entitlements = connect_to("marketplace-entitlement", url=lm.url).get_entitlements(ProductCode="prod-1")
        assert [one["Value"] for one in entitlements["Entitlements"]] == [{"DoubleValue": 2.5}]

    def test_a_client_token_of_agentcore(self, again, connect_to):
        lm = again()
        lm.clock.freeze(NOON)
        lm.add_product("prod-1", ["pages"], agentcore=True)
        client = connect_to("meteringmarketplace", url=lm.url)
        asked = {"ProductCode": "prod-1", "UsageDimension": "pages", "Timestamp": NOON, "ClientToken": "t"}
        first = client.meter_usage(**asked, UsageQuantityAsDecimal="5")["MeteringRecordId"]
        lm = again()
        assert client.meter_usage(**asked, UsageQuantity=5)["MeteringRecordId"] == first
        assert lm.bill() == {"pages": 5}

    @pytest.mark.parametrize(
        ("table", "change", "told"),
        [
            ("meterings", "replace(document, '\"1.50\"', '\"NaN\"')", "row 1 of meterings cannot be read"),
            ("meterings", "replace(document, '\"1.50\"', '\"much\"')", "row 1 of meterings cannot be read"),
            ("meterings", "replace(document, '\"1.50\"', '1.5')", "row 1 of meterings cannot be read"),
            ("meterings", 'replace(document, \'"record_id":"\', \'"record_id":"0\')', "a row of meterings does not"),
            ("contracts", "replace(document, '2.5', '\"2.5\"')", "row 1 of contracts cannot be read"),
            ("agreements", "replace(document, 'prod-1', 'prod-2')", "a row of agreements does not"),
            ("listings", "replace(document, 'prod-1', 'prod-2')", "a row of listings does not"),
            ("registrations", "replace(document, 'arn:', 'ARN:')", "a row of registrations does not"),
        ],
    )
    def test_a_damaged_file(self, again, file, connect_to, table, change, told):
        lm = again()
        lm.clock.freeze(NOON)
        bought = {"account_id": BUYER, "entitlements": {"pages": 2.5}}
        (customer,) = lm.add_product("prod-1", ["pages"], [bought]).customers
        meter(connect_to("meteringmarketplace", url=lm.url), customer, "1.50")
        lm.close()
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute(f"UPDATE {table} SET document = {change}")
        with pytest.raises(StateError, match=rf"state\.db is damaged: {told}"):
            Emulator(state=file)


SEED = {
    "products": [
        {
            "code": "prod-1",
            "dimensions": ["pages", "seats"],
            "customers": [BUYER, {"account_id": OTHER, "entitlements": {"seats": 5}, "end": "2099-01-01T00:00:00Z"}],
        },
        {"code": "prod-2", "dimensions": [], "agentcore": True, "public_key_version": 2},
    ]
}


class TestSeeds:
    @pytest.fixture
    def seed(self, tmp_path):
        path = tmp_path / "seed.json"
        path.write_text(json.dumps(SEED))
        return path

    def test_products_and_their_customers(self, seed, connect_to):
        with Emulator(seed=seed) as lm:
            first, second = lm.products()
            assert [one.account_id for one in first.customers] == [BUYER, OTHER]
            assert [one.account_id for one in second.customers] == [lm.account_id]
            client = connect_to("marketplace-entitlement", url=lm.url)
            (found,) = client.get_entitlements(ProductCode="prod-1")["Entitlements"]
            assert (found["Value"], found["ExpirationDate"].year) == ({"IntegerValue": 5}, 2099)

    def test_they_are_planted_once(self, seed, again):
        before = [one.license_arn for one in again(seed=seed).product("prod-1").customers]
        lm = again(seed=seed)
        assert (len(lm.products()), [one.license_arn for one in lm.product("prod-1").customers]) == (2, before)

    @pytest.mark.parametrize(
        ("product", "told"),
        [
            ({"code": "a b", "dimensions": []}, "code: 'a b' is not a product code"),
            ({"code": "a"}, "dimensions: None is not a list of texts"),
            ({"code": "a", "dimensions": [], "price": 5}, "add_product does not take price; it takes agentcore, code"),
            ({"code": "a", "dimensions": [], "customers": ["Jo"]}, "account_id: 'Jo' is not an account, in digits"),
            ({"code": "prod-1", "dimensions": []}, "code: the product 'prod-1' was added before"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_place(self, tmp_path, product, told):
        path = tmp_path / "seed.json"
        path.write_text(json.dumps({"products": [SEED["products"][0], product]}))
        with pytest.raises(SeedError, match=rf"products\[1\]: {told}"):
            Emulator(seed=path)


@pytest.fixture
def admin(lm):
    """``admin(method, path, told)``: the status, and what is answered."""

    def send(method, path, told=None):
        connection = http.client.HTTPConnection("127.0.0.1", lm.port, timeout=20)
        try:
            body = None if told is None else json.dumps(told)
            connection.request(method, f"/_meterguard{path}", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return send


class TestOverHttp:
    def test_products_customers_and_bills(self, lm, admin, connect_to):
        lm.clock.freeze(NOON)
        status, answer = admin("POST", "/products", SEED["products"][0])
        customer = lm.product("prod-1").customers[0]
        assert (status, answer["code"], answer["dimensions"]) == (200, "prod-1", ["pages", "seats"])
        assert answer["customers"][0] == {
            "account_id": BUYER,
            "license_arn": customer.license_arn,
            "agreement_id": customer.agreement_id,
            "is_subscribed": True,
        }
        assert admin("GET", "/products") == (200, {"products": [answer]})
        result = meter(connect_to("meteringmarketplace"), customer, "1.50")
        assert admin("GET", "/bill") == (200, {"bill": {"pages": "1.50"}})
        _, told = admin("GET", "/metering-records")
        assert told["metering_records"] == [
            {
                "record_id": result["MeteringRecordId"],
                "product": "prod-1",
                "account": BUYER,
                "license_arn": customer.license_arn,
                "dimension": "pages",
                "timestamp": "2026-11-12T12:30:00Z",
                "hour": "2026-11-12T12:00:00Z",
                "quantity": "1.50",
                "region": "us-east-1",
            }
        ]

    def test_a_customer_leaves(self, lm, admin):
        product = lm.add_product("prod-1", ["pages"], [BUYER, OTHER])
        status, answer = admin("POST", f"/customers/{OTHER}/unsubscribe", {})
        assert (status, [one["is_subscribed"] for one in answer["products"][0]["customers"]]) == (200, [True, False])
        assert [one.is_subscribed for one in product.customers] == [True, False]
        assert admin("POST", "/customers/9/unsubscribe", {}) == (
            404,
            {"error": "no product has a customer with that account"},
        )

    def test_no_registration_token_comes_out(self, lm, admin):
        (customer,) = lm.add_product("prod-1", ["pages"], [BUYER]).customers
        told = json.dumps([admin("GET", path) for path in ("/products", "/requests", "/metering-records")])
        assert customer.registration_token not in told

    def test_what_is_wrong(self, lm, admin):
        assert admin("POST", "/products", {"code": "a", "price": 5})[0] == 400
        status, answer = admin("POST", "/products", {"code": "a b", "dimensions": []})
        assert (status, "is not a product code" in answer["error"], lm.products()) == (400, True, [])


class TestWithoutASocket:
    def test_clients_of_the_process(self, environment):
        lm = Emulator()
        lm.clock.freeze(NOON)
        (customer,) = lm.add_product("prod-1", ["pages"]).customers
        with lm.in_process():
            assert meter(boto3.client("meteringmarketplace"), customer, "2")["Status"] == "Success"
            assert boto3.client("marketplace-entitlement").get_entitlements(ProductCode="prod-1")["Entitlements"] == []
        session = boto3.Session()
        lm.attach(session)
        assert meter(session.client("meteringmarketplace"), customer, "2")["Status"] == "Success"
        assert (lm.bill(), lm.calls("BatchMeterUsage")) == ({"pages": 2}, 2)

    def test_where_moto_answers_it_is_motos(self, environment):
        lm = Emulator()
        with mock_aws(), lm.in_process():
            record = {"Timestamp": NOON, "CustomerIdentifier": "x", "Dimension": "pages", "Quantity": 1}
            answer = boto3.client("meteringmarketplace").batch_meter_usage(UsageRecords=[record], ProductCode="prod-1")
        assert [one["Status"] for one in answer["Results"]] == ["CustomerNotSubscribed"]  # nobody is, to moto


def test_signatures_are_checked(connect_to, code):
    with Emulator(verify_signatures={"AKIAOWN": "secret"}) as lm:
        asked = {"ProductCode": "prod-1", "UsageDimension": "pages", "Timestamp": lm.clock.datetime()}
        own = connect_to("meteringmarketplace", url=lm.url, access_key="AKIAOWN")
        own.meter_usage(**asked, UsageQuantity=1)
        with code("InvalidSignatureException"):
            connect_to("marketplace-entitlement", url=lm.url, access_key="testing").get_entitlements(ProductCode="a")
        assert lm.bill() == {"pages": 1}
