"""OpenTelemetry: metrics of leases. Needs the API alone; the application brings its SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from weakref import WeakKeyDictionary

from .. import __version__
from ..default import Follower
from ..errors import ConfigurationError
from ..events import Event
from ..extras import needed
from ..guard import MeterGuard
from ..model import shortened
from .readings import (
    ACTIVE,
    BALANCES,
    BORROWS,
    BUCKETS,
    CHECK_INS,
    CHECKOUTS,
    COUNTERS,
    DURATION,
    GRACE,
    LAPSES,
    LEDGER,
    METERING,
    RENEWALS,
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

with needed("opentelemetry.metrics", "otel", by="meterguard.telemetry.opentelemetry"):
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter_provider

__all__ = ("instrument",)

_ENTITLEMENT, _OUTCOME, _ERROR = "meterguard.entitlement.name", "meterguard.outcome", "error.type"
_UNITS = {
    CHECKOUTS: "{checkout}",
    RENEWALS: "{renewal}",
    CHECK_INS: "{check_in}",
    LAPSES: "{lapse}",
    GRACE: "{change}",
    BORROWS: "{change}",
    LEDGER: "{failure}",
    METERING: "{record}",
}


def instrument(guard: MeterGuard | None = None, *, meter_provider: MeterProvider | None = None) -> Callable[[], None]:
    """Measure what happens to the leases of a guard.

    ::

        from meterguard.telemetry.opentelemetry import instrument

        instrument()

    It sends no request and starts no thread; a call that rides on a lease is not slowed down. Call it once for a guard.

    :param guard: None: the default guard, also when :func:`~meterguard.configure` or an integration puts another one
        in its place, before or after.
    :param meter_provider: None: the global one, which may be set later.
    :returns: a function that ends it.
    :raises ConfigurationError: an argument is wrong.
    """
    check_guard(guard)
    if not isinstance(meter_provider, MeterProvider | None):
        raise ConfigurationError(f"meter_provider must be a MeterProvider or None; got {shortened(meter_provider)}")
    provider = meter_provider or get_meter_provider()
    if provider not in _made:
        _made[provider] = _Instruments(provider.get_meter("meterguard", __version__))
    instruments = _made[provider]
    follower = instruments.begin(guard)

    def end() -> None:
        follower.end()
        instruments.followers.discard(follower)

    return end


class _Instruments:
    """The instruments of a provider, made once: it would take those made again for others of the same name."""

    def __init__(self, meter: Meter) -> None:
        self.followers: set[Follower] = set()
        self._seen: set[str] = set()
        self._counters = {
            what: meter.create_counter(f"meterguard.{what}", _UNITS.get(what, "{unit}"), text)
            for what, text in (COUNTERS | UNITS).items()
        }
        for gauge, text in BALANCES.items():
            meter.create_observable_gauge(f"meterguard.units.{gauge}", [partial(self._stock, gauge)], "{unit}", text)
        meter.create_observable_gauge("meterguard.units.run_out", [self._run_out], "s", RUN_OUT)
        self._durations = meter.create_histogram(
            "meterguard.checkout.duration", "s", DURATION, explicit_bucket_boundaries_advisory=BUCKETS
        )
        meter.create_observable_up_down_counter("meterguard.lease.active", [self._observe], "{lease}", ACTIVE)

    def begin(self, guard: MeterGuard | None) -> Follower:
        """Listen, and count the leases that are held already."""
        follower = Follower(self._tell)
        self.followers.add(follower)
        follower.begin(guard)
        for name in active(follower.guards):
            self._see(name)
        return follower

    def _tell(self, event: Event) -> None:
        if is_of_leases(event):
            self._see(named(event.entitlements))
        one = reading(event)
        if one is not None:
            self._begin(beside(one))
            self._counters[one.counter].add(one.amount, _attributes(one))
            if one.duration is not None:
                self._durations.record(one.duration, _attributes(one))

    def _see(self, name: str) -> None:
        if name not in self._seen:
            self._seen.add(name)
            self._begin(begun(name))

    def _begin(self, readings: Iterable[Reading]) -> None:
        for one in readings:
            self._counters[one.counter].add(0, _attributes(one))

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        """Count the leases held; a name without a lease goes back to 0."""
        held = active(self._guards())
        return [Observation(held[name], {_ENTITLEMENT: name}) for name in sorted(self._seen.copy())]

    def _stock(self, gauge: str, _: CallbackOptions) -> Iterable[Observation]:
        """Read the units that are left, reserved or owed from the ledger."""
        found = stocks(self._guards())
        return [Observation(one.units, {_ENTITLEMENT: one.name}) for one in found if one.gauge == gauge]

    def _run_out(self, _: CallbackOptions) -> Iterable[Observation]:
        """Tell when licences run out of units, as far as that is known."""
        found = run_outs(self._guards())
        return [Observation(when, {_ENTITLEMENT: name}) for name, when in sorted(found.items())]

    def _guards(self) -> set[MeterGuard]:
        return {guard for follower in self.followers.copy() for guard in follower.guards}


def _attributes(one: Reading) -> dict[str, str]:
    attributes = {_ENTITLEMENT: one.name, _OUTCOME: one.outcome, _ERROR: one.error}
    return {name: value for name, value in attributes.items() if value}


_made: WeakKeyDictionary[MeterProvider, _Instruments] = WeakKeyDictionary()
