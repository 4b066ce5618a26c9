"""Many users, each with a seat: ``python -m tests.laws.many_seats 100000`` counts objects, leases and requests.

The service is a client object with boto3's three methods, so that only the client's own part takes time.
"""

from __future__ import annotations

import argparse
import collections
import gc
import itertools
import json
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

from meterguard import MeterGuard
from meterguard.runtime import exchange, returns

FIRST = 2_000  # users after which objects are counted for the first time
MOST = 1_000  # leases
EVERY = 100  # users between two counts of leases
SCENARIOS = ("shared", "linger", "call", "failing")


class Refused(Exception):
    """As botocore's ``ClientError``."""

    def __init__(self, code, status=400):
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


class Service:
    """A client with boto3's methods for leases."""

    def __init__(self, units=10**9, ttl=3600):
        self.units, self.ttl = units, ttl
        self.moved = 0.0  # seconds
        self.held, self.most = {}, 0
        self.requests = []
        self.failures = {}  # the exceptions with which operations are answered
        self._lock, self._numbers = threading.Lock(), itertools.count()

    def _heard(self, operation, what):
        self.requests.append((operation, what))
        if operation in self.failures:
            raise self.failures[operation]

    def _now(self):
        return datetime.now(UTC) + timedelta(seconds=self.moved)

    def count(self, operation):
        return sum(one == operation for one, _ in self.requests)

    def checkout_license(self, **asked):
        self._heard("CheckoutLicense", asked["ClientToken"])
        with self._lock:
            if len(self.held) >= self.units:
                raise Refused("NoEntitlementsAllowedException")
            token, now = f"{next(self._numbers):032x}", self._now()
            self.held[token] = now
            self.most = max(self.most, len(self.held))
        return {
            "EntitlementsAllowed": asked["Entitlements"],
            "LicenseConsumptionToken": token,
            "IssuedAt": now.isoformat(),
            "Expiration": (now + timedelta(seconds=self.ttl)).isoformat(),
        }

    def extend_license_consumption(self, **asked):
        token = asked["LicenseConsumptionToken"]
        self._heard("ExtendLicenseConsumption", token)
        return {
            "LicenseConsumptionToken": token,
            "Expiration": (self._now() + timedelta(seconds=self.ttl)).isoformat(),
        }

    def check_in_license(self, **asked):
        self._heard("CheckInLicense", asked["LicenseConsumptionToken"])
        self.held.pop(asked["LicenseConsumptionToken"], None)
        return {}


class Forgetful(Service):
    """One that keeps no list of requests, which would be objects too."""

    def __init__(self, **options):
        super().__init__(**options)
        self.counts = collections.Counter()

    def _heard(self, operation, what):
        self.counts[operation] += 1
        if operation in self.failures:
            raise self.failures[operation]

    def count(self, operation):
        return self.counts[operation]


def objects():
    """The Python objects there are, of those that the garbage collector knows."""
    gc.collect()
    return len(gc.get_objects())


def landed(guard):
    """Wait until nothing is in the air."""
    for future in guard.engine.registry.in_air():
        future.result(30)


@contextmanager
def impatient():
    """Without the seconds in which a call waits for what could not be given back: there is no test that has so many."""
    with mock.patch.object(exchange, "SERIES", 0.0), mock.patch.object(returns, "SERIES", 0.0):
        yield


def figures(scenario, users, most=MOST):
    """Let so many users work one after the other, and return what was counted."""
    service = Forgetful()
    options = {"linger": 600} if scenario == "linger" else {}
    hold = "call" if scenario == "call" else "shared"
    with (
        impatient(),
        MeterGuard("ACME-1", "aws:1:Acme:fingerprint", client=service, max_leases=most, **options) as guard,
    ):
        seat = guard.requires_entitlement("Seats", 1, "Count", per=lambda user: user, hold=hold)(lambda user: user)
        owing = not_live = most_leases = 0
        for number in range(users):
            if scenario == "failing":
                _fail_for_a_while(service, number, users)
            seat(f"user-{number}")
            if number == FIRST - 1:
                landed(guard)
                before = objects()
            if number % EVERY == 0:
                landed(guard)
                live = set(service.held)
                owed = {one.token for one in guard.engine.registry.exchange.returns.left()}
                owing, not_live = max(owing, len(owed)), max(not_live, len(owed - live))
                most_leases = max(most_leases, len(guard.leases()))
        landed(guard)
        give_back_all(guard)
        return {
            "users": users,
            "max_leases": most,
            "more objects": objects() - before,
            "most leases": max(most_leases, len(guard.leases())),
            "most at the service": service.most,
            "most owed": owing,
            "owed, but not live": not_live,
            "left at the service": len(service.held),
            "requests": dict(service.counts),
        }


def _fail_for_a_while(service, number, users):
    """Fail check-ins for a tenth of the users, a few hundred at most: each question to the service retries one."""
    begins = max(FIRST, users // 2)
    is_out = begins <= number < begins + min(500, users // 10)
    service.failures = {"CheckInLicense": Refused("ServerInternalException", 500)} if is_out else {}


def give_back_all(guard):
    """Collect what is owed without waiting for the budget."""
    found, budget = guard.engine.registry.exchange.returns, guard.engine.registry.exchange.budget
    until = time.monotonic() + 30
    while found.left() and time.monotonic() < until:
        budget.rate = budget.rate.__class__(budget.now())
        found.collect()


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.laws.many_seats", description=__doc__)
    parser.add_argument("users", type=int)
    parser.add_argument("max_leases", type=int, nargs="?", default=MOST)
    parser.add_argument("--only", choices=SCENARIOS)
    options = parser.parse_args()
    for scenario in [options.only] if options.only else SCENARIOS:
        began = time.monotonic()
        found = figures(scenario, options.users, options.max_leases)
        sys.stdout.write(f"{scenario} {json.dumps(found)} {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
