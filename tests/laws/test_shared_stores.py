"""Guards that share a store, as processes do: one seat, one flight, one renewal; and a store that cannot be had."""

from __future__ import annotations

import json
import threading
from collections import Counter

import pytest

from meterguard import AuthorizationRefused, EntitlementDenied, EntitlementUnavailable
from meterguard.events import LeaseCheckedIn, LeaseCheckedOut, LeaseJoined, LeaseLeft, LeaseRenewed
from meterguard.rows import StoreFault
from meterguard.runtime.heartbeat import Heartbeat
from meterguard.runtime.sweep import Sweep
from meterguard.stores.memory_rows import MemoryRows

TTL = 20


class Watched(MemoryRows):
    """A store that counts its round trips, and can be away. ``is_fleet``, as one on a server would be."""

    is_fleet = True

    def __init__(self):
        super().__init__()
        self.trips = Counter()
        self.is_away = False
        self.hangs_for = 0.0
        self.after_landing = None  # called once a lease is written, while the reply is on its way

    def read(self, key):
        self.note("read", key)
        return super().read(key)

    def replace(self, key, expected, row, keep):
        self.note("replace", key)
        written = super().replace(key, expected, row, keep)
        if self.after_landing is not None and row is not None and _lands(row):
            call, self.after_landing = self.after_landing, None
            call()
        return written

    def note(self, what, key):
        if not key.endswith("/sweep") and "/here-" not in key:  # which come when they come
            self.trips[what] += 1
        if self.hangs_for:
            threading.Event().wait(self.hangs_for)
            raise StoreFault("the store does not answer")
        if self.is_away:
            raise StoreFault("the store is away")

    def clear(self):
        with self._lock:
            self._rows.clear()


def _lands(row):
    said = json.loads(row.body)
    return bool(said.get("lease")) and not said.get("flight")


@pytest.fixture
def store():
    return Watched()


@pytest.fixture
def licence(lm):
    return lm.add_license("ACME-1", entitlements=[("Seats", 2, "Count"), ("Export", None, "None")], ttl=TTL)


@pytest.fixture
def make(lm, licence, make_warm, store):
    """Another guard over the store, which could as well be in another process."""
    return lambda **options: make_warm(lm, licence, **{"store": store, "on_unknown": "deny"} | options)


@pytest.fixture
def told():
    """``told(guard)``: the kinds of its events so far."""

    def subscribe(guard):
        events = []
        guard.subscribe(lambda event: events.append(type(event)))
        return events

    return subscribe


def seat(guard, **options):
    return guard.requires_entitlement("Seats", 1, "Count", **options)


def test_one_seat_is_one_seat(lm, licence, make, told):
    first, second = make(), make()
    of_first, of_second = told(first), told(second)
    with seat(first) as lease, seat(second) as same:
        assert (lease.token, lease.expires_at) == (same.token, same.expires_at)
        assert lm.usage(licence)["Seats"] == 1
    assert lm.calls("CheckoutLicense") == 1
    first.close()
    assert lm.usage(licence)["Seats"] == 1, "the second one still has it"
    with seat(second) as lease:
        assert lease.is_live
    second.close()
    assert lm.usage(licence)["Seats"] == 0
    assert (lm.calls("CheckoutLicense"), lm.calls("CheckInLicense")) == (1, 1)
    assert of_first == [LeaseCheckedOut, LeaseLeft]
    assert of_second == [LeaseJoined, LeaseCheckedIn]


def test_what_may_have_been_got_before_a_refusal_goes_back(lm, licence, make):
    guard = make()
    lm.faults.add("CheckoutLicense", drop="after")
    lm.faults.add("CheckoutLicense", error="AccessDeniedException")
    with pytest.raises(AuthorizationRefused):
        seat(guard)(lambda: "ran")()
    assert lm.usage(licence)["Seats"] == 1
    guard.close()
    assert lm.usage(licence)["Seats"] == 0


def test_what_a_call_is_about_to_ride_on_is_not_given_back_as_lost(lm, licence, make, store):
    """An eviction settles a checkout of before that had no answer, while the next one has just been written."""
    guard = make()
    lessor = guard.engine.registry.exchange.lessor

    def settle():
        for key in list(lessor._open):
            lessor.settle(key)

    store.after_landing = settle
    with seat(guard) as lease:
        assert store.after_landing is None
        assert lease.is_live
        assert lm.usage(licence)["Seats"] == 1
    assert lm.calls("CheckInLicense") == 0


def test_a_guard_that_closes_waits_once_for_a_store_that_hangs(make, store):
    guard = make()
    seat(guard)(lambda: "ran")()
    store.hangs_for = 1.5
    store.trips.clear()
    guard.close()
    assert store.trips.total() == 1, "there are two seconds for all"


def test_what_is_asked_of_another_is_asked_once(lm, make, together):
    guards = [make() for _ in range(8)]
    queue = list(guards)
    outcomes = together(8, lambda: seat(queue.pop())(lambda: "ran")())
    assert outcomes == ["ran"] * 8
    assert lm.calls("CheckoutLicense") == 1


