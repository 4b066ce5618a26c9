"""OpenTelemetry: names, units and attributes as its conventions have them, in whatever order things are set up."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.metrics import NoOpMeterProvider

from meterguard.telemetry.opentelemetry import instrument
from tests.telemetry.conftest import OpenTelemetry


@pytest.fixture
def system():
    return OpenTelemetry()


def test_instruments(system, lm, new_guard, later, landed):
    guard = new_guard(grace=7200)
    system.instrument(guard)
    guarded = guard.requires_entitlement("Seats", 1)(lambda: "ran")
    guarded()
    later(3590)
    guarded()
    landed(guard)
    later(3601)
    with lm.down(error="RedirectException"):
        guarded()
        landed(guard)
    guarded()
    landed(guard)
    guard.close()
    metrics = system.metrics()
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "meterguard.checkouts": "{checkout}",
        "meterguard.checkout.duration": "s",
        "meterguard.renewals": "{renewal}",
        "meterguard.check_ins": "{check_in}",
        "meterguard.lapses": "{lapse}",
        "meterguard.grace.changes": "{change}",
        "meterguard.lease.active": "{lease}",
    }
    kinds = {name: type(metric.data).__name__ for name, metric in metrics.items()}
    assert kinds.pop("meterguard.checkout.duration") == "Histogram"
    assert set(kinds.values()) == {"Sum"}
    monotonic = {name for name in kinds if metrics[name].data.is_monotonic}
    assert kinds.keys() - monotonic == {"meterguard.lease.active"}


def test_attributes_that_have_no_value_are_left_out(system, lm, guard):
    system.instrument(guard)
    with guard.requires_entitlement("Seats", 1):
        pass
    attributes = {
        name: [dict(point.attributes) for point in metric.data.data_points] for name, metric in system.metrics().items()
    }
    succeeded = {"meterguard.entitlement.name": "Seats", "meterguard.outcome": "ok"}
    assert attributes.pop("meterguard.grace.changes")
    assert attributes == {
        "meterguard.checkouts": [succeeded],
        "meterguard.checkout.duration": [succeeded],
        "meterguard.lease.active": [{"meterguard.entitlement.name": "Seats"}],
    }


def test_a_checkout_is_measured_in_seconds_with_buckets_for_seconds(system, lm, guard):
    guard.engine.registry.exchange.service.connect()
    system.instrument(guard)
    lm.faults.add("CheckoutLicense", latency=0.3)
    with guard.requires_entitlement("Seats", 1):
        pass
    (point,) = system.metrics()["meterguard.checkout.duration"].data.data_points
    assert point.explicit_bounds[0] == 0.005
    assert point.explicit_bounds[-1] == 10
    assert 0.3 <= point.sum < 5
    assert sum(point.bucket_counts) == 1


def test_two_guards_share_the_instruments(system, lm, guard, make_guard):
    other = make_guard(lm, lm.add_license("OTHER-1", entitlements=[("Seats", 3, "Count"), ("Reports", None, "None")]))
    ends = [system.instrument(guard), system.instrument(other)]
    with guard.requires_entitlement("Seats", 1), other.requires_entitlement("Seats", 1):
        with other.requires_entitlement("Reports"):
            held = {key[1]: number for key, number in system.samples() if key[0] == "lease_active"}
        assert held == {"Seats": 2, "Reports": 1}
    assert dict(system.samples())["checkouts", "Seats", "ok", ""] == 2
    ends[1]()
    held = {key[1]: number for key, number in system.samples() if key[0] == "lease_active"}
    assert held == {"Seats": 1, "Reports": 0}


IN_WHATEVER_ORDER = """
import sys
import meterguard
from meterguard.emulator import Emulator
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from meterguard.telemetry.opentelemetry import instrument

reader = InMemoryMetricReader()
with Emulator() as lm:
    licence = lm.add_license("ACME-1", entitlements=[("Seats", 3, "Count")])
    steps = {
        "instrument": instrument,
        "provide": lambda: metrics.set_meter_provider(MeterProvider([reader])),
        "configure": lambda: meterguard.configure(
            "ACME-1", licence.key_fingerprint, endpoint_url=lm.url, region_name=lm.region
        ),
    }
    for step in sys.argv[1:]:
        steps[step]()
    with meterguard.requires_entitlement("Seats", 1):
        (resource,) = reader.get_metrics_data().resource_metrics
        (scope,) = resource.scope_metrics
        assert scope.scope.name == "meterguard" and scope.scope.version == meterguard.__version__
        values = {one.name: one.data.data_points[0] for one in scope.metrics}
        assert values["meterguard.checkouts"].value == 1
        assert values["meterguard.lease.active"].value == 1
    meterguard.get_guard().close()
"""


@pytest.mark.parametrize(
    "steps",
    [
        ("instrument", "provide", "configure"),
        ("provide", "instrument", "configure"),
        ("configure", "provide", "instrument"),
        ("configure", "instrument", "provide"),
    ],
)
def test_it_does_not_matter_what_is_set_up_first(a_server, steps):
    command = [sys.executable, "-W", "error", "-c", IN_WHATEVER_ORDER, *steps]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_a_provider_that_does_nothing_is_as_good_as_any(lm, guard):
    end = instrument(guard, meter_provider=NoOpMeterProvider())
    with guard.requires_entitlement("Seats", 1, hold="call"):
        pass
    end()
    assert lm.usage("ACME-1")["Seats"] == 0
