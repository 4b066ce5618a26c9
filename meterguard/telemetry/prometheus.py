"""Prometheus: metrics of leases, in a registry of the application."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Iterable

from ..default import Follower
from ..errors import ConfigurationError
from ..events import Event
from ..extras import needed
from ..guard import MeterGuard
from ..model import shortened
from .readings import (
    ACTIVE,
    BALANCES,
    BUCKETS,
    COUNTERS,
    DURATION,
    RUN_OUT,
    UNITS,
    Reading,
    active,
    begun,
    beside,
    check_guard,
    is_of_leases,
    named,
    reading,
    run_outs,
    stocks,
)

with needed("prometheus_client", "prometheus", by="meterguard.telemetry.prometheus"):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
    from prometheus_client.metrics_core import GaugeMetricFamily
    from prometheus_client.registry import Collector

__all__ = ("instrument",)

_LABELS = ("entitlement", "outcome", "error")
_HELD = "meterguard_leases_active"


def instrument(guard: MeterGuard | None = None, *, registry: CollectorRegistry) -> Callable[[], None]:
    """Measure what happens to the leases of a guard.

    ::

        from prometheus_client import REGISTRY
        from meterguard.telemetry.prometheus import instrument

        instrument(registry=REGISTRY)

    It sends no request and starts no thread; a call that rides on a lease is not slowed down.

    :param guard: None: the default guard, also when :func:`~meterguard.configure` or an integration puts another one
        in its place, before or after.
    :param registry: where the metrics are registered. Once in each registry: a second guard needs one of its own.
    :returns: a function that ends it, and takes the metrics off the registry.
    :raises ConfigurationError: an argument is wrong.
    :raises ValueError: the registry has them already.
    """
    check_guard(guard)
    if not isinstance(registry, CollectorRegistry):
        raise ConfigurationError(f"registry must be a CollectorRegistry; got {shortened(registry)}")
    metrics = _Metrics()
    collectors = metrics.collectors()
    for one in collectors:
        registry.register(one)
    metrics.begin(guard)

    def end() -> None:
        metrics.end()
        while collectors:
            registry.unregister(collectors.pop())

    return end


class _Metrics(Collector):
    """Counters of events, and a collector that counts the leases held."""

    def __init__(self) -> None:
        self._follower = Follower(self._tell)
        self._counters = {
            what: Counter(f"meterguard_{what.replace('.', '_')}", text, _LABELS, registry=None)
            for what, text in COUNTERS.items()
        }
        self._counters |= {
            what: Counter(f"meterguard_{what.replace('.', '_')}", text, _LABELS[:1], registry=None)
            for what, text in UNITS.items()
        }
        self._durations = Histogram(
            "meterguard_checkout_duration_seconds", DURATION, _LABELS, buckets=BUCKETS, registry=None
        )
        self._seen: set[str] = set()
        self._set: Gauge | None = None
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # where no collector is asked, and values are files
            self._set = Gauge(_HELD, ACTIVE, ["entitlement"], registry=None, multiprocess_mode="livesum")

    def collectors(self) -> list[Collector]:
        """Return the collectors to register."""
        return [*self._counters.values(), self._durations, self._set or self]

    def begin(self, guard: MeterGuard | None) -> None:
        """Listen, and count the leases that are held already."""
        self._follower.begin(guard)
        for name in self._held():
            self._see(name)
            self._settle(name)

    def end(self) -> None:
        """Stop listening, and set the leases held to 0."""
        self._follower.end()
        for name in self._seen.copy():
            self._settle(name)

    def collect(self) -> Iterable[Metric]:
        """Count the leases held, and read the ledger, at each scrape."""
        held = self._held()
        family = GaugeMetricFamily(_HELD, ACTIVE, labels=["entitlement"])
        for name in sorted(self._seen.copy()):
            family.add_metric([name], held[name])
        units = {
            gauge: GaugeMetricFamily(f"meterguard_units_{gauge}", text, labels=["entitlement"])
            for gauge, text in BALANCES.items()
        }
        for stock in stocks(self._follower.guards):
            units[stock.gauge].add_metric([stock.name], stock.units)
        ends = GaugeMetricFamily("meterguard_units_run_out_timestamp_seconds", RUN_OUT, labels=["entitlement"])
        for name, when in sorted(run_outs(self._follower.guards).items()):
            ends.add_metric([name], when)
        return [family, *units.values(), ends]

    def _tell(self, event: Event) -> None:
        one = reading(event)
        if one is not None:
            self._begin(beside(one))
            labels = _labels(one)
            self._counters[one.counter].labels(*labels).inc(one.amount)
            if one.duration is not None:
                self._durations.labels(*labels).observe(one.duration)
        if is_of_leases(event):
            name = named(event.entitlements)
            self._see(name)
            self._settle(name)

    def _see(self, name: str) -> None:
        if name not in self._seen:
            self._seen.add(name)
            self._begin(begun(name))

    def _begin(self, readings: Iterable[Reading]) -> None:
        for one in readings:
            self._counters[one.counter].labels(*_labels(one))

    def _settle(self, name: str) -> None:
        """Write down how many leases are held.

        It is repeated until the number is the one that was written, because another thread may have counted before
        this one and written after it. A lock would not survive a fork.
        """
        if self._set is None:
            return
        written = None
        while written != (now := self._held()[name]):
            self._set.labels(name).set(now)
            written = now

    def _held(self) -> collections.Counter[str]:
        return active(self._follower.guards)


def _labels(one: Reading) -> tuple[str, ...]:
    return (one.name,) if one.counter in UNITS else (one.name, one.outcome, one.error)