def test_a_no_is_heard_by_all_who_wait_for_it(lm, licence, make, together):
    guards = [make(denial_ttl=60) for _ in range(8)]
    with seat(make(store="memory://"), hold="call"), seat(make(store="memory://"), hold="call"):
        queue = list(guards)
        outcomes = together(8, lambda: seat(queue.pop())(lambda: "ran")())
        assert [type(one) for one in outcomes] == [EntitlementDenied] * 8
        assert lm.calls("CheckoutLicense") == 3
        with pytest.raises(EntitlementDenied):
            seat(make(denial_ttl=60))(lambda: "ran")()
    assert lm.calls("CheckoutLicense") == 3


def test_a_no_is_out_of_date_once_units_came_back(make):
    guard = make(denial_ttl=60)
    with seat(guard, hold="call"), seat(guard, hold="call"), pytest.raises(EntitlementDenied):
        seat(guard)(lambda: "ran")()
    assert seat(guard)(lambda: "ran")() == "ran"


def test_values_that_only_a_process_knows_are_of_that_process(lm, licence, make):
    """An object has no name that another process could know, so that nobody shares its seat."""
    with seat(make(), per=lambda: object), seat(make(), per=lambda: frozenset):
        assert lm.usage(licence)["Seats"] == 2


def test_one_of_all_renews(lm, make, told, skip):
    guards = [make() for _ in range(4)]
    events = [told(guard) for guard in guards]
    gates = [seat(guard) for guard in guards]
    leases = [gate.__enter__() for gate in gates]
    before = leases[0].expires_at
    skip(guards[0], 0.8 * TTL)
    lm.wait_for_calls("ExtendLicenseConsumption", done=True)
    for guard in guards:
        guard.engine.registry.renewal.watch(next(iter(guard.engine.registry.index.values())))
    assert wait_until(lambda: all(lease.expires_at > before for lease in leases))
    for gate in gates:
        gate.__exit__(None, None, None)
    assert lm.calls("ExtendLicenseConsumption") == 1
    assert sum(one.count(LeaseRenewed) for one in events) == 1


def wait_until(holds):
    return any(holds() or threading.Event().wait(0.05) for _ in range(200))


def test_the_cost_of_a_miss(store, make, monkeypatch):
    """At most three round trips, whatever is missed; a hit makes none."""
    for background in (Sweep, Heartbeat):
        monkeypatch.setattr(background, "begin", lambda _: None)
    first, second = make(), make()
    for guard, most in ((first, {"read": 1, "replace": 2}), (second, {"read": 1, "replace": 1})):
        store.trips.clear()
        guarded = seat(guard)(lambda: "ran")
        guarded()
        assert store.trips == most
        for _ in range(100):
            guarded()
        assert store.trips == most
    store.trips.clear()
    with seat(first, hold="call"):
        assert store.trips == {"read": 1, "replace": 2}
    assert wait_until(lambda: store.trips.total() == 7)
    assert store.trips == {"read": 3, "replace": 4}, "what goes back, that it is back, and whether somebody waits"


class TestStoreThatIsAway:
    def test_nobody_takes_a_seat_beside_the_shared_one(self, lm, licence, store, make):
        with seat(make()):
            newcomer = make()
            store.is_away = True
            with pytest.raises(EntitlementUnavailable, match="the store is away"):
                seat(newcomer)(lambda: "ran")()
            assert lm.usage(licence)["Seats"] == 1
            store.is_away = False
            assert seat(newcomer)(lambda: "ran")() == "ran"
        assert lm.calls("CheckoutLicense") == 1

    def test_the_outage_policy_decides_for_others(self, store, make):
        allowing = make(on_unknown="allow")
        store.is_away = True
        assert seat(allowing)(lambda: "ran")() == "ran"

    def test_leases_that_are_held_go_on_and_are_renewed(self, lm, licence, store, make, skip):
        guard = make()
        with seat(guard) as lease:
            before = lease.expires_at
            store.is_away = True
            skip(guard, 0.8 * TTL)
            lm.wait_for_calls("ExtendLicenseConsumption", done=True)
            assert wait_until(lambda: lease.expires_at > before)
            assert seat(guard)(lambda: "ran")() == "ran"
            store.is_away = False
            assert seat(make())(lambda: "ran")() == "ran"
            assert lm.usage(licence)["Seats"] == 1
        assert lm.calls("CheckoutLicense") == 1

    def test_what_could_not_be_left_goes_back_when_the_store_is_there_again(self, lm, licence, store, make):
        guard = make()
        with seat(guard, hold="call"):
            store.is_away = True
        store.is_away = False
        assert wait_until(lambda: lm.usage(licence)["Seats"] == 0)

    def test_a_store_that_was_emptied_hears_of_what_is_held(self, lm, licence, store, make, skip):
        guard = make()
        with seat(guard) as lease:
            store.clear()
            skip(guard, 0.8 * TTL)
            lm.wait_for_calls("ExtendLicenseConsumption", done=True)
            assert wait_until(lambda: len(list(store.rows(""))) > 0)
            with seat(make()) as same:
                assert same.token == lease.token
            assert lm.usage(licence)["Seats"] == 1
        assert lm.calls("CheckoutLicense") == 1

    def test_a_lease_that_was_renewed_meanwhile_goes_back(self, lm, licence, store, make, skip):
        """The store knows an earlier end, which has passed when the process leaves."""
        guard = make()
        with seat(guard) as lease:
            before = lease.expires_at
            store.is_away = True
            skip(guard, 0.8 * TTL)
            assert wait_until(lambda: lease.expires_at > before)
            skip(guard, 0.5 * TTL)
            store.is_away = False
        guard.close()
        assert lm.usage(licence)["Seats"] == 0
