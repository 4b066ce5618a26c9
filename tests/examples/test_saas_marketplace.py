"""The SaaS application, with real registration tokens: each customer's bill is what the ledger says it used."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from tests.examples.marketplace import HOUR, PRODUCT, Time, settings
from tests.integrations.serving import Server
from tests.laws.servers import wait_for

DIMENSION = "thousand_characters"
OPERATOR = "key-of-the-operator"


@pytest.fixture
def product(lm, moved):  # whose tokens are as old as the time that was moved says
    return lm.add_product(PRODUCT, [DIMENSION], ["222222222222", "333333333333"])


@pytest.fixture
def moved(lm, tmp_path):
    return Time(lm, tmp_path / "ahead")


@pytest.fixture
def site(lm, product, moved, tmp_path):
    env = settings(lm, tmp_path, "saas_marketplace") | {"OPERATOR_KEY": OPERATOR}
    server = Server("uvicorn", "moved_time:app", env=env, cwd=tmp_path, is_factory=False)
    yield server
    server.kill()


@pytest.fixture
def visit(site):
    """``visit(customer)``: a customer comes from AWS Marketplace. Returns a client that has the key it got."""
    clients = []

    def register(token):
        return httpx.post(f"{site.url}/register", data={"x-amzn-marketplace-token": token}, timeout=40)

    def visiting(customer):
        told = register(customer.registration_token).json()
        clients.append(httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {told['key']}"}, timeout=40))
        clients[-1].name = told["customer"]
        return clients[-1]

    visiting.register = register
    yield visiting
    for one in clients:
        one.close()


def use(client, characters):
    reply = client.post("/translate", json="ab" * (characters // 2))
    assert (reply.status_code, reply.json()) == (200, "ba" * (characters // 2))


def metering(site, key=OPERATOR):
    return httpx.get(f"{site.url}/metering", headers={"Authorization": f"Bearer {key}"}, timeout=40)


def used(client):
    return Decimal(client.get("/usage").json()[DIMENSION])


def test_each_customer_is_billed_for_what_it_used(lm, site, product, visit, moved):
    first, second = product.customers
    ana, ben = visit(first), visit(second)
    for hour in range(1, 4):
        use(ana, 1000 * hour)
        use(ana, 10)
        if hour != 2:
            use(ben, 3334)
        assert metering(site).json()["pending"]["records"] == 0, "the hour goes on"
        moved.shift(HOUR)
        records = {1: 2, 2: 3, 3: 5}[hour]
        wait_for(lambda records=records: metering(site).json()["delivered"]["records"] == records)
    assert lm.bill(customer=first) == {DIMENSION: used(ana)} == {DIMENSION: Decimal("6.03")}
    assert lm.bill(customer=second) == {DIMENSION: used(ben)} == {DIMENSION: Decimal("6.668")}
    assert lm.bill(product) == {DIMENSION: used(ana) + used(ben)}
    assert {one.operation for one in lm.requests} == {"ResolveCustomer", "BatchMeterUsage"}


def test_who_comes_again_stays_the_same_customer(lm, site, product, visit, moved):
    customer, _ = product.customers
    before = visit(customer)
    use(before, 500)
    customer.register()
    after = visit(customer)
    assert after.name == before.name
    assert before.get("/usage").status_code == 401
    use(after, 500)
    moved.shift(HOUR)
    wait_for(lambda: lm.bill(customer=customer))
    assert lm.bill(customer=customer) == {DIMENSION: used(after)} == {DIMENSION: 1}


def test_an_hour_without_aws_is_billed_later(lm, site, product, visit, moved):
    customer, _ = product.customers
    ana = visit(customer)
    use(ana, 700)
    with lm.down():
        moved.shift(HOUR)
        wait_for(lambda: lm.calls("BatchMeterUsage"))
        use(ana, 800)
        assert metering(site).json()["pending"] == {"records": 1, "quantity": "0.7"}
    moved.shift(HOUR)
    wait_for(lambda: metering(site).json()["delivered"]["records"] == 2)
    assert lm.bill(customer=customer) == {DIMENSION: used(ana)} == {DIMENSION: Decimal("1.5")}


def test_a_token_that_is_wrong_old_or_of_another_product_is_refused(lm, site, visit, product, moved):
    other = lm.add_product("prod-another", ["things"], ["444444444444"])
    old = product.customers[0].registration_token
    assert visit.register(other.customers[0].registration_token).status_code == 400
    moved.shift(5 * HOUR)
    for token in (old, "no token at all", ""):
        reply = visit.register(token)
        assert (reply.status_code, "Set up your account" in reply.text) == (400, True)


def test_nobody_sees_what_is_not_theirs(site, product, visit):
    customer, _ = product.customers
    ana = visit(customer)
    use(ana, 4)
    assert metering(site, "a guess").status_code == 403
    assert ana.get("/metering").status_code == 403
    for path in ("/usage", "/metering"):
        assert httpx.get(f"{site.url}{path}", timeout=40).status_code in (401, 403)
    shown = "".join(site.log) + metering(site).text + ana.get("/usage").text
    for secret in (
        customer.license_arn,
        customer.account_id,
        customer.registration_token,
        ana.headers["Authorization"],
    ):
        assert secret not in shown
