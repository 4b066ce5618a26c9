"""What the gate tests share: three seats and a feature, one at a time, asked for through boto3 and HTTP."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config

from meterguard.emulator import Emulator


@pytest.fixture(scope="session")
def service():
    """One emulator for all of them: to start one, and to make a client, takes longer than a test does."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def client(service):
    return boto3.client(
        "license-manager",
        region_name=service.region,
        endpoint_url=service.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1}, max_pool_connections=64),
    )


@pytest.fixture
def lm(service):
    """The service, as good as new: nothing asked, nothing wrong with it."""
    service.faults.clear()
    service.requests.clear()
    return service


@pytest.fixture
def licence(lm, request):
    """A licence of the test's own."""
    units = [("Seats", 3, "Count"), ("Jobs", 2, "Count"), ("Export", None, "None")]
    return lm.add_license(request.node.nodeid, [*units, ("Pages", 100, "Count"), ("Tokens", 100, "Count")])


@pytest.fixture
def new_guard(lm, licence, client, make_guard):
    """``new_guard(**options)``: a guard for that licence."""
    return lambda **options: make_guard(lm, licence, endpoint_url=None, region_name=None, client=client, **options)


@pytest.fixture
def guard(new_guard):
    return new_guard()


@pytest.fixture
def used(lm, licence):
    """``used()``: the seats in use at the service now."""
    return lambda: lm.usage(licence)["Seats"]


@pytest.fixture
def checkouts(lm):
    """``checkouts()``: what was asked for so far, as the service read it: name to value, one mapping a request."""

    def asked():
        requests = [one for one in lm.requests if one.operation == "CheckoutLicense"]
        return [{line["Name"]: line.get("Value") for line in one.parameters["Entitlements"]} for one in requests]

    return asked


@pytest.fixture
def per_call(guard):
    """A gate that takes a seat for each call."""
    return guard.requires_entitlement("Seats", 1, hold="call")


@pytest.fixture
def denied(guard):
    """``denied(**options)``: a gate for what the licence does not hold."""
    return lambda **options: guard.requires_entitlement("Nope", **options)


@pytest.fixture
def unreachable(lm):
    """``with unreachable():`` an unknown at once, since no other attempt would get another answer."""
    return lambda: lm.down(error="RedirectException")


@pytest.fixture
def returned(lm):
    """``returned(n)``: once ``n`` check-ins were answered. For seats that go back behind the caller's back."""
    return lambda count=1: lm.wait_for_calls("CheckInLicense", count, done=True)


# -- draws and meters --------------------------------------------------------------------------------


@pytest.fixture
def balance(lm, licence, guard):
    """``balance("Pages")``: the books of what is drawn, which balance and agree with the service's."""

    def look(name="Pages"):
        before = lm.usage(licence)[name]
        one = guard.ledger.summary().get(name)
        if one is None:
            assert lm.usage(licence)[name] == 0
            return None
        assert one.drawn == one.charged + one.reserved + one.left + one.lost
        assert one.drawn <= lm.usage(licence)[name]
        assert before <= one.drawn + one.pending  # the next block may be on its way
        return one

    return look


@pytest.fixture
def charged(balance):
    """``charged("Pages")``: how many units are charged, once no call has any in its hands."""

    def look(name="Pages"):
        one = balance(name)
        assert one is None or one.reserved == 0
        return 0 if one is None else one.charged

    return look


@pytest.fixture
def metered(guard):
    """``metered("Requests")``: how much a meter has written down."""
    return lambda name="Requests": sum(one.quantity for one in guard.ledger.records() if one.entitlement == name)
