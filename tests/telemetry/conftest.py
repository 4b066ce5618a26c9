"""What the tests of telemetry share: a licence, and one way to read what either system of metrics has counted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from meterguard import default


@pytest.fixture
def licence(lm):
    lines = [("Seats", 3, "Count"), ("Jobs", 2, "Count"), ("Pages", 10, "Count"), ("Export", None, "None")]
    return lm.add_license("ACME-1", entitlements=lines, ttl=3600)


@pytest.fixture
def new_guard(lm, licence, make_guard):
    return lambda **options: make_guard(lm, licence, **options)


@pytest.fixture
def guard(new_guard):
    return new_guard()


@pytest.fixture
def later(lm):
    """``later(seconds)``: time goes on here and at the service. Until the test's end it does nothing else."""
    with freeze_time(datetime.now(UTC), real_asyncio=True) as frozen:

        def go_on(seconds):
            frozen.tick(seconds)
            lm.clock.advance(seconds)

        yield go_on


@pytest.fixture
def landed():
    """``landed(guard)``: wait until nothing that it asked is in the air, and all that happened was told."""

    def wait(guard):
        for future in guard.engine.registry.in_air():
            future.result(10)

    return wait


class OpenTelemetry:
    """The real SDK, read in memory."""

    def __init__(self):
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def instrument(self, guard=None):
        from meterguard.telemetry.opentelemetry import instrument

        return instrument(guard, meter_provider=self.provider)

    def metrics(self):
        data = self.reader.get_metrics_data()
        scopes = [scope for of in data.resource_metrics for scope in of.scope_metrics] if data else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def samples(self):
        for name, metric in self.metrics().items():
            for point in metric.data.data_points:
                labels = [point.attributes.get(key, "") for key in ("meterguard.outcome", "error.type")]
                number = point.count if hasattr(point, "count") else point.value
                key = (
                    name.removeprefix("meterguard.").replace(".", "_"),
                    point.attributes.get("meterguard.entitlement.name", ""),
                )
                yield (*key, *labels), number


class Prometheus:
    """The real client, read as it is scraped."""

    def __init__(self):
        from prometheus_client import CollectorRegistry

        self.names = {
            "checkout_duration_seconds_count": "checkout_duration",
            "leases_active": "lease_active",
            "units_run_out_timestamp_seconds": "units_run_out",
        }
        self.registry = CollectorRegistry()

    def instrument(self, guard=None):
        from meterguard.telemetry.prometheus import instrument

        return instrument(guard, registry=self.registry)

    def samples(self):
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name.endswith(("_created", "_sum", "_bucket")):
                    continue
                name = sample.name.removeprefix("meterguard_").removesuffix("_total")
                labels = [sample.labels.get(key, "") for key in ("entitlement", "outcome", "error")]
                yield (self.names.get(name, name), *labels), int(sample.value)


@pytest.fixture(params=[OpenTelemetry, Prometheus])
def system(request, monkeypatch):
    # what follows the default guard here does not hear those of later tests
    monkeypatch.setattr(default, "_followers", default._followers)
    return request.param()


@pytest.fixture
def counts(system):
    """``counts()``: what was counted, as ``{(what, entitlement, outcome, error): how many}``."""
    others = ("lease_active", "units_run_out")  # what is, and what will be
    return lambda: {key: number for key, number in system.samples() if number and key[0] not in others}


@pytest.fixture
def active(system):
    """``active()``: the leases held, by entitlement."""
    return lambda: Counter({key[1]: number for key, number in system.samples() if key[0] == "lease_active"})
