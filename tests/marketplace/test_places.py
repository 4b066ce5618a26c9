"""Where a sink asks, and who may send what: endpoints, Regions, hosts of a fleet, forgotten connections."""

from __future__ import annotations

import pytest

from meterguard import ConfigurationError
from meterguard.events import UsagePending
from meterguard.marketplace import Sink
from meterguard.runtime import reports
from tests import redis_server
from tests.marketplace.conftest import CODE, requests, use

HOUR = 3600
PAGES = {"Pages": "pages"}


def regions(lm):
    return {one.caller.region for one in requests(lm)}


class TestEndpoints:
    def test_the_guards_endpoint_is_not_followed(self, lm, clock, guard, monkeypatch):
        monkeypatch.delenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING")
        use(guard, 3)
        clock.shift(HOUR)
        with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_MARKETPLACE_METERING"):
            Sink(guard, PAGES, product_code=CODE).flush()  # which would ask AWS; the plugin forbids that
        assert requests(lm) == []

    def test_no_variable_is_followed_where_the_environment_is_not_trusted(self, lm, clock, make_guard, tmp_path):
        licence = lm.add_license("ACME-2", [("Pages", 10, "Count")])
        guard = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db", trust_env=False)
        use(guard, 3)
        clock.shift(HOUR)
        with pytest.raises(ConfigurationError, match="point_at"):
            Sink(guard, PAGES, product_code=CODE).flush()
        assert requests(lm) == []

    def test_a_client_is_used_as_it_is(self, lm, clock, guard, monkeypatch):
        import boto3

        monkeypatch.delenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING")
        client = boto3.Session().client("meteringmarketplace", endpoint_url=lm.url, region_name="eu-west-1")
        use(guard, 3)
        clock.shift(HOUR)
        Sink(guard, PAGES, product_code=CODE, client=client).flush()
        assert lm.bill() == {"pages": 3}

    def test_a_client_of_something_else_is_named(self, lm, clock, guard):
        import boto3

        use(guard, 3)
        clock.shift(HOUR)
        sink = Sink(guard, PAGES, product_code=CODE, client=boto3.Session().client("sts", endpoint_url=lm.url))
        with pytest.raises(ConfigurationError, match="must be one of AWS Marketplace Metering"):
            sink.flush()


class TestRegions:
    @pytest.mark.parametrize("customers", [False, True])
    def test_meter_usage_counts_where_the_program_runs(self, lm, clock, make_guard, monkeypatch, tmp_path, customers):
        licence = lm.add_license("ACME-2", [("Pages", 10, "Count")])
        guard = make_guard(lm, licence, ledger=f"sqlite:///{tmp_path}/ledger.db", region_name="us-east-1")
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        use(guard, 3, "acme")
        clock.shift(HOUR)
        buyer = lm.add_product(CODE, ["pages"], [lm.account_id]).customers[0]
        to = {"customers": {"acme": (buyer.account_id, buyer.license_arn)}} if customers else {"product_code": CODE}
        Sink(guard, PAGES, **to).flush()
        assert [one.region for one in lm.metering_records()] == ["us-east-1" if customers else "eu-west-1"]


@pytest.fixture
def fleet(tmp_path):
    server = redis_server.Server(next(iter(redis_server.carried().values())), tmp_path)
    yield server.url
    server.stop()


class TestFleets:
    def test_the_host_that_wrote_a_record_down_sends_it(self, lm, clock, make_guard, fleet, monkeypatch):
        """AWS counts by instance, task or pod, and would take a record a second time from another."""
        licence = lm.add_license("ACME-2", [("Pages", 10, "Count")])
        here, there = (make_guard(lm, licence, ledger=fleet) for _ in range(2))
        use(here, 3)
        clock.shift(HOUR)
        lm.faults.add("MeterUsage", drop="after", times=1)
        first = Sink(here, PAGES, product_code=CODE)
        assert first.flush()["pending"]["records"] == 1
        monkeypatch.setattr(reports, "gethostname", lambda: "another")
        assert Sink(there, PAGES, product_code=CODE).flush()["pending"]["records"] == 1
        assert len(requests(lm)) == 1
        assert first.flush()["delivered"] == {"records": 1, "quantity": 3}
        assert lm.bill() == {"pages": 3}

    def test_any_host_sends_for_customers(self, lm, clock, make_guard, fleet, monkeypatch):
        licence = lm.add_license("ACME-2", [("Pages", 10, "Count")])
        here, there = (make_guard(lm, licence, ledger=fleet) for _ in range(2))
        buyer = lm.add_product(CODE, ["pages"], ["1" * 12]).customers[0]
        customers = {"acme": (buyer.account_id, buyer.license_arn)}
        use(here, 3, "acme")
        clock.shift(HOUR)
        lm.faults.add("BatchMeterUsage", drop="after", times=1)
        assert Sink(here, PAGES, customers=customers).flush()["pending"]["records"] == 1
        monkeypatch.setattr(reports, "gethostname", lambda: "another")
        assert Sink(there, PAGES, customers=customers).flush()["delivered"]["records"] == 1
        assert lm.bill() == {"pages": 3}


def test_a_ledger_that_is_away_raises_nothing(lm, clock, make_guard, fleet_that_ends, request):
    licence = lm.add_license("ACME-2", [("Pages", 10, "Count")])
    guard = make_guard(lm, licence, ledger=fleet_that_ends.url, timeout=2)
    events = []
    guard.subscribe(events.append)
    use(guard, 3)
    clock.shift(HOUR)
    sink = Sink(guard, PAGES, product_code=CODE)
    before = sink.status()
    fleet_that_ends.stop()
    assert sink.flush() == before
    (told,) = [one for one in events if type(one) is UsagePending]
    assert "cannot be had now" in told.problem


@pytest.fixture
def fleet_that_ends(tmp_path):
    return redis_server.Server(next(iter(redis_server.carried().values())), tmp_path)
